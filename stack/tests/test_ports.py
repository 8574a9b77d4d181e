"""Ports can be set, and wrong ones are refused by name."""

import pytest

from osteon.errors import Fatal
from osteon_stack.ports import Ports, free_ports, is_free, ports_from


def test_a_port_is_set_by_the_environment() -> None:
    ports = ports_from({"OSTEON_STACK_KAFKA_PORT": "19092", "OSTEON_STACK_STOW_PORT": "18042"})

    assert (ports.kafka, ports.stow) == (19092, 18042)
    assert ports.console == Ports().console


@pytest.mark.parametrize("wrong", ["kafka", "-1", "0", "65536", "9092.5"])
def test_what_is_no_port_is_refused_by_its_setting(wrong: str) -> None:
    with pytest.raises(Fatal, match="OSTEON_STACK_KAFKA_PORT"):
        ports_from({"OSTEON_STACK_KAFKA_PORT": wrong})


def test_two_parts_on_one_port_are_refused() -> None:
    with pytest.raises(Fatal, match="OSTEON_STACK_STOW_PORT and OSTEON_STACK_DIMSE_PORT are both 11112"):
        ports_from({"OSTEON_STACK_STOW_PORT": "11112"})


def test_a_port_of_seaweedfs_leaves_room_for_its_grpc_port() -> None:
    with pytest.raises(Fatal, match="OSTEON_STACK_SEAWEEDFS_S3_PORT"):
        ports_from({"OSTEON_STACK_SEAWEEDFS_S3_PORT": "60000"})


def test_free_ports_are_free() -> None:
    assert is_free(free_ports().kafka)

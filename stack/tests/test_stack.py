"""Up, down and status of real parts; and what is left when something is killed."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from osteon.errors import Fatal
from osteon_stack.kafka import is_ready as kafka_is_ready
from osteon_stack.part import MARKER, PART
from osteon_stack.parts import build
from osteon_stack.ports import free_ports
from osteon_stack.processes import processes_of
from osteon_stack.stack import Stack
from osteon_stack.state import is_supervised


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "state", free_ports())
    yield stack
    stack.down()


def process_of(stack: Stack, part: str) -> psutil.Process:
    return next(process for process, name in processes_of(stack.folder).items() if name == part)


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    was_new = stack.up(["triton"])
    before = set(processes_of(stack.folder))

    is_new = stack.up(["triton"])

    assert (was_new, is_new) == (True, False)
    assert set(processes_of(stack.folder)) == before


def test_up_adds_a_part_to_a_stack_that_runs(stack: Stack) -> None:
    stack.up(["triton"])
    triton = process_of(stack, "triton")

    assert stack.up(["seaweedfs"])

    assert [state.name for state in stack.status() if state.is_well] == ["seaweedfs", "triton"]
    assert process_of(stack, "triton") == triton


def test_a_part_that_is_killed_is_started_again(stack: Stack, until: Callable[..., None]) -> None:
    stack.up(["triton"])
    killed = process_of(stack, "triton")

    killed.kill()

    until(lambda: stack.status()[0].n_restarts == 1 and stack.status()[0].is_well)
    assert process_of(stack, "triton").pid != killed.pid


@pytest.mark.slow
def test_kafka_keeps_its_records_when_it_is_killed(stack: Stack, until: Callable[..., None]) -> None:
    from kafka.admin import KafkaAdminClient, NewTopic

    stack.up(["kafka"])
    address = f"127.0.0.1:{stack.ports.kafka}"
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([NewTopic("kept", 1, 1)])
    admin.close()

    process_of(stack, "kafka").kill()

    until(lambda: stack.status()[0].n_restarts == 1 and stack.status()[0].is_well)
    assert kafka_is_ready(stack.ports.kafka)
    admin = KafkaAdminClient(bootstrap_servers=address)
    assert "kept" in admin.list_topics()
    admin.close()


def test_the_parts_die_with_a_supervisor_that_is_killed(stack: Stack, until: Callable[..., None]) -> None:
    stack.up(["seaweedfs", "triton"])

    process_of(stack, "supervisor").kill()

    until(lambda: not processes_of(stack.folder))
    assert [state.state for state in stack.status()] == ["stopped", "stopped"]
    stack.down()
    assert not [
        path for part in build(("seaweedfs",), stack.folder, stack.ports) for path in part.leaves if path.exists()
    ]


def test_down_ends_orphans_too(stack: Stack, until: Callable[..., None]) -> None:
    with subprocess.Popen(["sleep", "60"], env={MARKER: str(stack.folder), PART: "triton"}) as orphan:
        until(lambda: processes_of(stack.folder), 30)  # a program that was just started has no environment yet

        ended = stack.down()
        left = orphan.poll() is None
        orphan.kill()

    assert not left
    assert ended == ["triton"]


def test_down_ends_a_supervisor_that_is_halted(stack: Stack) -> None:
    stack.up(["triton"])
    process_of(stack, "supervisor").suspend()

    stack.down()

    assert not processes_of(stack.folder)


def test_up_heals_a_stack_whose_supervisor_was_killed(stack: Stack, until: Callable[..., None]) -> None:
    stack.up(["triton"])
    process_of(stack, "supervisor").kill()
    until(lambda: not is_supervised(stack.folder))

    assert stack.up(["triton"])

    assert stack.status()[0].is_well


def test_down_leaves_no_process_and_all_data(stack: Stack) -> None:
    stack.up(["seaweedfs", "triton"])

    ended = stack.down()

    assert ended == ["seaweedfs", "triton"]
    assert not processes_of(stack.folder)
    assert (stack.folder / "seaweedfs" / "data").is_dir()
    assert stack.down() == []


def test_a_port_that_is_taken_is_named_with_its_holder(stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", stack.ports.triton_grpc)), pytest.raises(Fatal) as told:
        stack.up(["triton"])

    assert f"port {stack.ports.triton_grpc} of triton is taken" in str(told.value)
    assert f"process {os.getpid()}" in str(told.value)
    assert not processes_of(stack.folder)


def test_a_part_that_can_t_start_is_reported_with_the_end_of_its_log(stack: Stack) -> None:
    broken = stack.folder / "triton" / "backends"
    broken.parent.mkdir(parents=True)
    broken.write_text("not a folder")

    with pytest.raises(Fatal, match="triton does not come up"):
        stack.up(["triton"])


def test_an_unknown_part_is_refused_with_the_known_ones(stack: Stack) -> None:
    with pytest.raises(Fatal, match=r"unknown parts tritom; known ones: seaweedfs, "):
        stack.up(["tritom"])


def test_a_halted_part_is_ended_too(stack: Stack) -> None:
    stack.up(["triton"])
    process_of(stack, "triton").send_signal(signal.SIGSTOP)

    stack.down()

    assert not processes_of(stack.folder)

"""The command line: `osteon stack …` and `osteon doctor`."""

import os
import subprocess
import sys
from pathlib import Path

from osteon_stack.ports import free_ports
from osteon_stack.secrets import identity

OSTEON = str(Path(sys.executable).with_name("osteon"))


def osteon(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [OSTEON, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_up_tells_what_it_does_and_the_second_that_it_does_nothing(tmp_path: Path) -> None:
    ports = free_ports()
    folder = str(tmp_path / "state")
    setting = {
        "OSTEON_STACK_FOLDER": folder,
        "OSTEON_STACK_TRITON_HTTP_PORT": str(ports.triton_http),
        "OSTEON_STACK_TRITON_GRPC_PORT": str(ports.triton_grpc),
        "OSTEON_STACK_TRITON_METRICS_PORT": str(ports.triton_metrics),
    }
    try:
        first = osteon("stack", "up", "triton", **setting)
        second = osteon("stack", "up", "triton", **setting)
        status = osteon("stack", "status", **setting)
        log = osteon("stack", "logs", "triton", **setting)
    finally:
        down = osteon("stack", "down", **setting)

    assert (first.returncode, second.returncode, status.returncode, down.returncode) == (0, 0, 0, 0), first.stderr
    assert "triton" in first.stdout
    assert "ready" in first.stdout
    assert "nothing was changed" in second.stdout
    assert f"127.0.0.1:{ports.triton_grpc}" in log.stdout
    assert "ended: triton" in down.stdout


def test_doctor_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    ports = free_ports()
    settings = {f"OSTEON_STACK_{name.upper()}_PORT": str(port) for name, port in ports.__dict__.items()}

    told = osteon("doctor", "--folder", str(tmp_path / "state"), **settings)

    assert told.returncode == 1
    assert f"was never started in {tmp_path / 'state'}: osteon stack up" in told.stdout
    assert not (tmp_path / "state").exists()


def test_doctor_tells_of_a_part_that_is_down_and_of_no_other(tmp_path: Path) -> None:
    ports = free_ports()
    settings = {f"OSTEON_STACK_{name.upper()}_PORT": str(port) for name, port in ports.__dict__.items()}
    identity(tmp_path, "admin")  # as of a stack that was started once

    told = osteon("doctor", "--folder", str(tmp_path), **settings)

    assert told.returncode == 1
    assert f"kafka: nobody listens at 127.0.0.1:{ports.kafka}" in told.stdout
    assert "topics" not in told.stdout


def test_a_wrong_port_stops_up_with_the_name_of_the_setting(tmp_path: Path) -> None:
    told = osteon("stack", "up", "--folder", str(tmp_path), OSTEON_STACK_KAFKA_PORT="many")

    assert told.returncode == 1
    assert "OSTEON_STACK_KAFKA_PORT" in told.stderr

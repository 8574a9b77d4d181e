"""One whole stack for all end-to-end tests, and the command line that talks to it."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from osteon_stack.ports import HOST, free_ports
from osteon_stack.secrets import lock
from osteon_stack.stack import Stack

Osteon = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose Kafka is locked; a test that needs it calls `up`, which changes nothing if it runs."""
    stack = Stack(tmp_path_factory.mktemp("e2e") / "state", free_ports())
    lock(stack.folder)
    yield stack
    stack.down()


@pytest.fixture
def osteon(stack: Stack) -> Osteon:
    """`osteon …` as a user types it, for that stack."""
    ports = {f"OSTEON_STACK_{name.upper()}_PORT": str(port) for name, port in dataclasses.asdict(stack.ports).items()}
    settings = {
        "COLUMNS": "200",
        "OSTEON_CONSOLE_URL": f"http://{HOST}:{stack.ports.console}",
        "OSTEON_STACK_FOLDER": str(stack.folder),
    }

    def run(*arguments: str, answers: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        command = [str(Path(sys.executable).with_name("osteon")), *arguments]
        environment = {**os.environ, **ports, **settings, **more}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=500, check=False, input=answers
        )

    return run

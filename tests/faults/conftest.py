"""A stack of its own for the scenarios of this folder; a test that needs it calls `up`, and may hit it as it likes."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from osteon_stack.ports import free_ports
from osteon_stack.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The folder and ports of a stack."""
    stack = Stack(tmp_path_factory.mktemp("faults") / "state", free_ports())
    yield stack
    stack.down()


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait for a condition with a deadline."""

    def wait(condition: Callable[[], object], within_s: float = 120.0, what: Callable[[], object] = str) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, f"did not come true within {within_s:.0f} s; {what()}"
            threading.Event().wait(0.1)

    return wait

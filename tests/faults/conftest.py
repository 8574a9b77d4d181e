"""A stack of its own for the scenarios of this folder; a test may hit it as it likes."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from osteon_stack.parts import PARTS
from osteon_stack.ports import free_ports
from osteon_stack.stack import Stack

TRAPS = Path(__file__).with_name("traps")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A whole stack; its services step into the traps that lie in its folder `traps`: see `traps/sitecustomize.py`."""
    stack = Stack(tmp_path_factory.mktemp("faults") / "state", free_ports())
    (stack.folder / "traps").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(TRAPS))
        environment.setenv("FAULTS_TRAPS", str(stack.folder / "traps"))
        stack.up([part for part in PARTS if part != "prometheus"])
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

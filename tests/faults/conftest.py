"""A stack of its own for the scenarios of this folder; a test may hit it as it likes."""

from collections.abc import Iterator
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

"""A stack of its own for the scenarios of this folder; a test may hit it as it likes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from osteon_stack.parts import PARTS
from osteon_stack.ports import free_ports
from osteon_stack.stack import Stack
from tests.faults.clocks import clock_environment, clocks_can_jump, make_clocks

TRAPS = Path(__file__).with_name("traps")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A whole stack; its services step into the traps that lie in its folder `traps`: see `traps/sitecustomize.py`.

    Where there is a compiler, the clocks of its parts can jump: see `clocks.py`.
    """
    stack = Stack(tmp_path_factory.mktemp("faults") / "state", free_ports())
    (stack.folder / "traps").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(TRAPS))
        environment.setenv("FAULTS_TRAPS", str(stack.folder / "traps"))
        if clocks_can_jump():
            make_clocks(stack.folder)
            for name, value in clock_environment(stack.folder).items():
                environment.setenv(name, value)
        try:
            stack.up([part for part in PARTS if part != "prometheus"])
            yield stack
        finally:
            stack.down()  # also of one that did not come up

"""All parts together: they come up, doctor finds nothing, and what is killed comes back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from osteon_stack.doctor import examine
from osteon_stack.ports import free_ports
from osteon_stack.processes import processes_of
from osteon_stack.stack import Stack

SERVICES = ("reconcile", "ingest", "accept", "harmonizer", "classifier", "console")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "state", free_ports())
    yield stack
    stack.down()


def listening(stack: Stack) -> set[str]:
    """The addresses at which the parts take connections."""
    sockets = [one for process in processes_of(stack.folder) for one in process.net_connections("tcp")]
    return {one.laddr.ip.removeprefix("::ffff:") for one in sockets if one.status == psutil.CONN_LISTEN}


@pytest.mark.slow
def test_all_parts_come_up_and_come_back_when_they_are_killed(stack: Stack, until: Callable[..., None]) -> None:
    stack.up()
    assert [finding for finding in examine(stack) if finding.trouble] == []
    assert listening(stack) == {"127.0.0.1"}

    for process, part in processes_of(stack.folder).items():
        if part in SERVICES:
            process.kill()

    def are_back() -> bool:
        return all(state.is_well and (state.n_restarts or state.name not in SERVICES) for state in stack.status())

    until(are_back, what=stack.status)
    assert [finding for finding in examine(stack) if finding.trouble] == []

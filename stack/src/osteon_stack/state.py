"""What a stack's folder says: which parts are wanted on which ports, and how each of them is."""

import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osteon_stack.ports import Ports

__all__ = [
    "PartState", "Wanted", "forget_states", "is_supervised", "read_states", "read_wanted", "supervising",
    "write_states", "write_wanted",
]  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What `up` asked for; the supervisor reads it."""

    parts: tuple[str, ...]
    ports: Ports


@dataclass(frozen=True)
class PartState:
    """How a part is: `waiting`, `starting`, `ready`, `done` (a task), `restarting` or `stopped`."""

    name: str
    state: str
    pid: int | None = None
    n_restarts: int = 0
    why: str = ""

    @property
    def is_well(self) -> bool:
        """Whether those that wait for it may go on."""
        return self.state in ("ready", "done")


def write_wanted(folder: Path, wanted: Wanted) -> None:
    """Keep what is wanted."""
    _write(folder / "wanted.json", dataclasses.asdict(wanted))


def read_wanted(folder: Path) -> Wanted | None:
    """What was wanted last; None if nothing ever was."""
    read = _read(folder / "wanted.json")
    return Wanted(tuple(read["parts"]), Ports(**read["ports"])) if read else None


def write_states(folder: Path, states: tuple[PartState, ...]) -> None:
    """Say how the parts are; the supervisor alone does."""
    _write(folder / "states.json", {state.name: dataclasses.asdict(state) for state in states})


def read_states(folder: Path) -> dict[str, PartState]:
    """How the parts are, by name, as the supervisor said last."""
    return {name: PartState(**state) for name, state in _read(folder / "states.json").items()}


def forget_states(folder: Path) -> None:
    """What a supervisor that is gone said, tells nothing about the next."""
    (folder / "states.json").unlink(missing_ok=True)


@contextmanager
def supervising(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock, if nobody does; gives whether it is held now. It falls with the process."""
    with (folder / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def is_supervised(folder: Path) -> bool:
    """Whether a supervisor lives."""
    if not folder.exists():
        return False
    with supervising(folder) as was_free:
        return not was_free


def _write(path: Path, value: Mapping[str, Any]) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(value, indent=1))
    partial.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return read

"""The stack as a whole: up, down, status."""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from osteon.errors import Fatal
from osteon_stack.kafka import class_path
from osteon_stack.part import MARKER, PART, inherited_environment, tail
from osteon_stack.parts import PARTS, build, default_parts, with_needed
from osteon_stack.ports import Ports, refuse_taken
from osteon_stack.processes import end_all, processes_of
from osteon_stack.state import (
    PartState,
    Wanted,
    forget_states,
    is_supervised,
    read_states,
    read_wanted,
    write_states,
    write_wanted,
)

__all__ = ["Stack"]

UP_WITHIN_S = 300.0
DOWN_WITHIN_S = 90.0  # the supervisor gives the services 30 s, then the servers 20 s
ORPHANS_WITHIN_S = 5.0
MANY_RESTARTS = 3
POLL_S = 0.1

Listener = Callable[[Sequence[PartState]], None]


@dataclass(frozen=True)
class Stack:
    """All parts on this machine. What they know and hold lies in `folder`; it stays when they end."""

    folder: Path
    ports: Ports

    def __post_init__(self) -> None:
        """One folder has one name, by which its processes are found."""
        object.__setattr__(self, "folder", self.folder.resolve())

    def up(self, parts: Sequence[str] | None = None, listener: Listener = lambda _: None) -> bool:
        """Start what does not run of `parts` (all by default) and what they need; wait until it is ready.

        Gives whether anything had to be started. `listener` is told the states while it waits. Raises Fatal if a
        port is taken or a part does not come up; what came up then goes on.
        """
        unknown = sorted(set(parts or ()) - set(PARTS))
        if unknown:
            raise Fatal(f"unknown parts {', '.join(unknown)}; known ones: {', '.join(PARTS)}")
        self.folder.mkdir(parents=True, exist_ok=True)
        names = with_needed(tuple(parts or default_parts()), self.folder, self.ports)
        if is_supervised(self.folder):
            is_new = self._ask_for(names)
        else:
            self._start_supervisor(names)
            is_new = True
        self._wait_for(names, listener)
        return is_new

    def down(self) -> list[str]:
        """End every process of the stack, orphans too; gives the names of the parts that were ended."""
        names = sorted(set(processes_of(self.folder).values()))
        supervisor = self._supervisor()
        if supervisor:
            supervisor.resume()  # a halted one would not see the next
            supervisor.terminate()
            psutil.wait_procs([supervisor], timeout=DOWN_WITHIN_S)
        names += self._end_rest()
        if self.folder.exists():
            write_states(self.folder, tuple(PartState(name, "stopped") for name in read_states(self.folder)))
        return sorted(set(names) - {"supervisor"})

    def status(self) -> list[PartState]:
        """How each part is that was ever wanted; `stopped` all, where no supervisor lives."""
        wanted = read_wanted(self.folder)
        states = read_states(self.folder) if is_supervised(self.folder) else {}
        return [states.get(name, PartState(name, "stopped")) for name in (wanted.parts if wanted else ())]

    def _ask_for(self, names: tuple[str, ...]) -> bool:
        """Tell the living supervisor what else is wanted."""
        wanted = read_wanted(self.folder)
        if wanted is None or wanted.ports != self.ports:
            raise Fatal("the stack runs with other ports: stop it first (osteon stack down)")
        more = tuple(name for name in names if name not in wanted.parts)
        if not more:
            return False
        self._refuse_taken(more)
        write_wanted(self.folder, Wanted(tuple(name for name in PARTS if name in wanted.parts + more), self.ports))
        supervisor = self._supervisor()
        if supervisor:
            supervisor.send_signal(signal.SIGHUP)
        return True

    def _start_supervisor(self, names: tuple[str, ...]) -> None:
        self._end_rest()  # what a supervisor that was killed left
        if "kafka" in names:
            class_path()  # downloads at the first time, which is no part's fault
        self._refuse_taken(names)
        forget_states(self.folder)
        write_wanted(self.folder, Wanted(names, self.ports))
        log = self.folder / "logs" / "supervisor.log"
        log.parent.mkdir(exist_ok=True)
        # Not subprocess: this one outlives its parent by intent.
        os.posix_spawn(
            sys.executable,
            (sys.executable, "-m", "osteon_stack.supervise", str(self.folder)),
            {**inherited_environment(), MARKER: str(self.folder), PART: "supervisor"},
            file_actions=(
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ),
            setsid=True,
        )

    def _end_rest(self) -> list[str]:
        """End whatever still runs, and remove the files that parts forget outside the folder."""
        ended = end_all(self.folder, ORPHANS_WITHIN_S)
        wanted = read_wanted(self.folder)
        for part in build(wanted.parts, self.folder, wanted.ports) if wanted else ():
            for path in part.leaves:
                path.unlink(missing_ok=True)
        return ended

    def _refuse_taken(self, names: tuple[str, ...]) -> None:
        refuse_taken((part.name, port) for part in build(names, self.folder, self.ports) for port in part.ports)

    def _supervisor(self) -> psutil.Process | None:
        for process, part in processes_of(self.folder).items():
            if part == "supervisor":
                return process
        return None

    def _wait_for(self, names: tuple[str, ...], listener: Listener) -> None:
        deadline_s = time.monotonic() + UP_WITHIN_S
        n_before = {name: state.n_restarts for name, state in read_states(self.folder).items()}
        was_supervised = False
        while time.monotonic() < deadline_s:
            states = read_states(self.folder)
            listener([states.get(name, PartState(name, "waiting")) for name in names])
            if all(name in states and states[name].is_well for name in names):
                return
            for name, state in states.items():
                if state.n_restarts - n_before.get(name, 0) >= MANY_RESTARTS and not state.is_well:
                    raise Fatal(f"{name} does not come up: it {state.why}. The end of its log:\n{self._tail(name)}")
            is_alive = is_supervised(self.folder)
            if was_supervised and not is_alive:
                raise Fatal(f"the supervisor ended:\n{self._tail('supervisor')}")
            was_supervised = is_alive
            time.sleep(POLL_S)
        late = [name for name in names if not read_states(self.folder).get(name, PartState(name, "")).is_well]
        raise Fatal(f"not ready within {UP_WITHIN_S:.0f} s: {', '.join(late)}. Look at: osteon stack logs {late[0]}")

    def _tail(self, name: str) -> str:
        return tail(self.folder, name)

"""The supervisor: one process that starts the parts in order, starts again what crashed, and stops them in reverse.

Run by `up` as `python -m osteon_stack.supervise FOLDER`. SIGTERM stops; SIGHUP reads again which parts are wanted.
The parts die with it, even by SIGKILL: the kernel sees to that (`PR_SET_PDEATHSIG`).
"""

import contextlib
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from osteon.errors import OsteonError
from osteon.runtime import logs
from osteon_stack.part import Part, ask_to_end, kill, spawn
from osteon_stack.parts import build
from osteon_stack.state import PartState, read_wanted, supervising, write_states

__all__ = ["Watched", "supervise"]

LOGGER = logs.logger(__name__)

TICK_S = 0.2
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
WELL_AFTER_S = 60.0  # a part that was up for so long starts its pauses from the shortest again


@dataclass
class Watched:
    """A part, its process, and how it went so far."""

    part: Part
    process: subprocess.Popen[bytes] | None = None
    state: str = "waiting"
    n_restarts: int = 0
    why: str = ""
    pause_s: float = FIRST_PAUSE_S
    started_s: float = 0.0
    may_start_s: float = 0.0

    def told(self) -> PartState:
        """What the states file says of it."""
        alive = self.process is not None and self.process.returncode is None
        pid = self.process.pid if self.process and alive else None
        return PartState(self.part.name, self.state, pid, self.n_restarts, self.why)


class _Signals:
    """Remembers what arrived until the loop looks."""

    def __init__(self) -> None:
        self.stop = False
        self.reread = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._reread)

    def _stop(self, *_: object) -> None:
        self.stop = True

    def _reread(self, *_: object) -> None:
        self.reread = True


def supervise(folder: Path) -> int:
    """Look after the wanted parts until SIGTERM; exit code 1 if somebody else already does."""
    signals = _Signals()
    with supervising(folder) as is_ours:
        if not is_ours:
            return 1
        watched = _add_wanted({}, folder)
        told: tuple[PartState, ...] = ()
        while not signals.stop:
            if signals.reread:
                signals.reread = False
                watched = _add_wanted(watched, folder)
            for one in watched.values():
                _look_after(one, watched, folder)
            told = _tell(watched, folder, told)
            time.sleep(TICK_S)
        _stop_all(list(watched.values()))
        _tell(watched, folder, told)
    return 0


def _add_wanted(watched: dict[str, Watched], folder: Path) -> dict[str, Watched]:
    wanted = read_wanted(folder)
    parts = build(wanted.parts, folder, wanted.ports) if wanted else ()
    return {part.name: watched.get(part.name) or Watched(part) for part in parts}


def _look_after(one: Watched, watched: dict[str, Watched], folder: Path) -> None:
    """One step: start it, notice that it is ready, or that it ended, or that it is late."""
    now_s = time.monotonic()
    if one.state == "done":
        return
    if one.process is None:
        if now_s >= one.may_start_s and all(watched[name].told().is_well for name in one.part.after if name in watched):
            _start(one, folder, now_s)
        return
    code = one.process.poll()
    if code is not None:
        kill(one.part, one.process)  # what it started itself
        if one.part.is_task and code == 0:
            one.state = "done"
        else:
            _start_later(one, f"ended with exit code {code}", now_s)
    elif one.state == "starting":
        if not one.part.is_task and one.part.is_ready():
            one.state, one.why = "ready", ""
        elif now_s - one.started_s > one.part.ready_within_s:
            kill(one.part, one.process)
            _start_later(one, f"was not ready within {one.part.ready_within_s:.0f} s", now_s)


def _start(one: Watched, folder: Path, now_s: float) -> None:
    try:
        one.process = spawn(one.part, folder)
    except (OsteonError, OSError, subprocess.SubprocessError) as error:
        _start_later(one, str(error), now_s)
    else:
        one.state, one.started_s = "starting", now_s


def _start_later(one: Watched, why: str, now_s: float) -> None:
    if one.state == "ready" and now_s - one.started_s > WELL_AFTER_S:
        one.pause_s = FIRST_PAUSE_S
    one.process, one.state, one.why = None, "restarting", why
    one.n_restarts += 1
    one.may_start_s = now_s + one.pause_s
    one.pause_s = min(2 * one.pause_s, LONGEST_PAUSE_S)


def _stop_all(watched: list[Watched]) -> None:
    """Stop those together that no other still needs, until none is left."""
    alive = [one for one in watched if one.process is not None]
    while alive:
        last = [one for one in alive if not any(one.part.name in other.part.after for other in alive)]
        for one in last:
            assert one.process is not None
            ask_to_end(one.process)
        asked_s = time.monotonic()
        for one in last:
            _end(one, asked_s)
        alive = [one for one in alive if one not in last]
    for one in watched:
        one.process, one.state = None, "stopped"


def _end(one: Watched, asked_s: float) -> None:
    assert one.process is not None
    with contextlib.suppress(subprocess.TimeoutExpired):
        one.process.wait(max(0.0, asked_s + one.part.stop_within_s - time.monotonic()))
    kill(one.part, one.process)


def _tell(watched: dict[str, Watched], folder: Path, told: tuple[PartState, ...]) -> tuple[PartState, ...]:
    """Write the states if they changed."""
    states = tuple(one.told() for one in watched.values())
    if states != told:
        write_states(folder, states)
        for state in set(states) - set(told):
            LOGGER.info("part changed", extra={"part": state.name, "state": state.state, "why": state.why})
    return states


if __name__ == "__main__":
    logs.start("supervisor")
    sys.exit(supervise(Path(sys.argv[1])))

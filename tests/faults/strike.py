"""Hits a running stack as the schedule says, and notes how long each part took to be ready again.

The supervisor of the stack starts again what was killed, as Kubernetes would; nothing here helps it.
"""

import dataclasses
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil

from osteon_stack.part import Part, answers, ask_to_end, spawn
from osteon_stack.parts import build
from osteon_stack.ports import HOST, free_ports
from osteon_stack.stack import Stack
from osteon_stack.state import PartState, read_states
from tests.faults.operate import Operator
from tests.faults.schedule import DOOR, Blow

__all__ = ["Striker", "Struck"]

PACE = 0.5  # of the images that a schedule has planned by then, this part is acknowledged before a blow falls
DOUBLE = "-1"  # behind the part's name: its second instance


@dataclass
class Struck:
    """A blow that fell: seconds since the first image was sent, how many images were acknowledged by then, and how
    many seconds later the part was ready again (from the end of the halt, if it was one); None until it is.
    """

    blow: Blow
    at_s: float
    n_acknowledged: int
    ready_after_s: float | None = None
    is_ready: Callable[[], bool] = field(default=lambda: True, repr=False)
    since_s: float = 0.0


class Striker:
    """Deals the blows of a schedule; call `turn` again and again from the main thread, until `is_over`."""

    def __init__(
        self, stack: Stack, blows: Sequence[Blow], n_images: int, operator: Operator, rng: random.Random
    ) -> None:
        self._stack = stack
        self._left = list(blows)
        self._n_a_second = PACE * n_images / max(1.0, self.planned_s)
        self._operator = operator
        self._rng = rng
        self._began = time.monotonic()
        self._halted: list[tuple[float, Struck, list[psutil.Process]]] = []
        self._doubles: dict[str, subprocess.Popen[bytes]] = {}
        self.struck: list[Struck] = []

    @property
    def n_left(self) -> int:
        """Blows that have not fallen yet."""
        return len(self._left)

    @property
    def planned_s(self) -> float:
        """When the last of those is to fall."""
        return max((blow.at_s for blow in self._left), default=0.0)

    @property
    def is_over(self) -> bool:
        """Whether all blows fell, nothing is halted, and every part that was hit is ready again."""
        return not self._left and not self._halted and all(one.ready_after_s is not None for one in self.struck)

    def turn(self, n_acknowledged: int) -> None:
        """Wake what was halted long enough, look who is ready again, and deal the next blow that is due.

        On a machine so slow that the images lag behind the schedule, the blows wait for them: they are to fall among
        images. A blow whose part is not there (it was killed just before) waits until it is; later ones go first.
        """
        now = time.monotonic() - self._began
        for due, struck, processes in list(self._halted):
            if due <= now:
                self._halted.remove((due, struck, processes))
                _signal(processes, signal.SIGCONT)
                struck.since_s = now
        asleep = [struck for _, struck, _ in self._halted]
        for struck in self.struck:
            if struck.ready_after_s is None and struck not in asleep and struck.is_ready():
                struck.ready_after_s = round(time.monotonic() - self._began - struck.since_s, 1)
        for blow in self._left:
            if blow.at_s > now or n_acknowledged < blow.at_s * self._n_a_second:
                return
            if self._may_fall(blow):
                self._left.remove(blow)
                struck = Struck(blow, round(now, 1), n_acknowledged, since_s=now)
                self.struck.append(struck)
                self._deal(struck)
                return

    def end(self) -> None:
        """Wake what is halted, and end second instances and the operator's command."""
        self._operator.end()
        for _, _, processes in self._halted:
            _signal(processes, signal.SIGCONT)
        for process in self._doubles.values():
            ask_to_end(process)
            process.wait(60)

    # --------------------------------------------------------------------------------------------- one blow

    def _may_fall(self, blow: Blow) -> bool:
        if blow.deed in ("switch", "roll back"):
            return self._operator.is_free and (blow.deed == "switch" or self._operator.has_switched)
        if blow.deed == "leave":
            return blow.part in self._doubles
        part = "ingest" if blow.part == DOOR else blow.part
        is_halted = any(struck.blow.part in (part, blow.part) for _, struck, _ in self._halted)
        return not is_halted and self._state(part).pid is not None and bool(self._processes(blow.part))

    def _deal(self, struck: Struck) -> None:
        blow = struck.blow
        if blow.deed == "kill":
            self._kill(struck)
        elif blow.deed == "halt":
            processes = self._processes(blow.part)
            _signal(processes, signal.SIGSTOP)
            struck.is_ready = self._part(blow.part).is_ready
            self._halted.append((struck.since_s + blow.for_s, struck, processes))
        elif blow.deed == "join":
            self._join(struck)
        elif blow.deed == "leave":
            double = self._doubles.pop(blow.part)
            ask_to_end(double)
            struck.is_ready = lambda: double.poll() is not None
        else:
            struck.is_ready = self._operator.begin(blow.deed)

    def _kill(self, struck: Struck) -> None:
        part, processes = struck.blow.part, self._processes(struck.blow.part)
        if part == DOOR:
            victim = self._rng.choice(processes)
            n_before = len(processes)
            ready = self._part("ingest").is_ready
            struck.is_ready = lambda: (
                not victim.is_running() and len(self._processes(DOOR)) >= n_before and bool(ready())
            )
            _signal([victim], signal.SIGKILL)
            return
        n_before = self._state(part).n_restarts

        def is_back() -> bool:
            state = self._state(part)
            return state.n_restarts > n_before and state.is_well

        struck.is_ready = is_back
        _signal(processes, signal.SIGKILL)

    def _join(self, struck: Struck) -> None:
        """Start a second instance of a stage beside the first, with the next ordinal."""
        name, port = struck.blow.part, free_ports().console_health
        part = self._part(name)
        environment = {**part.environment, "OSTEON_ORDINAL": "1", "OSTEON_HEALTH_PORT": str(port)}
        double = dataclasses.replace(part, name=name + DOUBLE, environment=environment, ports=(port,))
        self._doubles[name] = spawn(double, self._stack.folder)
        struck.is_ready = lambda: answers(f"http://{HOST}:{port}/readyz") or self._doubles.get(name) is None

    # -------------------------------------------------------------------------------------------- the stack

    def _state(self, part: str) -> PartState:
        return read_states(self._stack.folder).get(part, PartState(part, "stopped"))

    def _part(self, name: str) -> Part:
        (part,) = build((name,), self._stack.folder, self._stack.ports)
        return part

    def _processes(self, part: str) -> list[psutil.Process]:
        """All processes of a part, its own first; those of `DOOR` are the children of `ingest`."""
        pid = self._state("ingest" if part == DOOR else part).pid
        try:
            first = psutil.Process(pid) if pid else None
            children = first.children(recursive=True) if first else []
        except psutil.NoSuchProcess:
            return []
        alive = [one for one in children if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
        return alive if part == DOOR else [*([first] if first else []), *alive]


def _signal(processes: Sequence[psutil.Process], number: int) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue  # it ended by itself meanwhile

"""Where the measures take place: a stack of the benchmark's own, and what one can ask of it from outside."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import psutil
from rich.console import Console

from bench.models import Models
from bench.radiographs import write_radiographs
from bench.row import Size
from osteon.bus import connect
from osteon.cohort.send import Parcel, send_by_c_store
from osteon.contracts import ImageSetAside
from osteon.contracts.topics import IMAGE_CLASSIFIED, IMAGE_SET_ASIDE
from osteon.release import Releases, Triton, publish
from osteon_stack.ports import HOST, free_ports
from osteon_stack.prepare import connect_store
from osteon_stack.processes import processes_of
from osteon_stack.stack import Stack

__all__ = ["Outcomes", "Place"]

OUTCOME_WITHIN_S = 300.0
SERVED_WITHIN_S = 120.0
N_TRIES = 5
SCREEN = Console(stderr=True)


@dataclass
class Outcomes:
    """When each outcome appeared on the bus (monotonic s), in order of appearance."""

    appeared: list[float] = field(default_factory=list)
    refusal: str = ""

    def wait_for(self, n: int) -> None:
        """Block until `n` outcomes have appeared in all. Raises TimeoutError."""
        deadline = time.monotonic() + OUTCOME_WITHIN_S
        while len(self.appeared) < n:
            if self.refusal:
                raise RuntimeError(f"a radiograph of the benchmark was set aside: {self.refusal}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.appeared)} of {n} outcomes after {OUTCOME_WITHIN_S:.0f} s")
            time.sleep(0.002)


@dataclass
class Place:
    """A folder, the size of the measures, and a stack that is started when it is first asked for."""

    folder: Path
    size: Size
    exits: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def stack(self) -> Stack:
        """The whole stack, as `make up` starts it."""
        return self.exits.enter_context(self.started())

    @cached_property
    def outcomes(self) -> Outcomes:
        """The outcomes of the stack, from now on."""
        return self.exits.enter_context(_followed(self.stack))

    @contextmanager
    def started(self, parts: Sequence[str] | None = None) -> Iterator[Stack]:
        """A stack of these parts and what they need, as long as the block runs; by default of all parts."""
        stack = Stack(Path(tempfile.mkdtemp(prefix="stack-", dir=self.folder)), free_ports())
        try:
            stack.up(parts)
            yield stack
        finally:
            stack.down()

    def radiographs(self, n_images: int) -> list[Path]:
        """`n_images` radiographs that no stack of this place has seen."""
        return list(write_radiographs(self.folder / "radiographs", n_images, f"{time.time_ns()}"))

    def models(self, make: Callable[[Path, Size], Models]) -> Models:
        """The models that `make` makes, once."""
        return make(self.folder / "models", self.size)

    def release(self, models: Models) -> None:
        """Put `models` in force by the ordinary path, and wait until Triton serves them."""
        bus = connect(f"{HOST}:{self.stack.ports.kafka}")
        store = connect_store(self.stack.folder, self.stack.ports)
        releases, triton = Releases(bus, store), Triton(f"{HOST}:{self.stack.ports.triton_grpc}")
        try:
            made = publish.make(bus, store, releases, models.harmonizer, models.classifier)
            current = releases.in_force_record()
            if current is not None and current.release_set == made:
                return
            deadline = time.monotonic() + SERVED_WITHIN_S
            while not _is_served(triton, models):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"Triton did not serve {models.classifier.card.name}")
                time.sleep(0.1)
            publish.use(bus, releases, made)
            time.sleep(1.5)  # a stage notices a switch within a second
        finally:
            releases.close()
            triton.close()

    def throughput(self, paths: Sequence[Path]) -> float:
        """Images/s from the first byte sent to the last outcome, one sender that never waits."""
        before = len(self.outcomes.appeared)
        began = time.monotonic()
        self._send(paths)
        self.outcomes.wait_for(before + len(paths))
        return len(paths) / (self.outcomes.appeared[-1] - began)

    def latencies_s(self, paths: Sequence[Path]) -> list[float]:
        """Seconds from the first byte sent to the outcome, for one image after the other."""
        return [1 / self.throughput([path]) for path in paths]

    def processor_s(self) -> dict[str, float]:
        """Processor seconds that each part has used so far."""
        used: dict[str, float] = {}
        for process, part in processes_of(self.stack.folder).items():
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            used[part] = used.get(part, 0.0) + times.user + times.system
        return used

    def _send(self, paths: Sequence[Path]) -> None:
        """Send all, and what was not taken again, as archives do: a soak of an hour is not to end with one refusal."""
        left = [Parcel(path, "dimse") for path in paths]
        for _ in range(N_TRIES):
            answers = list(send_by_c_store(left, HOST, self.stack.ports.dimse, "OSTEON"))
            left = [answer.parcel for answer in answers if not answer.is_taken]
            if not left:
                return
            told = next(answer.text for answer in answers if not answer.is_taken)
            SCREEN.print(f"{len(left)} radiographs were refused, and are sent again: {told}", highlight=False)
        raise RuntimeError(f"the door refused {len(left)} radiographs of the benchmark {N_TRIES} times: {told}")

    def close(self) -> None:
        """Take down whatever was started."""
        self.exits.close()


def _is_served(triton: Triton, models: Models) -> bool:
    wanted = {(folder.card.name, folder.card.version) for folder in (models.harmonizer, models.classifier)}
    return wanted <= {(one.name, one.version) for one in triton.loaded() if one.state == "READY"}


@contextmanager
def _followed(stack: Stack) -> Iterator[Outcomes]:
    """Follow the outcomes while the block runs."""
    found, stop = Outcomes(), threading.Event()

    def follow() -> None:
        bus = connect(f"{HOST}:{stack.ports.kafka}")
        for record in bus.follow([IMAGE_CLASSIFIED, IMAGE_SET_ASIDE], {}, stop):
            if record.topic == IMAGE_SET_ASIDE.name:
                found.refusal = ImageSetAside.FromString(record.value or b"").reason
            found.appeared.append(time.monotonic())

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    yield found
    stop.set()
    thread.join(10)

"""The whole path, from DICOM to result, on a stack of its own."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from osteon.bus import connect
from osteon.contracts.topics import IMAGE_CLASSIFIED, IMAGE_SET_ASIDE
from osteon_stack.demo.send import Parcel, send_by_c_store
from osteon_stack.ports import HOST
from osteon_stack.processes import processes_of
from osteon_stack.stack import Stack

__all__ = ["Results", "cpu_seconds", "latency_s", "throughput"]

OUTCOME_WITHIN_S = 300.0


@dataclass
class Results:
    """When each outcome appeared on the bus (monotonic s), in order of appearance."""

    appeared: list[float]

    def wait_for(self, n: int) -> None:
        """Block until `n` outcomes have appeared in all. Raises TimeoutError."""
        deadline = time.monotonic() + OUTCOME_WITHIN_S
        while len(self.appeared) < n:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.appeared)} of {n} outcomes after {OUTCOME_WITHIN_S:.0f} s")
            time.sleep(0.002)


@contextmanager
def results(stack: Stack) -> Iterator[Results]:
    """Follow the outcomes while the block runs."""
    found, stop = Results([]), threading.Event()

    def follow() -> None:
        bus = connect(f"{HOST}:{stack.ports.kafka}")
        for record in bus.follow([IMAGE_CLASSIFIED, IMAGE_SET_ASIDE], {}, stop):
            if record.topic == IMAGE_SET_ASIDE.name:
                raise RuntimeError("a radiograph of the benchmark was set aside")
            found.appeared.append(time.monotonic())

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    yield found
    stop.set()
    thread.join(10)


def throughput(stack: Stack, paths: Sequence[Path], found: Results) -> float:
    """Images/s from the first byte sent to the last outcome, one sender that never waits."""
    before = len(found.appeared)
    began = time.monotonic()
    _send(stack, paths)
    found.wait_for(before + len(paths))
    return len(paths) / (found.appeared[-1] - began)


def latency_s(stack: Stack, paths: Sequence[Path], found: Results) -> list[float]:
    """Seconds from the first byte sent to the outcome, for one image after the other."""
    times = []
    for path in paths:
        before = len(found.appeared)
        began = time.monotonic()
        _send(stack, [path])
        found.wait_for(before + 1)
        times.append(found.appeared[-1] - began)
    return times


def cpu_seconds(stack: Stack) -> dict[str, float]:
    """Processor seconds that each part has used so far."""
    used: dict[str, float] = {}
    for process, part in processes_of(stack.folder).items():
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        used[part] = used.get(part, 0.0) + times.user + times.system
    return used


def _send(stack: Stack, paths: Sequence[Path]) -> None:
    for answer in send_by_c_store([Parcel(path, "dimse") for path in paths], HOST, stack.ports.dimse, "OSTEON"):
        if not answer.is_taken:
            raise RuntimeError(f"the door refused a radiograph of the benchmark: {answer.text}")

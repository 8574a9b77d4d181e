"""Memory of each process while many images go through, against its own beginning.

The images are small, since what leaks does so by the image and not by the pixel: `make bench ONLY=memory SOAK=10000`.
"""

import statistics
from collections import defaultdict
from pathlib import Path

import psutil

from bench.models import nothing
from bench.place import Place
from bench.radiographs import small_radiographs
from bench.row import Row, against
from osteon_stack.processes import processes_of

__all__ = ["memory"]

N_SAMPLES = 100
MOST_GROWTH = 1.05  # from the first tenth to the last: what allocators and caches do by themselves
MIB = 1 << 20

Name = tuple[str, int]  # of a process: its part and its number


def memory(place: Place) -> list[Row]:
    """A row a process: resident memory in the last tenth of the images, against that in the first."""
    place.release(place.models(nothing))
    place.throughput(place.radiographs(place.size.n_warm))
    samples: dict[Name, list[float]] = defaultdict(list)
    n_each = max(1, place.size.n_soak // N_SAMPLES)
    for number in range(place.size.n_soak // n_each):
        paths = small_radiographs(place.folder / "soak", n_each, f"soak{number}")
        place.throughput(paths)
        for path in paths:
            path.unlink()
        for name, n_bytes in _resident(place.stack.folder).items():
            samples[name].append(n_bytes / MIB)
    whole = max(len(one) for one in samples.values())
    return [_row(name, one) for name, one in sorted(samples.items()) if len(one) == whole]


def _row(name: Name, samples_mib: list[float]) -> Row:
    tenth = max(1, len(samples_mib) // 10)
    first, last = statistics.median(samples_mib[:tenth]), statistics.median(samples_mib[-tenth:])
    return against(first, f"memory of {name[0]}, process {name[1]}", last, "MiB", aim=MOST_GROWTH, better="lower")


def _resident(folder: Path) -> dict[Name, int]:
    """Resident bytes of each process of the stack, those of a part numbered by age."""
    found: dict[Name, int] = {}
    numbers: dict[str, int] = defaultdict(int)
    for process, part in sorted(processes_of(folder).items(), key=lambda item: item[0].pid):
        try:
            n_bytes = process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
        numbers[part] += 1
        found[part, numbers[part]] = n_bytes
    return found

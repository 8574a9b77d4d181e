"""Memory of each process while many images go through, against its own beginning.

The images are small, since what leaks does so by the image and not by the pixel: `make bench ONLY=memory SOAK=10000`.
"""

import statistics
from collections import defaultdict

import psutil
from rich.console import Console
from rich.progress import track
from scipy.stats import theilslopes

from bench.models import nothing
from bench.place import Place
from bench.radiographs import small_radiographs
from bench.row import Row, against
from osteon_stack.processes import processes_of

__all__ = ["memory"]

N_SAMPLES = 100
MOST_GROWTH = 1.05  # from the first tenth to the last: what allocators and caches do by themselves
MIB = 1 << 20


def memory(place: Place) -> list[Row]:
    """A row a process: resident memory in the last tenth of the images, against that in the first, and its slope."""
    place.release(place.models(nothing))
    place.throughput(place.radiographs(place.size.n_warm))
    samples: dict[psutil.Process, list[float]] = defaultdict(list)
    parts: dict[psutil.Process, str] = {}
    n_each = max(1, place.size.n_soak // N_SAMPLES)
    n_samples = place.size.n_soak // n_each
    for number in track(range(n_samples), "memory", console=Console(stderr=True)):
        paths = small_radiographs(place.folder / "soak", n_each, f"soak{number}")
        place.throughput(paths)
        for path in paths:
            path.unlink()
        parts |= (found := processes_of(place.stack.folder))
        for process, n_mib in _resident(found).items():
            samples[process].append(n_mib)
    rows = []
    for part in sorted(set(parts.values())):
        of_part = sorted((one for one in samples if parts[one] == part), key=lambda one: one.pid)
        lasting = [one for one in of_part if len(samples[one]) == n_samples]
        rows += [_row(f"{part}, process {i}", samples[one], n_each) for i, one in enumerate(lasting, start=1)]
        if len(lasting) < len(of_part):
            n_changed = len(of_part) - len(lasting)
            rows.append(Row(f"memory of {part}", None, "MiB", note=f"{n_changed} processes began or ended meanwhile"))
    return rows


def _row(name: str, samples_mib: list[float], n_each: int) -> Row:
    tenth = max(1, len(samples_mib) // 10)
    first, last = statistics.median(samples_mib[:tenth]), statistics.median(samples_mib[-tenth:])
    slope, _, low, high = (1000 / n_each * float(one) for one in theilslopes(samples_mib[tenth:]))
    note = f"MiB; {slope:+.2f} ({low:+.2f} to {high:+.2f}) each 1,000 images"
    return against(first, f"memory of {name}", last, "MiB", aim=MOST_GROWTH, better="lower", note=note)


def _resident(processes: dict[psutil.Process, str]) -> dict[psutil.Process, float]:
    """Resident memory of each, MiB; none of those that have ended meanwhile."""
    found = {}
    for process in processes:
        try:
            found[process] = process.memory_info().rss / MIB
        except psutil.NoSuchProcess:
            continue
    return found

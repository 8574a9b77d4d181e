"""Threads and file descriptors of every part, before, during and after an outage: what grows, leaks."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

from osteon_stack.processes import processes_of
from osteon_stack.stack import Stack

__all__ = ["Count", "Kept", "count", "grown", "kept"]

SLACK = 6  # threads or descriptors: a pool that was not full before, a connection that is still being closed


@dataclass(frozen=True)
class Count:
    """Of all processes of a part together."""

    n_threads: int
    n_descriptors: int


@dataclass(frozen=True)
class Kept:
    """What a part held: at rest before, in the second and the last quarter of the outage, and at rest after it.

    None where the part did not run; `n_restarts` is how often it was started again meanwhile.
    """

    before: Count | None
    early: Count | None
    late: Count | None
    after: Count | None
    n_restarts: int


def count(stack: Stack) -> dict[str, Count]:
    """What each part holds now, by name."""
    threads: dict[str, int] = defaultdict(int)
    descriptors: dict[str, int] = defaultdict(int)
    for process, part in processes_of(stack.folder).items():
        try:
            n_threads, n_descriptors = process.num_threads(), process.num_fds()
        except psutil.Error:
            continue  # it ended meanwhile
        threads[part] += n_threads
        descriptors[part] += n_descriptors
    return {part: Count(n, descriptors[part]) for part, n in threads.items()}


def kept(
    before: Mapping[str, Count],
    during: Sequence[Mapping[str, Count]],
    after: Mapping[str, Count],
    n_restarts: Mapping[str, int],
) -> dict[str, Kept]:
    """All of it by part; `during` are counts at even distances."""
    quarter = max(1, len(during) // 4)
    early, late = _median(during[quarter : 2 * quarter]), _median(during[-quarter:])  # in the first, all rises
    return {
        part: Kept(before.get(part), early.get(part), late.get(part), after.get(part), n_restarts.get(part, 0))
        for part in sorted({*before, *after})
    }


def grown(of_part: Kept) -> bool:
    """Whether it held more at the end of the outage than near its beginning, or more after it than before."""
    return _is_more(of_part.early, of_part.late) or _is_more(of_part.before, of_part.after)


def _is_more(first: Count | None, second: Count | None) -> bool:
    if first is None or second is None:
        return False
    pairs = ((first.n_threads, second.n_threads), (first.n_descriptors, second.n_descriptors))
    return any(now > then + max(SLACK, then // 4) for then, now in pairs)


def _median(counts: Sequence[Mapping[str, Count]]) -> dict[str, Count]:
    found: dict[str, list[Count]] = defaultdict(list)
    for one in counts:
        for part, of_part in one.items():
            found[part].append(of_part)
    return {
        part: Count(
            statistics.median_low(one.n_threads for one in those),
            statistics.median_low(one.n_descriptors for one in those),
        )
        for part, those in found.items()
    }

"""How many records an instance has in hand: few of those that take long, many of those that take no time.

A transaction costs the same for one record as for hundreds, so a stage that is fast takes many at once. But all that is
in hand when a process dies is worked again one by one, so none takes more than it works in a moment.
"""

import time
from collections.abc import Callable

__all__ = ["Window"]

MOMENT_S = 0.1
COMMITS = 4  # a moment is at least as long as so many commits, so that they take a quarter of the time at most
LONGEST_MOMENT_S = 2.0  # one commit that hung for a minute shall not count as the pace of work


class Window:
    """From `least` to `most` records; within that, as many as were committed in the moment before."""

    def __init__(self, least: int, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._least = least
        self._most = max(least, most)
        self._clock = clock
        self._size = least
        self._since = clock()
        self._n_committed = 0
        self._moment_s = MOMENT_S

    @property
    def size(self) -> int:
        """How many records may be in hand now. It shrinks while commits stay out, and not only at the next one: work
        that became slow would meanwhile be given as much as when it was fast."""
        took_s = self._clock() - self._since
        return self._size if took_s < self._moment_s else min(self._size, self._in_a_moment(took_s))

    def committed(self, n_records: int, commit_s: float) -> None:
        """Take note of a commit of `n_records` that itself took `commit_s`."""
        self._n_committed += n_records
        self._moment_s = min(max(MOMENT_S, COMMITS * commit_s), LONGEST_MOMENT_S)
        took_s = self._clock() - self._since
        if took_s < self._moment_s:
            return
        self._size = self._in_a_moment(took_s)
        self._since += took_s
        self._n_committed = 0

    def _in_a_moment(self, took_s: float) -> int:
        return min(self._most, max(self._least, round(self._n_committed * self._moment_s / took_s)))

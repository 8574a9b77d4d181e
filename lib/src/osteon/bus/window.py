"""How many records an instance has in hand: few of those that take long, many of those that take no time.

A transaction costs the same for one record as for hundreds, so a stage that is fast takes many at once. But all that is
in hand when a process dies is worked again one by one, so none takes more than it works in a moment.
"""

import time
from collections.abc import Callable

__all__ = ["Window"]

MOMENT_S = 0.1
COMMITS = 4  # a moment is at least as long as so many commits, so that they take a quarter of the time at most


class Window:
    """From `least` to `most` records; within that, as many as were committed in the moment before."""

    def __init__(self, least: int, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.size = least
        self._least = least
        self._most = max(least, most)
        self._clock = clock
        self._since = clock()
        self._n_committed = 0

    def committed(self, n_records: int, commit_s: float) -> None:
        """Take note of a commit of `n_records` that itself took `commit_s`."""
        self._n_committed += n_records
        took_s = self._clock() - self._since
        if took_s < MOMENT_S:
            return
        in_a_moment = self._n_committed * max(MOMENT_S, COMMITS * commit_s) / took_s
        self.size = min(self._most, max(self._least, round(in_a_moment)))
        self._since += took_s
        self._n_committed = 0

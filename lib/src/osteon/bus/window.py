"""How many records an instance has in hand: few of those that take long, many of those that take no time.

A transaction costs the same for one record as for hundreds, so a stage that is fast takes many at once. But all that is
in hand when a process dies is worked again one by one, so none takes more than it works in a moment.
"""

import time
from collections.abc import Callable

__all__ = ["Window"]

MOMENT_S = 0.1


class Window:
    """From `least` to `most` records; within that, as many as were committed in the moment before."""

    def __init__(self, least: int, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.size = least
        self._least = least
        self._most = max(least, most)
        self._clock = clock
        self._since = clock()
        self._n_committed = 0

    def committed(self, n_records: int) -> None:
        """Take note of a commit."""
        self._n_committed += n_records
        took_s = self._clock() - self._since
        if took_s < MOMENT_S:
            return
        self.size = min(self._most, max(self._least, round(self._n_committed * MOMENT_S / took_s)))
        self._since += took_s
        self._n_committed = 0

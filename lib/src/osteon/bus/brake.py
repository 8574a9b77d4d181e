"""The brake: too many dead letters of one reason stop a stage until somebody has looked.

A bad release would otherwise empty a whole topic into the dead letters. The brake is a record on a compacted topic,
so that it holds over restarts and for all instances; a tombstone releases it.
"""

import time
from collections import Counter, deque
from collections.abc import Callable

from google.protobuf.timestamp_pb2 import Timestamp

from osteon.bus.record import Outgoing
from osteon.bus.table import Table
from osteon.bus.wire import Bus
from osteon.contracts import Brake
from osteon.contracts.topics import STAGE_BRAKED
from osteon.errors import Passing
from osteon.runtime import logs

__all__ = ["Brakes", "brake"]

LOGGER = logs.logger(__name__)
LAST_RECORDS = 100
LOOK_EVERY_S = 1.0


def brake(stage: str, reason: str, explanation: str) -> Outgoing:
    """The record that stops `stage`."""
    since = Timestamp()
    since.GetCurrentTime()
    return Outgoing(STAGE_BRAKED, Brake(stage=stage, reason=reason, explanation=explanation, since=since))


class Brakes:
    """Whether a stage brakes, and whether it should. Used by one thread."""

    def __init__(self, bus: Bus, stage: str, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._stage = stage
        self._limit = limit
        self._table = Table(bus, STAGE_BRAKED)
        self._clock = clock
        self._looked_at = float("-inf")
        self._is_pending = False  # written by this process, and not yet read back
        self._reasons: deque[str] = deque(maxlen=LAST_RECORDS)

    def is_on(self) -> bool:
        """Whether the stage brakes, by a look at the topic that is at most `LOOK_EVERY_S` old."""
        if self._clock() - self._looked_at >= LOOK_EVERY_S:
            try:
                self._table.refresh()
            except Passing as error:
                LOGGER.warning("brake can't be looked at", extra={"why": str(error)})
            self._looked_at = self._clock()
            if self._stage in self._table:
                self._is_pending = False
                self._reasons.clear()
        return self._is_pending or self._stage in self._table

    def count(self, reasons: list[str]) -> None:
        """Take note of committed records, oldest first: the reason of a dead letter, or nothing."""
        self._reasons.extend(reasons)

    def too_many(self, reasons: list[str]) -> str:
        """The reason that there are too many dead letters of, if `reasons` came on top of those counted."""
        last = [*self._reasons, *reasons][-LAST_RECORDS:]
        reason, number = Counter(one for one in last if one).most_common(1)[0] if any(last) else ("", 0)
        return reason if number > self._limit else ""

    def pulled(self) -> None:
        """This process has just written the brake."""
        self._is_pending = True
        self._reasons.clear()

    def close(self) -> None:
        """Stop looking."""
        self._table.close()

"""One topic of Apache Kafka, followed a step at a time."""

# ruff: noqa: D102 - `osteon.bus.wire` says what each method does.

import threading

from osteon.bus.kafka_follower import Follower
from osteon.bus.login import Brokers
from osteon.bus.record import Record
from osteon.errors import Passing

__all__ = ["KafkaTail"]


class KafkaTail:
    """See `osteon.bus.wire.Tail`. Connects with its first use."""

    def __init__(self, brokers: Brokers, topic: str) -> None:
        self._brokers = brokers
        self._topic = topic
        self._follower: Follower | None = None
        self._lock = threading.Lock()

    def more(self) -> list[Record]:
        with self._lock:
            self._follower = self._follower or Follower(self._brokers, [self._topic])
            try:
                return self._follower.until_stable()
            except Passing:
                # It is past what it had gathered; the next one reads everything again, which changes no table.
                self._forget()
                raise

    def close(self) -> None:
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.close()

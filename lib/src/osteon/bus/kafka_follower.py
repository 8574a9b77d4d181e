"""Reading Apache Kafka outside of any consumer group, what is committed alone."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from osteon.bus.kafka_reader import record_of
from osteon.bus.login import Brokers
from osteon.bus.record import Place, Record
from osteon.bus.wire import made_anew
from osteon.errors import Passing

__all__ = ["Follower"]


class Follower:
    """A read-committed consumer outside of any group."""

    def __init__(
        self,
        brokers: Brokers,
        topics: Sequence[str],
        partitions: Collection[int] | None = None,
        positions: Mapping[Place, int] | None = None,
        *,
        fetch_max_wait_ms: int = 100,
    ) -> None:
        """A fetch without records lies at the broker for `fetch_max_wait_ms`, and all other questions behind it."""
        with ExitStack() as opened:
            try:
                self._consumer = _plain_consumer(brokers, "read_committed", fetch_max_wait_ms)
                opened.callback(self._consumer.close, autocommit=False)
                # Open transactions end below this consumer's end of a log, and above that of this one.
                self._uncommitted = _plain_consumer(brokers, "read_uncommitted", fetch_max_wait_ms)
                opened.callback(self._uncommitted.close, autocommit=False)
                self._parts = self._begin(topics, partitions, positions or {})
            except KafkaError as error:
                raise Passing("bus", f"Kafka can't be reached: {brokers.why(error)}") from None
            self._opened = opened.pop_all()

    def _begin(
        self, topics: Sequence[str], partitions: Collection[int] | None, positions: Mapping[Place, int]
    ) -> list[TopicPartition]:
        """Take up the partitions where `positions` say, else at their beginnings. Raises Passing and Fatal."""
        missing = [topic for topic in topics if not self._consumer.partitions_for_topic(topic)]
        if missing:
            # Followed as they are, they would look empty for ever.
            raise Passing("bus", f"topic {', '.join(missing)} does not exist: run `osteon topics provision`")
        parts = [
            TopicPartition(topic, number)
            for topic in topics
            for number in sorted(self._consumer.partitions_for_topic(topic) or ())
            if partitions is None or number in partitions
        ]
        self._consumer.assign(parts)
        beginnings = self._consumer.beginning_offsets(parts)
        ends = self._uncommitted.end_offsets(parts) if positions else {}
        for part in parts:
            place = (part.topic, part.partition)
            at = positions.get(place, 0)
            if at > ends.get(part, at):
                raise made_anew(place)
            self._consumer.seek(part, max(at, beginnings[part]))
        return parts

    def poll(self, timeout_s: float) -> list[Record]:
        """What comes within that time. Raises Passing."""
        try:
            polled = self._consumer.poll(int(1000 * timeout_s), max_records=1000)
        except KafkaError as error:
            raise Passing("bus", f"Kafka can't be read: {type(error).__name__}") from None
        return [record_of(one) for part in polled.values() for one in part]

    def until_stable(self) -> list[Record]:
        """All that is committed and not behind an open transaction."""
        return self._until(self._consumer, 10.0)

    def until_end(self, timeout_s: float, going: Callable[[], object]) -> list[Record]:
        """All that was written before this call, once the transactions that wrote it are resolved."""
        return self._until(self._uncommitted, timeout_s, going)

    def _until(
        self, knower: KafkaConsumer, timeout_s: float, going: Callable[[], object] = lambda: None
    ) -> list[Record]:
        """Read to the ends that `knower` knows now; `timeout_s` may pass without a record, not in all."""
        deadline = time.monotonic() + timeout_s
        records: list[Record] = []
        try:
            ends = knower.end_offsets(self._parts) if self._parts else {}
            # The position, not the last record, tells the end: markers of transactions take up offsets.
            while any((self._consumer.position(part) or 0) < end for part, end in ends.items()):
                if time.monotonic() > deadline:
                    raise KafkaTimeoutError("a transaction is still open")
                polled = self.poll(0.1)
                going()
                if polled:
                    records += polled
                    deadline = time.monotonic() + timeout_s
        except KafkaError as error:
            raise Passing("bus", f"Kafka can't be read: {type(error).__name__}") from None
        return records

    def close(self) -> None:
        """Stop reading."""
        self._opened.close()


def _plain_consumer(brokers: Brokers, isolation_level: str, fetch_max_wait_ms: int) -> KafkaConsumer:
    return brokers.client(
        KafkaConsumer,
        group_id=None,
        auto_offset_reset="none",
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        isolation_level=isolation_level,
        fetch_max_wait_ms=fetch_max_wait_ms,
        reconnect_backoff_max_ms=1000,
        metrics_enabled=False,
    )

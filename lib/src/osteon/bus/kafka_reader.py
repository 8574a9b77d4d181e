"""A consumer of Apache Kafka as one instance of a group.

It begins at committed offsets and nowhere else: an offset that is missing, or that the log no longer holds, would
mean records that nobody ever worked, so it stops the process.
"""

# ruff: noqa: D102 - `osteon.bus.wire` says what each method does.

from collections.abc import Collection, Mapping, Sequence

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import (
    FencedInstanceIdError,
    KafkaError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from kafka.structs import MemberState, OffsetAndMetadata

from osteon.bus.login import Brokers
from osteon.bus.record import Place, Record
from osteon.bus.wire import Batch, Committed, Refused
from osteon.errors import Fatal, Passing

__all__ = ["KafkaReader", "record_of"]


class _Epoch(ConsumerRebalanceListener):  # type: ignore[misc]
    """Counts changes of the assignment. Called on kafka-python's own thread, before the group is joined anew."""

    def __init__(self) -> None:
        self.number = 0

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002
        self.number += 1

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:  # noqa: ARG002
        self.number += 1

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:  # noqa: ARG002
        self.number += 1


class KafkaReader:
    """See `osteon.bus.wire.Reader`."""

    def __init__(self, brokers: Brokers, group: str, topics: Sequence[str], instance: str, session_s: float) -> None:
        self._brokers = brokers
        self._group = group
        self._session_s = session_s
        self._epoch = _Epoch()
        try:
            self._consumer = brokers.client(
                KafkaConsumer,
                group_id=group,
                # A restarted instance takes its partitions up again at once, and fences who had its name.
                group_instance_id=instance,
                auto_offset_reset="none",
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                isolation_level="read_committed",
                check_crcs=True,
                # Topics that are read together: partition p of each goes to the same instance.
                partition_assignment_strategy=[RangePartitionAssignor],
                session_timeout_ms=int(1000 * session_s),
                heartbeat_interval_ms=int(1000 * session_s / 5),
                reconnect_backoff_max_ms=1000,
                metrics_enabled=False,
            )
            missing = [topic for topic in topics if not self._consumer.partitions_for_topic(topic)]
        except KafkaError as error:
            raise Passing("bus", f"Kafka can't be reached: {brokers.why(error)}") from None
        if missing:
            self._consumer.close()
            raise Fatal(f"topic {', '.join(missing)} does not exist: run `osteon topics provision`")
        self._consumer.subscribe(list(topics), listener=self._epoch)

    def poll(self, timeout_s: float, max_records: int) -> Batch:
        assigned = self._consumer.assignment()
        if max_records:
            self._consumer.resume(*(assigned & self._consumer.paused()))
        else:
            self._consumer.pause(*assigned)
        try:
            # A rebalance within this poll may undo the pause: what comes then is worked too.
            polled = self._consumer.poll(int(1000 * timeout_s), max_records=max_records or 1)
            membership = self._consumer.group_metadata()
        except (NoOffsetForPartitionError, OffsetOutOfRangeError, LogTruncationError) as error:
            raise self._lost(type(error).__name__) from None
        except FencedInstanceIdError:
            raise self._replaced() from None
        except KafkaError as error:
            raise Passing("bus", f"Kafka can't be polled: {self._brokers.why(error)}") from None
        records = [record_of(one) for part in polled.values() for one in part]
        return Batch(records, membership, self._epoch.number)

    def assigned(self) -> frozenset[Place]:
        if self._consumer.group_metadata().state != MemberState.STABLE:
            return frozenset()
        return frozenset((one.topic, one.partition) for one in self._consumer.assignment())

    def committed(self) -> dict[Place, Committed]:
        found = {}
        for place in self.assigned():
            try:
                at = self._consumer.committed(TopicPartition(*place), metadata=True, timeout_ms=1000 * self._session_s)
            except KafkaError as error:
                raise Passing("bus", f"Kafka does not tell offsets: {type(error).__name__}") from None
            if at is None:
                raise self._lost("NoOffsetForPartitionError")
            found[place] = Committed(at.offset, at.metadata or "")
        return found

    def claim(self, offsets: Mapping[Place, Committed]) -> None:
        # Right after its poll this can't go wrong silently: a group is only joined within a poll, so that the
        # membership is either still that of the poll, or the broker refuses it.
        noted = {TopicPartition(*place): OffsetAndMetadata(at.offset, at.note, -1) for place, at in offsets.items()}
        try:
            self._consumer.commit(noted, timeout_ms=1000 * self._session_s)
        except FencedInstanceIdError:
            raise self._replaced() from None
        except KafkaError as error:
            raise Refused(f"the claim failed: {type(error).__name__}") from None

    def seek(self, offsets: Mapping[Place, int]) -> None:
        for place, offset in offsets.items():
            try:
                self._consumer.seek(TopicPartition(*place), offset)
            except ValueError:
                raise Refused("the partition is no longer assigned") from None

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=2000)

    def _replaced(self) -> Fatal:
        return Fatal(f"another process reads {self._group} under this instance's name: check OSTEON_ORDINAL")

    def _lost(self, why: str) -> Fatal:
        return Fatal(
            f"{self._group} has no offset to begin at, or one whose records are gone ({why}): records may never have "
            "been worked; run `osteon topics check`, find what is missing, then set the group's offsets by hand"
        )


def record_of(one: ConsumerRecord) -> Record:
    """kafka-python's record as ours."""
    return Record(
        topic=one.topic,
        partition=one.partition,
        offset=one.offset,
        key=one.key or b"",
        value=one.value,
        headers=tuple((name, value or b"") for name, value in one.headers or ()),
        timestamp_ms=one.timestamp,
    )

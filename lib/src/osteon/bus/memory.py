"""A bus in memory, for unit tests: the same promises as Kafka's, within one process and for as long as it lives."""

# ruff: noqa: D102 - `osteon.bus.wire` says what each method does.

import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from osteon.bus.record import Outgoing, Place, Record, Sending, event_headers, sending
from osteon.bus.wire import Batch, Checkpoint, Committed, Refused, made_anew
from osteon.contracts.topics import Topic
from osteon.errors import Fatal

__all__ = ["MemoryBus"]


class MemoryBus:
    """See `osteon.bus.wire.Bus`. A transaction is one step under one lock."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.changed = threading.Condition(threading.RLock())
        self.logs: dict[Place, list[Record]] = {}
        self.partitions: dict[str, int] = {}
        self.groups: dict[str, _Group] = defaultdict(_Group)
        self.writers: dict[str, int] = defaultdict(int)  # how often each transactional id was taken

    def provision(self, topics: Sequence[Topic], replication: int = 1) -> None:  # noqa: ARG002 - nothing to copy to
        with self.changed:
            for topic in topics:
                self.partitions.setdefault(topic.name, topic.partitions)
                for number in range(topic.partitions):
                    log = self.logs.setdefault((topic.name, number), [])
                    for group in topic.readers:
                        if not log:
                            self.groups[group].offsets.setdefault((topic.name, number), Committed(0))

    def probe(self) -> None:
        """Memory is never away."""

    def check(self, topics: Sequence[Topic]) -> list[str]:
        missing = [topic.name for topic in topics if topic.name not in self.partitions]
        return [f"topic {name} is missing: provision it" for name in missing]

    def reader(self, group: str, topics: Sequence[str], instance: str) -> "MemoryReader":
        missing = [topic for topic in topics if topic not in self.partitions]
        if missing:
            raise Fatal(f"topic {', '.join(missing)} does not exist: provision it")
        return MemoryReader(self, group, topics, instance)

    def writer(self, transactional_id: str) -> "MemoryWriter":
        return MemoryWriter(self, transactional_id)

    def publisher(self, transactional_id: str | None = None, source: str = "osteon") -> "MemoryPublisher":
        if transactional_id:
            self.writer(transactional_id).renew()
        return MemoryPublisher(self, source)

    def committed(self, group: str, topic: Topic) -> dict[Place, int]:
        with self.changed:
            offsets = self.groups[group].offsets
            return {place: at.offset for place, at in offsets.items() if place[0] == topic.name}

    def read(
        self,
        topics: Sequence[Topic | str],
        partitions: Collection[int] | None = None,
        going: Callable[[], object] = lambda: None,
    ) -> list[Record]:
        going()
        names = [_name(topic) for topic in topics]
        with self.changed:
            return [
                record
                for (topic, partition), log in sorted(self.logs.items())
                if topic in names and (partitions is None or partition in partitions)
                for record in log
            ]

    def follow(
        self,
        topics: Sequence[Topic | str],
        positions: Mapping[Place, int],
        stop: threading.Event | None = None,
    ) -> Iterator[Record]:
        names = {_name(topic) for topic in topics}
        ahead = dict(positions)
        for place, at in ahead.items():
            if place[0] in names and at > len(self.logs.get(place, ())):
                raise made_anew(place)
        while stop is None or not stop.is_set():
            yield from self.beyond(names, ahead)
            with self.changed:
                self.changed.wait(0.1)

    def tail(self, topic: Topic) -> "MemoryTail":
        return MemoryTail(self, topic.name)

    def beyond(self, topics: Collection[str], ahead: dict[Place, int]) -> list[Record]:
        """What lies beyond the positions `ahead`, which move on."""
        with self.changed:
            found = []
            for place, log in self.logs.items():
                if place[0] in topics:
                    found += log[ahead.get(place, 0) :]
                    ahead[place] = len(log)
            return found

    def append(self, sendings: Sequence[Sending]) -> None:
        """Write records; their readers wake up."""
        with self.changed:
            for one in sendings:
                if one.topic not in self.partitions:
                    raise Refused(f"topic {one.topic} does not exist")
            for one in sendings:
                hashed = zlib.crc32(one.key) % self.partitions[one.topic]
                partition = hashed if one.partition is None else one.partition
                log = self.logs[one.topic, partition]
                now_ms = int(1000 * self._clock())
                log.append(Record(one.topic, partition, len(log), one.key, one.value, one.headers, now_ms))
            self.changed.notify_all()


class _Group:
    """A consumer group: who is in it, and where it stands."""

    def __init__(self) -> None:
        self.generation = 0
        self.members: dict[str, MemoryReader] = {}
        self.offsets: dict[Place, Committed] = {}


class MemoryReader:
    """See `osteon.bus.wire.Reader`. A new instance takes part at once, and all partitions are dealt out anew."""

    def __init__(self, bus: MemoryBus, group: str, topics: Sequence[str], instance: str) -> None:
        self._bus = bus
        self._name = group
        self._group = bus.groups[group]
        self._topics = topics
        self._instance = instance
        self._positions: dict[Place, int] = {}
        with bus.changed:
            self._group.members[instance] = self
            self._group.generation += 1
            bus.changed.notify_all()

    def poll(self, timeout_s: float, max_records: int) -> Batch:
        deadline = time.monotonic() + timeout_s
        with self._bus.changed:
            while True:
                if self._group.members.get(self._instance) is not self:
                    raise Fatal(f"another process reads {self._name} under this instance's name")
                records = self._next(max_records)
                left_s = deadline - time.monotonic()
                if records or left_s <= 0:
                    return Batch(records, (self, self._group.generation), self._group.generation)
                self._bus.changed.wait(left_s)

    def _next(self, max_records: int) -> list[Record]:
        found: list[Record] = []
        for place in sorted(self.assigned()):
            if place not in self._positions:
                self._positions[place] = self._offset(place).offset
            log, at = self._bus.logs[place], self._positions[place]
            if at > len(log):
                raise Fatal(f"{self._name} stands at an offset that its topic does not hold")
            taken = log[at : at + max_records - len(found)]
            self._positions[place] = at + len(taken)
            found += taken
        return found

    def assigned(self) -> frozenset[Place]:
        with self._bus.changed:
            members = sorted(self._group.members)
            return frozenset(
                (topic, number)
                for topic in self._topics
                for number in range(self._bus.partitions[topic])
                if members[number % len(members)] == self._instance
            )

    def committed(self) -> dict[Place, Committed]:
        with self._bus.changed:
            return {place: self._offset(place) for place in self.assigned()}

    def _offset(self, place: Place) -> Committed:
        if place not in self._group.offsets:
            raise Fatal(f"{self._name} has no offset to begin at in {place[0]}, partition {place[1]}")
        return self._group.offsets[place]

    def claim(self, offsets: Mapping[Place, Committed]) -> None:
        with self._bus.changed:
            self.commit(offsets, (self, self._group.generation))

    def commit(self, offsets: Mapping[Place, Committed], membership: Any) -> None:
        """Commit as the member that polled. Raises Refused if the group has changed since."""
        reader, generation = membership
        with self._bus.changed:
            if self._group.members.get(self._instance) is not reader or generation != self._group.generation:
                raise Refused("the group has changed since that poll")
            self._group.offsets.update(offsets)

    def seek(self, offsets: Mapping[Place, int]) -> None:
        self._positions = {**self._positions, **offsets}

    def close(self) -> None:
        with self._bus.changed:
            if self._group.members.get(self._instance) is self:
                del self._group.members[self._instance]
                self._group.generation += 1
                self._bus.changed.notify_all()


class MemoryWriter:
    """See `osteon.bus.wire.Writer`."""

    def __init__(self, bus: MemoryBus, transactional_id: str) -> None:
        self._bus = bus
        self._id = transactional_id
        self._turn = 0

    def renew(self) -> None:
        with self._bus.changed:
            self._bus.writers[self._id] += 1
            self._turn = self._bus.writers[self._id]

    def commit(
        self,
        sendings: Sequence[Sending],
        offsets: Mapping[Place, Committed],
        membership: Any,
        checkpoint: Checkpoint = lambda _: None,
    ) -> None:
        for step in ("begun", "produced", "offsets-sent"):
            checkpoint(step)
        with self._bus.changed:
            if self._bus.writers[self._id] != self._turn:
                raise Fatal(f"another process writes as {self._id}")
            if offsets:
                membership[0].commit(offsets, membership)
            self._bus.append(sendings)
        checkpoint("committed")

    def close(self) -> None:
        """Nothing is ever left open."""


class MemoryPublisher:
    """See `osteon.bus.wire.Publisher`."""

    def __init__(self, bus: MemoryBus, source: str) -> None:
        self._bus = bus
        self._source = source

    def publish(self, outgoing: Outgoing, traceparent: str = "") -> None:
        self._bus.append([sending(outgoing, event_headers(outgoing.message, self._source, traceparent))])

    def remove(self, topic: Topic, key: str) -> None:
        self._bus.append([Sending(topic.name, key.encode(), None)])

    def close(self) -> None:
        """Nothing is ever left open."""


class MemoryTail:
    """See `osteon.bus.wire.Tail`."""

    def __init__(self, bus: MemoryBus, topic: str) -> None:
        self._bus = bus
        self._topic = topic
        self._ahead: dict[Place, int] = {}

    def more(self) -> list[Record]:
        return self._bus.beyond([self._topic], self._ahead)

    def close(self) -> None:
        """Nothing is held."""


def _name(topic: Topic | str) -> str:
    return topic if isinstance(topic, str) else topic.name

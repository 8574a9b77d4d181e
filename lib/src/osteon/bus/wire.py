"""What a bus must be able to do. Apache Kafka does it for real, and a bus in memory does it for unit tests."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from osteon.bus.record import Outgoing, Place, Record, Sending
from osteon.contracts.topics import Topic
from osteon.errors import Fatal, OsteonError

__all__ = [
    "Batch",
    "Bus",
    "Checkpoint",
    "Committed",
    "Publisher",
    "Reader",
    "Refused",
    "TooLarge",
    "Writer",
    "made_anew",
]

Checkpoint = Callable[[str], None]


class Refused(OsteonError):
    """A commit that did not happen, or of which it is not known. Only the committed offsets tell."""


class TooLarge(Refused):
    """A commit that did not happen since the bus takes no record as large as the `number`-th."""

    def __init__(self, number: int) -> None:
        super().__init__("a record is larger than the bus takes")
        self.number = number


def made_anew(place: Place) -> Fatal:
    """What to say of a partition that ends before what was read of it."""
    return Fatal(f"{place[0]}, partition {place[1]}, ends before what was read of it: the topic was made anew")


@dataclass(frozen=True)
class Committed:
    """The next offset that a group will read of a partition, and what was noted beside it."""

    offset: int
    note: str = ""


@dataclass(frozen=True)
class Batch:
    """What one poll gave.

    `membership` is the reader's standing in its group at that poll; commits are made under it and no other.
    `epoch` grows with each change of the assignment: records of an older epoch are no longer the reader's.
    """

    records: Sequence[Record]
    membership: Any
    epoch: int


class Reader(Protocol):
    """One instance of a consumer group. Used by one thread."""

    def poll(self, timeout_s: float, max_records: int) -> Batch:
        """Up to `max_records` records; with 0 it only shows that the instance lives.

        Raises Fatal where no offset is committed, or one that the log no longer holds.
        """

    def assigned(self) -> frozenset[Place]:
        """The partitions that are this instance's now."""

    def committed(self) -> dict[Place, Committed]:
        """The committed offsets of all assigned partitions, once open transactions are resolved.

        Raises Passing if the bus does not answer, Fatal where an offset is missing.
        """

    def claim(self, offsets: Mapping[Place, Committed]) -> None:
        """Commit, outside of any transaction. Only right after the poll that gave the records. Raises Refused."""

    def seek(self, offsets: Mapping[Place, int]) -> None:
        """Read on from these offsets."""

    def close(self) -> None:
        """Stop reading; the group keeps the partitions for a restart of this instance until its session ends."""


class Writer(Protocol):
    """One transactional producer. Used by one thread."""

    def commit(
        self,
        sendings: Sequence[Sending],
        offsets: Mapping[Place, Committed],
        membership: Any,
        checkpoint: Checkpoint = lambda _: None,
    ) -> None:
        """Write all of `sendings` and `offsets`, or nothing. Blocks, with a deadline.

        Raises Refused if that failed or is not known to have worked; then `renew` comes next. TooLarge says which of
        `sendings` was at fault.
        Raises Fatal if another process took over this writer's id.
        """

    def renew(self) -> None:
        """Begin anew under the same id; what was left open is resolved. Raises Passing or Fatal."""

    def close(self) -> None:
        """Give up what is open."""


class Publisher(Protocol):
    """Writes single messages. Thread-safe."""

    def publish(self, outgoing: Outgoing, traceparent: str = "") -> None:
        """Return once all replicas have the record. Raises Passing if they may not have it."""

    def remove(self, topic: Topic, key: str) -> None:
        """Write a tombstone for `key`. Raises Passing."""

    def close(self) -> None:
        """Give up what is open."""


class Bus(Protocol):
    """Topics to read and to write."""

    def provision(self, topics: Sequence[Topic], replication: int = 1) -> None:
        """Create what is missing of `topics`, and their readers' offsets at 0 where a topic is empty."""

    def probe(self) -> None:
        """Raise Passing unless a broker answers within seconds."""

    def check(self, topics: Sequence[Topic]) -> list[str]:
        """What is not as the table says, one sentence each, with what to do."""

    def reader(self, group: str, topics: Sequence[str], instance: str) -> Reader:
        """Join `group` as `instance`. Raises Passing, or Fatal if a topic is missing."""

    def writer(self, transactional_id: str) -> Writer:
        """A transactional producer; it connects with its first `renew`."""

    def publisher(self, transactional_id: str | None = None, source: str = "osteon") -> Publisher:
        """A producer of single messages, each in its own transaction if there is a `transactional_id`."""

    def committed(self, group: str, topic: Topic) -> dict[Place, int]:
        """By partition, the offset below which a group has finished every record; asked from outside of the group.

        Without partitions that it never finished a record of. Raises Passing.
        """

    def read(
        self,
        topics: Sequence[Topic | str],
        partitions: Collection[int] | None = None,
        going: Callable[[], object] = lambda: None,
    ) -> list[Record]:
        """Every committed record of `topics` up to now, waiting for transactions that are open.

        However much there is, `going` is called again and again meanwhile. Raises Passing if nothing more comes.
        """

    def follow(
        self,
        topics: Sequence[Topic | str],
        positions: Mapping[Place, int],
        stop: threading.Event | None = None,
    ) -> Iterator[Record]:
        """Committed records for ever, in order within a partition, from `positions` (by default the beginning).

        Raises Passing, or Fatal where a position lies beyond the end: that topic was made anew.
        """

    def tail(self, topic: Topic) -> "Tail":
        """A reader outside of any group that follows one topic from its beginning."""


class Tail(Protocol):
    """Follows a topic, a step at a time."""

    def more(self) -> list[Record]:
        """What was committed since the last call. Raises Passing."""

    def close(self) -> None:
        """Stop following."""

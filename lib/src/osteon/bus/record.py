"""Records, and their headers: CloudEvents 1.0 in binary mode, and W3C trace context."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from google.protobuf.message import Message

from osteon.contracts.topics import Topic
from osteon.runtime import trace

__all__ = ["REPLAY_OF", "Headers", "Outgoing", "Place", "Record", "Sending", "event_headers", "header", "sending"]

REPLAY_OF = "osteon-replay-of"  # the id of the dead letter that a record was replayed from
TRACEPARENT = "traceparent"

Headers = tuple[tuple[str, bytes], ...]
Place = tuple[str, int]  # a topic's name and a partition of it


@dataclass(frozen=True)
class Record:
    """A record as it lies on the bus; `value` is None for a tombstone."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: Headers
    timestamp_ms: int

    @property
    def place(self) -> Place:
        """The partition that it lies in."""
        return self.topic, self.partition


@dataclass(frozen=True)
class Outgoing:
    """A message on its way to the bus.

    Without a `key` it is keyed by the field that the topic names; where that is empty (a patient who is not
    known), by the image. With `removes` it is a tombstone: the message is there for its key alone.
    """

    topic: Topic
    message: Message
    key: str = ""
    removes: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.message, self.topic.message):
            given, wanted = type(self.message).__name__, self.topic.message.__name__
            raise TypeError(f"{self.topic.name} holds {wanted}, not {given}")

    @property
    def key_bytes(self) -> bytes:
        """The key as it is written."""
        # A topic that holds one record is keyed by a constant, which is no field.
        named = getattr(self.message, self.topic.key, "" if _has_images(self.message) else self.topic.key)
        key: str = self.key or named or getattr(self.message, "image_id", "")
        return key.encode()


@dataclass(frozen=True)
class Sending:
    """A record to be produced; without a `partition` the key decides. `value` None removes the key."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers = field(default=())
    partition: int | None = None


def sending(outgoing: Outgoing, headers: Headers, partition: int | None = None) -> Sending:
    """`outgoing` as bytes. Fields that this version does not know are kept, as protobuf does by itself."""
    value = None if outgoing.removes else outgoing.message.SerializeToString(deterministic=True)
    return Sending(outgoing.topic.name, outgoing.key_bytes, value, headers, partition)


def event_headers(
    message: Message, source: str, traceparent: str, event_id: str = "", carried: Sequence[tuple[str, bytes]] = ()
) -> Headers:
    """Headers of a record that holds `message`; `traceparent` becomes a child of the given one.

    `event_id` is unique within `source`; a random one by default. `carried` headers are passed on as they are.
    """
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": event_id or str(uuid.uuid4()),
        "ce_source": source,
        "ce_type": message.DESCRIPTOR.full_name,
        "ce_time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "content-type": "application/protobuf",
        TRACEPARENT: trace.child(traceparent),
    }
    return (*((name, value.encode()) for name, value in attributes.items()), *carried)


def header(headers: Headers, name: str) -> str:
    """The last header of this name as text, or nothing."""
    return next((value for one, value in reversed(headers) if one == name), b"").decode(errors="replace")


def _has_images(message: Message) -> bool:
    return "image_id" in message.DESCRIPTOR.fields_by_name

"""A compacted topic as a mapping from each key to its latest message."""

from collections.abc import Iterator, Mapping

from google.protobuf.message import Message

from osteon.bus.wire import Bus
from osteon.contracts.topics import Topic

__all__ = ["Table"]


class Table(Mapping[str, Message]):
    """The latest committed message of each key; empty until the first `refresh`.

    `removed` holds the keys whose last record is a tombstone, as far as compaction has left it.
    """

    def __init__(self, bus: Bus, topic: Topic) -> None:
        self.topic = topic
        self._tail = bus.tail(topic)
        self._messages: dict[str, Message] = {}
        self.removed: set[str] = set()

    def refresh(self) -> None:
        """Read what was committed since the last time. Raises Passing if the bus does not answer."""
        for record in self._tail.more():
            key = record.key.decode()
            if record.value is None:
                self._messages.pop(key, None)
                self.removed.add(key)
            else:
                self._messages[key] = self.topic.message.FromString(record.value)
                self.removed.discard(key)

    def close(self) -> None:
        """Stop reading."""
        self._tail.close()

    def __getitem__(self, key: str) -> Message:
        return self._messages[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._messages)

    def __len__(self) -> int:
        return len(self._messages)

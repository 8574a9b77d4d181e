"""A compacted topic as a mapping from each key to its latest message."""

from collections.abc import Iterator, Mapping

from google.protobuf.message import Message

from osteon.bus.wire import Bus
from osteon.contracts.topics import Topic

__all__ = ["Table"]


class Table(Mapping[str, Message]):
    """The latest committed message of each key; empty until the first `refresh`."""

    def __init__(self, bus: Bus, topic: Topic) -> None:
        self.topic = topic
        self._tail = bus.tail(topic)
        self._messages: dict[str, Message] = {}

    def refresh(self) -> None:
        """Read what was committed since the last time. Raises Passing if the bus does not answer."""
        for record in self._tail.more():
            if record.value is None:
                self._messages.pop(record.key.decode(), None)
            else:
                self._messages[record.key.decode()] = self.topic.message.FromString(record.value)

    def close(self) -> None:
        """Stop reading."""
        self._tail.close()

    def __getitem__(self, key: str) -> Message:
        return self._messages[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._messages)

    def __len__(self) -> int:
        return len(self._messages)

"""What a stage remembers: a compacted topic, co-partitioned with its input, held in memory while assigned."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping

from google.protobuf.message import Message

from osteon.bus.wire import Bus
from osteon.contracts.topics import Topic

__all__ = ["State"]


class State(Mapping[str, Message]):
    """The latest message of each key, in all partitions of this instance. Used by one thread."""

    def __init__(self, topic: Topic | None) -> None:
        self.topic = topic
        self._messages: dict[str, Message] = {}
        self._indexes: dict[str, dict[object, dict[str, Message]]] = {}

    def restore(self, bus: Bus, partitions: Collection[int], going: Callable[[], object] = lambda: None) -> None:
        """Forget everything, and read these partitions to their end, calling `going` meanwhile. Raises Passing."""
        self._messages.clear()
        self._indexes.clear()
        if self.topic is None or not partitions:
            return
        for record in bus.read([self.topic], partitions, going):
            self.put(record.key.decode(), None if record.value is None else self.topic.message.FromString(record.value))

    def put(self, key: str, message: Message | None) -> None:
        """Remember `message` under `key`; None forgets."""
        for field, index in self._indexes.items():
            if key in self._messages:
                index[getattr(self._messages[key], field)].pop(key, None)
            if message is not None:
                index[getattr(message, field)][key] = message
        if message is None:
            self._messages.pop(key, None)
        else:
            self._messages[key] = message

    def where(self, field: str, value: object) -> list[Message]:
        """The messages whose `field` is `value`, oldest first; the first call for a field builds its index."""
        if field not in self._indexes:
            index: dict[object, dict[str, Message]] = defaultdict(dict)
            for key, message in self._messages.items():
                index[getattr(message, field)][key] = message
            self._indexes[field] = index
        return list(self._indexes[field].get(value, {}).values())

    def __getitem__(self, key: str) -> Message:
        return self._messages[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._messages)

    def __len__(self) -> int:
        return len(self._messages)

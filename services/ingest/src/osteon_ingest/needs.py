"""Who may still need a sealed original: accept, a dead letter, or nobody that is known."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from google.protobuf.message import DecodeError

from osteon.bus import Bus, Record, Table
from osteon.bus.dead_letters import Selection, list_all
from osteon.contracts import DeadLetter, ImageKnown, ImageReceived, ObjectRef
from osteon.contracts.topics import IMAGE_KNOWN, IMAGE_RECEIVED, Topic, retry_topic
from osteon.errors import Poison, SetAside
from osteon.store import Listed, Store
from osteon_ingest.identity import Keys, image_id
from osteon_ingest.peek import data_set_sha256, peek
from osteon_ingest.receive import INBOX
from osteon_ingest.seal import unseal

__all__ = ["WHYS", "Need", "Needs"]

ACCEPT = "accept"
WHYS = {
    "young": "younger than asked",
    "waits": "accept has not worked them yet",
    "dead-letter": "a dead letter names them, and a replay would need them",
    "unknown": "accept does not know them: nobody can tell whether they have an outcome",
    "unreadable": "can't be opened or read; are all OSTEON_FORMER_SITE_KEYS given?",
}
"""Why originals are kept."""


@dataclass(frozen=True)
class Need:
    """Why an original is kept, a key of `WHYS`; empty if nobody needs it. And the images that it is of."""

    why: str
    images: frozenset[str] = frozenset()


class Needs:
    """What the topics say of originals. Make it after the inbox was listed. Raises Passing.

    Read in this order: records, then how far accept is, then its dead letters. So what accept had finished has its dead
    letter among those that are read.
    """

    def __init__(self, bus: Bus, store: Store, keys: Keys) -> None:
        self._store, self._keys = store, keys
        self._images: dict[str, set[str]] = defaultdict(set)  # of an inbox key
        records = [*_received(bus, IMAGE_RECEIVED), *_received(bus, retry_topic(IMAGE_RECEIVED, ACCEPT))]
        finished = bus.committed(ACCEPT, IMAGE_RECEIVED) | bus.committed(ACCEPT, retry_topic(IMAGE_RECEIVED, ACCEPT))
        self._waiting: set[str] = set()
        for record, message in records:
            self._images[message.object.key].add(message.image_id)
            if record.offset >= finished.get(record.place, 0):
                self._waiting.add(message.object.key)
        letters = list_all(bus, Selection())
        self._dead_images = {letter.image_id for letter in letters} - {""}
        self._dead_keys = {one.object.key for letter in letters if (one := _original(letter)) is not None}
        self._known = Table(bus, IMAGE_KNOWN)
        self._known.refresh()
        self._known.close()

    def of(self, listed: Listed) -> Need:
        """Who needs an object of the inbox. Raises Passing."""
        images = frozenset(self._images.get(listed.key, ()))
        if listed.key in self._waiting:
            return Need("waits", images)
        if not images:  # its record is past its retention, or there never was one
            try:
                images = self._remembered(listed)
            except (Poison, SetAside):
                return Need("unreadable")
        if listed.key in self._dead_keys or images & self._dead_images:
            return Need("dead-letter", images)
        return Need("" if any(image in self._known for image in images) else "unknown", images)

    def _remembered(self, listed: Listed) -> frozenset[str]:
        """The image under which accept remembers this very content, if it does."""
        sha256 = listed.key.rpartition("/")[2]
        ref = ObjectRef(bucket=INBOX, key=listed.key, sha256=sha256, size_bytes=listed.size_bytes)
        original = unseal(self._keys.to_open("inbox"), self._store.get(ref))
        uid = peek(original).sop_instance_uid
        hashes = {hashlib.sha256(original).hexdigest(), data_set_sha256(original), sha256}
        images = {image_id(keys, uid) for keys in (self._keys, *self._keys.former)}
        return frozenset(image for image in images if image in self._known and hashes & self._contents(image))

    def _contents(self, image: str) -> set[str]:
        known = cast(ImageKnown, self._known[image])
        return {known.object_sha256, *known.set_aside}


def _received(bus: Bus, topic: Topic) -> Iterator[tuple[Record, ImageReceived]]:
    for record in bus.read([topic]):
        try:
            message = ImageReceived.FromString(record.value or b"")
        except DecodeError:  # it names nothing
            continue
        if message.object.key:
            yield record, message


def _original(letter: DeadLetter) -> ImageReceived | None:
    """The record of a dead letter of accept, as far as it can be read."""
    if letter.stage != ACCEPT:
        return None
    try:
        return ImageReceived.FromString(letter.original.value)
    except DecodeError:
        return None

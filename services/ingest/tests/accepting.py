"""Accept at one site, without a bus: an object in, its outcomes out."""

from dataclasses import dataclass
from typing import Any

from osteon.bus import State
from osteon.contracts import DOOR_STOW, ImageReceived
from osteon.contracts.topics import (
    IMAGE_KNOWN,
)
from osteon.store import Store
from osteon_ingest.accept import settle, work
from osteon_ingest.identity import Keys, image_id
from osteon_ingest.seal import seal

KEYS = Keys.from_site_key(bytes(range(32)))


@dataclass
class Site:
    """The work and the memory of one site, without a bus."""

    store: Store
    state: State
    records: list[Any]

    def receive(self, content: bytes, uid: str) -> list[Any]:
        """The outcomes that one object leads to."""
        settled = settle(work(self.received(content, uid), KEYS, self.store), self.state)
        for one in settled:
            if one.topic is IMAGE_KNOWN:
                self.state.put(one.key_bytes.decode(), one.message)
        outcomes = [one.message for one in settled if one.topic is not IMAGE_KNOWN]
        self.records += [one.message for one in settled]
        return outcomes

    def received(self, content: bytes, uid: str) -> ImageReceived:
        """What a door would have announced."""
        ref = self.store.put("inbox", seal(KEYS.inbox, content), "application/octet-stream")
        return ImageReceived(image_id=image_id(KEYS, uid), site="test", object=ref, door=DOOR_STOW)

"""A site without doors: a bus, a store, and the accept stage for as long as a test lets it run."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from osteon.bus import Outgoing
from osteon.bus.wire import Bus
from osteon.contracts import DOOR_STOW, ImageReceived
from osteon.contracts.topics import DEAD_LETTER, IMAGE_DEIDENTIFIED, IMAGE_RECEIVED, IMAGE_SET_ASIDE
from osteon.store import Store
from osteon_ingest.accept import make_stage
from osteon_ingest.identity import Keys, image_id
from osteon_ingest.receipts import give_receipt
from osteon_ingest.receive import SEALED
from osteon_ingest.seal import seal
from osteon_ingest.settings import IngestSettings
from osteon_ingest.traces import PLACES, Traces, find, pseudonyms

Wait = Callable[..., None]


@dataclasses.dataclass
class Site:
    """A bus and a store, with an accept stage while it `runs`."""

    bus: Bus
    store: Store
    settings: IngestSettings
    wait: Wait

    @contextmanager
    def running(self, keys: Keys) -> Iterator[None]:
        stop = threading.Event()
        stage = make_stage(self.settings, self.store, keys)
        thread = threading.Thread(target=stage.run, args=(self.bus, stop))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(30)

    def send(self, content: bytes, uid: str, keys: Keys) -> None:
        """What a door does, and wait for the outcome."""
        n_before = self.n_outcomes()
        ref = self.store.put("inbox", seal(keys.inbox, content), SEALED)
        message = ImageReceived(image_id=image_id(keys, uid), site="test", object=ref, door=DOOR_STOW)
        publisher = self.bus.publisher()
        publisher.publish(Outgoing(IMAGE_RECEIVED, message))
        publisher.close()
        give_receipt(self.store, message.image_id, "", ref)
        self.wait(lambda: self.n_outcomes() > n_before)

    def n_outcomes(self) -> int:
        return len(self.bus.read([IMAGE_DEIDENTIFIED, IMAGE_SET_ASIDE, DEAD_LETTER]))

    def find(self, patient_id: str, keys: Keys) -> Traces:
        return find(self.bus, self.store, keys, "test", pseudonyms(keys, "test", patient_id))

    def objects(self) -> set[tuple[str, str]]:
        return {(bucket, one.key) for bucket in PLACES for one in self.store.list(bucket)}

"""A site without doors: a bus, a store, and its stages for as long as a test lets them run."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from osteon.bus import Outgoing, Stage
from osteon.bus.wire import Bus
from osteon.contracts import DOOR_STOW, ImageReceived
from osteon.contracts.topics import (
    DEAD_LETTER,
    IMAGE_DEIDENTIFIED,
    IMAGE_HARMONIZED,
    IMAGE_RECEIVED,
    IMAGE_SET_ASIDE,
    Topic,
)
from osteon.store import Store
from osteon_ingest.accept import make_stage
from osteon_ingest.forget import Place, forget
from osteon_ingest.identity import Keys, image_id
from osteon_ingest.receipts import give_receipt
from osteon_ingest.receive import SEALED
from osteon_ingest.seal import seal
from osteon_ingest.settings import IngestSettings
from osteon_ingest.traces import PLACES, Traces, find, pseudonyms

Wait = Callable[..., None]


def passing(name: str, consumes: Topic) -> Stage:
    """A stage that finishes all and makes nothing of it."""
    return Stage(name=name, site="test", consumes=consumes, work=lambda *_: [], n_threads=1)


@dataclasses.dataclass
class Site:
    """A bus and a store, with an accept stage while it is `running`, and those behind it, which pass all."""

    bus: Bus
    store: Store
    settings: IngestSettings
    wait: Wait

    @contextmanager
    def running(self, keys: Keys) -> Iterator[None]:
        stages = [make_stage(self.settings, self.store, keys), passing("harmonize", IMAGE_DEIDENTIFIED)]
        with ExitStack() as stack:
            for stage in (*stages, passing("classify", IMAGE_HARMONIZED)):
                stack.enter_context(self.running_stage(stage))
            yield

    @contextmanager
    def running_stage(self, stage: Stage) -> Iterator[None]:
        stop = threading.Event()
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
        self.take_in(content, uid, keys)
        self.wait(lambda: self.n_outcomes() > n_before)

    def take_in(self, content: bytes, uid: str, keys: Keys) -> None:
        """What a door does."""
        ref = self.store.put("inbox", seal(keys.inbox, content), SEALED)
        message = ImageReceived(image_id=image_id(keys, uid), site="test", object=ref, door=DOOR_STOW)
        publisher = self.bus.publisher()
        publisher.publish(Outgoing(IMAGE_RECEIVED, message))
        publisher.close()
        give_receipt(self.store, message.image_id, "", ref)

    def n_outcomes(self) -> int:
        return len(self.bus.read([IMAGE_DEIDENTIFIED, IMAGE_SET_ASIDE, DEAD_LETTER]))

    def find(self, patient_id: str, keys: Keys) -> Traces:
        return find(self.bus, self.store, keys, "test", pseudonyms(keys, "test", patient_id))

    def forget(self, patient_id: str, keys: Keys, wait_s: float = 20) -> dict[str, Place]:
        def search(names: frozenset[str]) -> Traces:
            return find(self.bus, self.store, keys, "test", names)

        places = forget(self.find(patient_id, keys), search, self.bus, self.store, "test", wait_s=wait_s)
        return {place.name: place for place in places}

    def objects(self) -> set[tuple[str, str]]:
        return {(bucket, one.key) for bucket in PLACES for one in self.store.list(bucket)}

"""Accept: image.received in, image.deidentified or image.set-aside out.

`work` does what takes time, for many images side by side: unseal, read, check, de-identify, find burnt-in text,
store. `settle` decides, one image after the other, by what is known of the same UID and the same pixels:

- never seen: the outcome that `work` found
- the same pixels of the same patient, the same bytes, or a data set that was set aside before: seen; no record
- anything else under a UID that has an image: a conflict, set aside; once for each distinct content
- the same pixels under another UID: accepted, with a link to the earlier one

An image that is to be forgotten (`osteon patient forget`) is remembered no more, and new if it comes again.

An image that names no patient is accepted with an empty pseudonym: its result is found by its own id.
"""

import sys
import threading
from collections.abc import Sequence
from hashlib import sha256
from typing import cast

from osteon.bus import Context, Outgoing, Stage, State, work_one
from osteon.bus import connect_as as connect_bus
from osteon.contracts import ImageDeidentified, ImageKnown, ImageReceived, ImageSetAside, ObjectRef
from osteon.contracts.topics import IMAGE_DEIDENTIFIED, IMAGE_KNOWN, IMAGE_RECEIVED, IMAGE_SET_ASIDE
from osteon.errors import SetAside
from osteon.runtime.health import Health, serve
from osteon.store import Store
from osteon.store import connect_as as connect_store
from osteon_ingest.examine import Deidentified, examine
from osteon_ingest.identity import Keys
from osteon_ingest.peek import data_set_sha256
from osteon_ingest.seal import unseal
from osteon_ingest.settings import IngestSettings
from osteon_ingest.vault import lock_away

__all__ = ["is_known", "killed", "make_stage", "run", "run_one", "settle", "work"]

STAGE = "accept"
INBOX, IMAGES = "inbox", "images"
DICOM = "application/dicom"


def make_stage(settings: IngestSettings, store: Store, keys: Keys) -> Stage:
    """The stage that accepts what came through the doors of a site."""

    def work_here(received: ImageReceived, _: Context) -> Sequence[Outgoing]:
        return work(received, keys, store)

    return Stage(
        name=STAGE,
        site=settings.site,
        ordinal=settings.ordinal,
        consumes=IMAGE_RECEIVED,
        work=work_here,
        settle=settle,
        killed=lambda received, refusal: killed(received, refusal, keys, store),
        is_known=is_known,
        state=IMAGE_KNOWN,
        probes={"store": store.probe},
        isolate=[sys.executable, "-m", "osteon_ingest", "work-one"],
        n_threads=settings.accept_threads,
    )


def run(settings: IngestSettings, stop: threading.Event) -> None:
    """Accept images until `stop` is set. Raises Fatal."""
    health = Health()
    serve(health, settings.health_port, settings.health_host)
    _stage(settings).run(connect_bus(settings), stop, health)


def run_one(settings: IngestSettings) -> None:
    """Work one record from standard input, in a process of its own; see `osteon.bus.isolate`."""
    work_one(_stage(settings).work)


def _stage(settings: IngestSettings) -> Stage:
    keys = settings.keys()
    return make_stage(settings, connect_store(settings), keys)


def work(received: ImageReceived, keys: Keys, store: Store) -> Sequence[Outgoing]:
    """What comes of one image if it is new: its outcome, and what is to be remembered of it.

    Raises Passing, and Poison if the inbox object is missing, corrupt or sealed under another key.
    """
    if received.forget:
        return [Outgoing(IMAGE_KNOWN, ImageKnown(image_id=received.image_id), removes=True)]
    original = unseal(keys.to_open("inbox"), store.get(received.object, INBOX))
    known = ImageKnown(image_id=received.image_id, object_sha256=sha256(original).hexdigest())
    try:
        image = examine(keys, received.site, received.image_id, original)
    except SetAside as refusal:
        known.set_aside.extend((known.object_sha256, data_set_sha256(original)))
        return [_set_aside(received, refusal.reason, str(refusal)), Outgoing(IMAGE_KNOWN, known)]
    ref = store.put(IMAGES, image.content, DICOM)
    lock_away(store, keys, image.entry, ref)
    known.pixel_sha256, known.patient = image.pixel_sha256, image.patient
    return [Outgoing(IMAGE_DEIDENTIFIED, _deidentified(received, image, ref)), Outgoing(IMAGE_KNOWN, known)]


def killed(received: ImageReceived, refusal: SetAside, keys: Keys, store: Store) -> Sequence[Outgoing]:
    """What comes of an image that ends every process that works it. Its bytes are hashed and not read.

    Remembered under the sealed object's hash too, which `is_known` can tell before anything is opened.
    """
    original = unseal(keys.to_open("inbox"), store.get(received.object, INBOX))
    known = ImageKnown(image_id=received.image_id, object_sha256=sha256(original).hexdigest())
    known.set_aside.extend((known.object_sha256, data_set_sha256(original), received.object.sha256))
    return [_set_aside(received, refusal.reason, str(refusal)), Outgoing(IMAGE_KNOWN, known)]


def is_known(received: ImageReceived, known: State) -> bool:
    """Whether this very object killed its workers before."""
    old = cast(ImageKnown | None, known.get(received.image_id))
    return old is not None and received.object.sha256 in old.set_aside


def settle(found: Sequence[Outgoing], known: State) -> Sequence[Outgoing]:
    """What is published of what `work` found, by what is known; serial, in the order of reception."""
    if len(found) == 1:  # to be forgotten
        return found
    outcome, memory = found
    new = cast(ImageKnown, memory.message)
    old = cast(ImageKnown | None, known.get(new.image_id))
    if old is None:
        return [_linked(outcome, new, known), memory]
    if _is_seen(new, old):
        return []
    if not new.pixel_sha256:
        return [outcome, _remembered(old, *new.set_aside)]
    if not old.pixel_sha256:  # until now only broken copies came
        new.set_aside.extend(old.set_aside)
        return [_linked(outcome, new, known), memory]
    return [_conflict(outcome), _remembered(old, _content(new))]


def _is_seen(new: ImageKnown, old: ImageKnown) -> bool:
    """Whether this content has its outcome already."""
    if new.object_sha256 == old.object_sha256 or not {new.object_sha256, *new.set_aside}.isdisjoint(old.set_aside):
        return True
    return bool(new.pixel_sha256) and (_content(new) == _content(old) or _content(new) in old.set_aside)


def _content(known: ImageKnown) -> str:
    """What makes two images under one UID the same, in whatever container: pixels and patient."""
    return sha256(f"{known.pixel_sha256} {known.patient}".encode()).hexdigest()


def _remembered(old: ImageKnown, *contents: str) -> Outgoing:
    """What was known, and more that was set aside."""
    more = ImageKnown()
    more.CopyFrom(old)
    more.set_aside.extend(contents)
    return Outgoing(IMAGE_KNOWN, more)


def _linked(outcome: Outgoing, new: ImageKnown, known: State) -> Outgoing:
    """The outcome with a link to the earliest image that has the same pixels under another UID."""
    if not isinstance(outcome.message, ImageDeidentified):
        return outcome
    others = [cast(ImageKnown, one).image_id for one in known.where("pixel_sha256", new.pixel_sha256)]
    outcome.message.same_pixels_as = next((one for one in others if one != new.image_id), "")
    return outcome


def _conflict(outcome: Outgoing) -> Outgoing:
    """The outcome of an image whose UID belongs to another one. Its patient is not told: it may not be theirs."""
    image = cast(ImageDeidentified, outcome.message)
    refusal = SetAside("conflict")
    message = ImageSetAside(
        image_id=image.image_id,
        site=image.site,
        stage=STAGE,
        reason=refusal.reason,
        explanation=str(refusal),
        object=image.object,
        received_at=image.received_at,
    )
    return Outgoing(IMAGE_SET_ASIDE, message)


def _set_aside(received: ImageReceived, reason: str, explanation: str) -> Outgoing:
    message = ImageSetAside(
        image_id=received.image_id,
        site=received.site,
        stage=STAGE,
        reason=reason,
        explanation=explanation,
        object=received.object,
        received_at=received.received_at,
    )
    return Outgoing(IMAGE_SET_ASIDE, message)


def _deidentified(received: ImageReceived, image: Deidentified, ref: ObjectRef) -> ImageDeidentified:
    return ImageDeidentified(
        image_id=received.image_id,
        site=received.site,
        patient=image.patient,
        object=ref,
        acquisition=image.acquisition,
        pixel_sha256=image.pixel_sha256,
        received_at=received.received_at,
    )

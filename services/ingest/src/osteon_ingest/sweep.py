"""Sweep: announce what lies in the inbox and was never announced, since a receiver died between the two.

What was announced is read from the topic itself, which remembers longer than the sweep looks back. Should an image be
announced twice, it still has one outcome: the stage behind takes equal bytes under the same name as a duplicate.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from osteon.bus import Bus, Outgoing
from osteon.contracts import ImageReceived, ObjectRef
from osteon.contracts.topics import IMAGE_RECEIVED
from osteon.errors import OsteonError, Poison, SetAside
from osteon.runtime import logs, trace
from osteon.store import Listed
from osteon_ingest.identity import image_id
from osteon_ingest.peek import peek
from osteon_ingest.receipts import give_receipt
from osteon_ingest.receive import INBOX, SEALED, Threshold
from osteon_ingest.seal import unseal

__all__ = ["Announced", "sweep", "sweep_for_ever"]

LOOKS_BACK = timedelta(days=60)  # the topic may have forgotten what is older than its retention of 90 days
LOGGER = logs.logger(__name__)


class Announced:
    """The objects that `image.received` names, by SHA-256; a million take about 150 MB."""

    def __init__(self, bus: Bus) -> None:
        self._tail = bus.tail(IMAGE_RECEIVED)
        self._sha256s: set[str] = set()

    def refresh(self) -> None:
        """Read what was announced since the last time. Raises Passing if the bus does not answer."""
        for record in self._tail.more():
            with contextlib.suppress(DecodeError):  # it announces nothing, and the stage behind says so
                self._sha256s.add(ImageReceived.FromString(record.value or b"").object.sha256)

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._sha256s


def sweep_for_ever(sweep_once: Callable[[], object], every_s: float, stop: threading.Event) -> None:
    """Sweep every `every_s` seconds until `stop`; a store or bus that is away is waited for."""
    while not stop.wait(every_s):
        try:
            sweep_once()
        except OsteonError as error:
            LOGGER.warning("could not sweep, will try again", extra={"why": str(error)})


def sweep(threshold: Threshold, announced: Announced, after_s: float) -> int:
    """Announce what is older than `after_s` seconds and was not announced; how many those are.

    1. List the inbox.
    2. Read what was announced: after listing, so that nothing announced in between looks forgotten.
    3. Open each object that was not, and announce it under its name.

    What is older than it looks back is counted, and told as `older`: the topic may no longer say what became of it.
    """
    began = time.monotonic()
    now = datetime.now(UTC)
    due, n_older = [], 0
    for one in threshold.store.list(INBOX):
        if now - one.written_at >= LOOKS_BACK:
            n_older += 1
        elif now - one.written_at >= timedelta(seconds=after_s):
            due.append(one)
    announced.refresh()
    forgotten = [one for one in due if _sha256(one) not in announced]
    n_announced = sum(_announce(threshold, one) for one in forgotten)
    seconds = round(time.monotonic() - began, 3)
    LOGGER.info(
        "inbox swept", extra={"looked_at": len(due), "announced": n_announced, "older": n_older, "seconds": seconds}
    )
    return n_announced


def _sha256(listed: Listed) -> str:
    return listed.key.rpartition("/")[2]


def _announce(threshold: Threshold, listed: Listed) -> bool:
    ref = ObjectRef(
        bucket=INBOX,
        key=listed.key,
        sha256=_sha256(listed),
        size_bytes=listed.size_bytes,
        media_type=SEALED,
    )
    try:
        header = peek(unseal(threshold.keys.to_open("inbox"), threshold.store.get(ref)))
    except (Poison, SetAside) as error:
        # No door put it there: doors write whole objects, sealed with this key, that have a name.
        LOGGER.error("the inbox holds an object that no door wrote", extra={"key": listed.key, "why": str(error)})
        return False
    received_at = Timestamp()
    received_at.FromDatetime(listed.written_at)
    message = ImageReceived(
        image_id=image_id(threshold.keys, header.sop_instance_uid),
        site=threshold.site,
        object=ref,
        received_at=received_at,  # the door is not known any more
    )
    threshold.publisher.publish(Outgoing(IMAGE_RECEIVED, message), trace.new())
    give_receipt(threshold.store, message.image_id, header.sop_class_uid, ref)
    LOGGER.warning("forgotten image announced", extra={"image_id": message.image_id})
    return True

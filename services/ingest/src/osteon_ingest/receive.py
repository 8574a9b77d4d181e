"""What all doors do with an image: seal it into the inbox, announce it on the bus, and only then call it safe.

1. Look at the header: without a SOP Instance UID an image has no name, and is refused. Refuse it for now, if the
   store or the bus is known to be away.
2. Put the sealed bytes into the inbox.
3. Announce `image.received`, acknowledged by all replicas.
4. Write the receipt, by which a storage commitment is answered.
5. Return: only now may the door tell the sender that the image is safe.

A process that dies between 2 and 3 leaves an object that nobody announced; the sender keeps the image and sends it
again, and `sweep` announces the object. One that dies before 4 has promised nothing: the image that comes again
gets its receipt.
"""

import time
from dataclasses import dataclass, field, fields
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from osteon.bus import Outgoing
from osteon.contracts import DOOR_DIMSE, DOOR_FOLDER, DOOR_STOW, Door, ImageReceived
from osteon.contracts.reasons import DOOR_REASONS
from osteon.contracts.topics import IMAGE_RECEIVED
from osteon.errors import OsteonError, Passing, SetAside
from osteon.runtime import audit, logs, metrics, trace
from osteon.runtime.audit import Caller
from osteon.store import Store
from osteon_ingest.identity import Keys, image_id
from osteon_ingest.outage import Outage
from osteon_ingest.peek import Header, peek
from osteon_ingest.receipts import give_receipt
from osteon_ingest.seal import seal

__all__ = ["INBOX", "SEALED", "Mismatch", "Publishes", "Threshold", "begin_counts", "receive", "turn_away"]

INBOX = "inbox"
SEALED = "application/octet-stream"  # sealed bytes are no DICOM object for anybody without the key
DOOR_NAMES = {DOOR_DIMSE: "dimse", DOOR_STOW: "stow", DOOR_FOLDER: "folder"}
ANYTHING = Header("", "", "")
SOMEBODY = Caller("unknown")
LOGGER = logs.logger(__name__)


class Mismatch(OsteonError):
    """The object is another one than its request says; neither name can be trusted."""


class Publishes(Protocol):
    """The one thing that doors need of the bus; see `osteon.bus.Publisher`."""

    def publish(self, outgoing: Outgoing, traceparent: str) -> None:
        """Return once all replicas have the record. Raises Passing."""


@dataclass(frozen=True)
class Threshold:
    """What an image passes on its way in, the same behind each door. Thread-safe."""

    site: str
    keys: Keys
    store: Store
    publisher: Publishes
    max_object_bytes: int
    outage: Outage = field(default_factory=Outage)


def begin_counts(door: Door) -> None:
    """Tell Prometheus zeros from the start: a counter that begins at 1 has no rise that an alert could see."""
    name = DOOR_NAMES[door]
    metrics.DOOR_SECONDS.labels(name)
    for outcome in ("received", *DOOR_REASONS, "not-dicom", "unreadable", "too-large"):
        metrics.RECEIVED.labels(name, outcome)


def receive(
    threshold: Threshold, door: Door, data: bytes, claimed: Header = ANYTHING, *, sender: Caller = SOMEBODY
) -> Header:
    """Make an image safe; `data` is a DICOM object as it would lie in a file. Blocks until it is safe.

    `claimed` is what the request says of the object; what it leaves empty may be anything. `sender` is told to audit.
    Raises SetAside or Mismatch if the image is refused for good; any other OsteonError if it is not safe now:
    the sender must keep it and try again.
    """
    name = DOOR_NAMES[door]
    began = time.perf_counter()
    try:
        header = _make_safe(threshold, door, data, claimed)
    except (SetAside, Mismatch) as refusal:
        reason = refusal.reason if isinstance(refusal, SetAside) else "mismatch"
        turn_away(threshold, door, sender, reason)
        raise
    except OsteonError as error:
        if isinstance(error, Passing):
            threshold.outage.suspect(error.dependency)
        metrics.RECEIVED.labels(name, "not-safe").inc()
        LOGGER.error("image not safe, the sender must keep it", extra={"door": name, "why": str(error)})
        raise
    audit.received(threshold.site, sender, name, image_id(threshold.keys, header.sop_instance_uid))
    metrics.RECEIVED.labels(name, "received").inc()
    metrics.RECEIVED_BYTES.labels(name).inc(len(data))
    metrics.DOOR_SECONDS.labels(name).observe(time.perf_counter() - began)
    return header


def turn_away(threshold: Threshold, door: Door, sender: Caller, reason: str) -> None:
    """Count, log and audit an image that is refused for good, also one that a door won't even read to its end."""
    name = DOOR_NAMES[door]
    metrics.RECEIVED.labels(name, reason).inc()
    LOGGER.warning("image refused", extra={"door": name, "reason": reason})
    audit.received(threshold.site, sender, name, "", audit.REFUSED)


def _make_safe(threshold: Threshold, door: Door, data: bytes, claimed: Header) -> Header:
    if len(data) > threshold.max_object_bytes:
        raise SetAside("too-large", f"The object has more than {threshold.max_object_bytes} bytes.")
    header = peek(data)  # 1
    _compare(header, claimed)
    threshold.outage.refuse()
    ref = threshold.store.put(INBOX, seal(threshold.keys.inbox, data), SEALED)  # 2
    received_at = Timestamp()
    received_at.GetCurrentTime()
    message = ImageReceived(
        image_id=image_id(threshold.keys, header.sop_instance_uid),
        site=threshold.site,
        object=ref,
        door=door,
        received_at=received_at,
    )
    traceparent = trace.new()
    threshold.publisher.publish(Outgoing(IMAGE_RECEIVED, message), traceparent)  # 3
    give_receipt(threshold.store, message.image_id, header.sop_class_uid or claimed.sop_class_uid, ref)  # 4
    LOGGER.info(
        "image received",
        extra={"image_id": message.image_id, "door": DOOR_NAMES[door], "trace_id": trace.trace_id(traceparent)},
    )
    return header  # 5


def _compare(found: Header, claimed: Header) -> None:
    for one in fields(Header):
        in_object, in_request = getattr(found, one.name), getattr(claimed, one.name)
        if in_object and in_request and in_object != in_request:
            raise Mismatch(f"the object has another {one.name.replace('_', ' ')} than its request says")

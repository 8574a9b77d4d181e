"""Receipts: what the doors promised, one small object for each image, so that a promise can be found by its name.

A receipt is written after the record is on the bus and before the sender hears "success". So what has one lies in the
inbox and is announced; what has none was promised to nobody. It names no person: the image id, the SOP class, and where
the sealed original lies.
"""

import json
from dataclasses import asdict, dataclass

from osteon.contracts import ObjectRef
from osteon.errors import Poison
from osteon.store import Store

__all__ = ["RECEIPTS", "Receipt", "find_receipt", "give_receipt", "receipt_key"]

RECEIPTS = "receipts"


@dataclass(frozen=True)
class Receipt:
    """What was promised of an image: its class, and its sealed original. Of several contents, the last one."""

    sop_class_uid: str
    bucket: str
    key: str
    size_bytes: int

    @property
    def original(self) -> ObjectRef:
        """The sealed original, as far as it takes to see whether it lies there."""
        return ObjectRef(bucket=self.bucket, key=self.key, size_bytes=self.size_bytes)


def give_receipt(store: Store, image_id: str, sop_class_uid: str, original: ObjectRef) -> None:
    """Write down that an image is safe; safe to repeat. Raises Passing."""
    receipt = Receipt(sop_class_uid, original.bucket, original.key, original.size_bytes)
    text = json.dumps(asdict(receipt), sort_keys=True)
    store.put_named(RECEIPTS, receipt_key(image_id), text.encode(), "application/json")


def find_receipt(store: Store, image_id: str) -> Receipt | None:
    """What was promised of an image, if anything was. Raises Passing."""
    try:
        text = store.get_named(RECEIPTS, receipt_key(image_id))
    except Poison:
        return None
    return Receipt(**json.loads(text))


def receipt_key(image_id: str) -> str:
    """Where the receipt of an image lies."""
    return f"image/{image_id[:2]}/{image_id}"

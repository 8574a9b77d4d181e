"""Prune the inbox: delete sealed originals of an age that nobody needs any more, and say which are kept and why.

Nothing that still needs an original loses it: one goes only when accept has finished its record, accept
remembers the image, and no dead letter would need it for a replay (`needs.py`).

1. List the inbox.
2. Read what the topics say, after that: what is announced in between is young.
3. Delete what nobody needs: first the receipt, so that nobody is told that it is safe here; then the original, if it is
   still as old. An image that is sent again is stored anew, and young.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from osteon.bus import Bus
from osteon.contracts import ObjectRef
from osteon.runtime import logs
from osteon.store import Listed, Store
from osteon_ingest.identity import Keys
from osteon_ingest.needs import Needs
from osteon_ingest.receipts import RECEIPTS, find_receipt, receipt_key
from osteon_ingest.receive import INBOX

__all__ = ["Pruned", "prune"]

LOGGER = logs.logger(__name__)


@dataclass
class Pruned:
    """What was deleted, or would be, and how many originals are kept by why: a key of `needs.WHYS`."""

    n: int = 0
    size_bytes: int = 0
    kept: Counter[str] = field(default_factory=Counter)


def prune(bus: Bus, store: Store, keys: Keys, older_than: timedelta, *, now: datetime, is_dry: bool = False) -> Pruned:
    """Delete originals that were written more than `older_than` before `now` and that nobody needs.

    Safe to repeat, and to cut short. Raises Passing and Fatal.
    """
    found = list(store.list(INBOX))  # 1
    needs, pruned, before = Needs(bus, store, keys), Pruned(), now - older_than  # 2
    for listed in found:
        if listed.written_at >= before:
            pruned.kept["young"] += 1
            continue
        need = needs.of(listed)
        if need.why:
            pruned.kept[need.why] += 1
        elif is_dry or _delete(store, listed, need.images, before):  # 3
            pruned.n, pruned.size_bytes = pruned.n + 1, pruned.size_bytes + listed.size_bytes
        else:
            pruned.kept["young"] += 1
    LOGGER.info(
        "inbox pruned", extra={"deleted": pruned.n, "bytes": pruned.size_bytes, **pruned.kept, "dry_run": is_dry}
    )
    return pruned


def _delete(store: Store, listed: Listed, images: frozenset[str], before: datetime) -> bool:
    """Whether it was still as old as `before` asks, and is gone."""
    again = [one for one in store.list(INBOX, listed.key) if one.key == listed.key]
    if any(one.written_at >= before for one in again):
        return False
    for image in images:
        receipt = find_receipt(store, image)
        if receipt is not None and receipt.key == listed.key:
            store.delete(ObjectRef(bucket=RECEIPTS, key=receipt_key(image)))
    store.delete(ObjectRef(bucket=INBOX, key=listed.key, size_bytes=listed.size_bytes))
    return True

"""Commit storage: the Storage Commitment Push Model as SCP (PS3.4 Annex J), from N-ACTION to N-EVENT-REPORT.

A sender asks which of its images are safe. One is committed if a door gave it a receipt and its sealed original
still lies in the inbox; both are asked of the store at the time of the answer, and nothing is taken from memory.

1. The N-ACTION is read; what is no such request is refused with a status.
2. Where the requester's address is known, the request is kept in the store, and `report_commitments` answers it on
   an association of its own, also after a restart.
3. Where it is not, the answer goes back on the association of the request, if that stays open; see `Answers`.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import AllStoragePresentationContexts, evt
from pynetdicom.dimse_primitives import N_ACTION
from pynetdicom.sop_class import StorageCommitmentPushModelInstance

from osteon.errors import OsteonError
from osteon.runtime import metrics
from osteon_ingest.identity import Keys, image_id
from osteon_ingest.peek import is_uid
from osteon_ingest.receipts import RECEIPTS, find_receipt
from osteon_ingest.receive import Threshold
from osteon_ingest.seal import seal, unseal

__all__ = [
    "ALL_COMMITTED",
    "SOME_FAILED",
    "STATUSES",
    "Asked",
    "Reference",
    "Refused",
    "judge",
    "keep",
    "kept",
    "read_asked",
    "read_kept",
    "refuse_all",
]

REQUEST_STORAGE_COMMITMENT = 1  # the only Action Type, PS3.4 table J.3-1
ALL_COMMITTED = 1  # Event Types, PS3.4 tables J.3-2 and J.3-3
SOME_FAILED = 2
MAX_INSTANCES = 5_000  # in one request; kept, it stays below the mebibyte that a named object may have
CLASSES = frozenset(str(context.abstract_syntax) for context in AllStoragePresentationContexts)
LOOKS_AT_A_TIME = 8
ADOPTED_AFTER_S = 3600.0  # one that runs has answered by then, or its requester is away; twice told harms nobody

STATUSES = {
    "success": 0x0000,
    "no-such-instance": 0x0112,  # the well-known instance, not an image
    "invalid-argument": 0x0115,
    "no-such-action": 0x0123,
    "resource-limitation": 0x0213,
}
"""Statuses of the N-ACTION (PS3.7, 10.1.4.1.10)."""

FAILURES = {
    "processing-failure": 0x0110,
    "no-such-object": 0x0112,
    "class-instance-conflict": 0x0119,
    "class-not-supported": 0x0122,
    "duplicate-transaction": 0x0131,
}
"""Failure Reasons (0008,1197) in the answer (PS3.3, C.14.1.1)."""


class Refused(OsteonError):
    """An N-ACTION that is answered with the status of this name."""

    def __init__(self, name: str, comment: str) -> None:
        super().__init__(comment)
        self.status = STATUSES[name]


@dataclass(frozen=True, repr=False)
class Reference:
    """An instance that is asked for. The UID of an image identifies: never log one."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, repr=False)
class Asked:
    """Who asks for what: the requester's AE title, its name for the transaction, and the instances in question."""

    requester: str
    transaction_uid: str
    references: tuple[Reference, ...]


def read_asked(event: evt.Event) -> Asked:
    """The request that an N-ACTION holds. Raises Refused."""
    request = event.request
    assert isinstance(request, N_ACTION)
    if request.RequestedSOPInstanceUID != StorageCommitmentPushModelInstance:
        raise Refused("no-such-instance", "the instance must be 1.2.840.10008.1.20.1.1")
    if event.action_type != REQUEST_STORAGE_COMMITMENT:
        raise Refused("no-such-action", "the only action type is 1")
    try:
        action = event.action_information
        transaction_uid = str(action.get("TransactionUID", ""))
        items = list(action.get("ReferencedSOPSequence") or [])
    except Exception:  # noqa: BLE001 - what pydicom raises on wild bytes has no common root
        raise Refused("invalid-argument", "the request can't be read") from None
    if len(items) > MAX_INSTANCES:
        raise Refused("resource-limitation", f"more than {MAX_INSTANCES} instances in one request")
    references = tuple(_reference(item) for item in items)
    if not references or not is_uid(transaction_uid):
        raise Refused("invalid-argument", "a Transaction UID and references are required")
    return Asked(str(event.assoc.requestor.ae_title).strip(), transaction_uid, references)


def _reference(item: Dataset) -> Reference:
    uids = (str(item.get("ReferencedSOPClassUID", "")), str(item.get("ReferencedSOPInstanceUID", "")))
    if not all(map(is_uid, uids)):
        raise Refused("invalid-argument", "a reference lacks its class or instance")
    return Reference(*uids)


def judge(threshold: Threshold, asked: Asked) -> tuple[int, Dataset]:
    """The Event Type, and the Event Information: which instances are committed, and why others are not.

    Raises Passing while the store is away: then nothing is known of any instance.
    """
    with ThreadPoolExecutor(LOOKS_AT_A_TIME) as pool:
        found = list(pool.map(lambda one: _failure(threshold, one), asked.references))
    return _told(asked, found)


def refuse_all(asked: Asked, failure: str) -> tuple[int, Dataset]:
    """The same, where no instance is committed, all for one reason."""
    return _told(asked, [failure] * len(asked.references))


def _failure(threshold: Threshold, one: Reference) -> str:
    """Why an instance is not committed; empty if it is."""
    if one.sop_class_uid not in CLASSES:
        return "class-not-supported"
    try:
        keys = (threshold.keys, *threshold.keys.former)  # a promise outlives the key under which it was given
        named = (find_receipt(threshold.store, image_id(each, one.sop_instance_uid)) for each in keys)
        receipt = next(filter(None, named), None)
    except (ValueError, TypeError):
        return "processing-failure"  # somebody else wrote there, or another version
    if receipt is None:
        return "no-such-object"
    if receipt.sop_class_uid not in ("", one.sop_class_uid):  # some objects state none
        return "class-instance-conflict"
    return "" if threshold.store.exists(receipt.original) else "no-such-object"


def _told(asked: Asked, failures: list[str]) -> tuple[int, Dataset]:
    told = Dataset()
    told.TransactionUID = UID(asked.transaction_uid)
    committed: list[Dataset] = []
    failed: list[Dataset] = []
    for one, failure in zip(asked.references, failures, strict=True):
        metrics.COMMITMENTS.labels(failure or "committed").inc()
        item = Dataset()
        item.ReferencedSOPClassUID = UID(one.sop_class_uid)
        item.ReferencedSOPInstanceUID = UID(one.sop_instance_uid)
        if failure:
            item.FailureReason = FAILURES[failure]
        (failed if failure else committed).append(item)
    if committed:
        told.ReferencedSOPSequence = committed
    if failed:
        told.FailedSOPSequence = failed
    return (SOME_FAILED if failed else ALL_COMMITTED), told


def keep(threshold: Threshold, ordinal: int, asked: Asked) -> None:
    """Write a request down, sealed, until it is answered; safe to repeat. Raises Passing."""
    text = json.dumps(asdict(asked), sort_keys=True).encode()
    name = image_id(
        threshold.keys, text.decode()
    )  # an HMAC: a plain hash would tell who guesses a UID that it is asked for
    key = f"{_transaction(threshold.keys, ordinal, asked)}/{name}"
    threshold.store.put_named(RECEIPTS, key, seal(threshold.keys.inbox, text, key), "application/octet-stream")


def kept(threshold: Threshold, ordinal: int) -> Iterator[tuple[str, float]]:
    """The keys of the requests that await their answer, and when each was written (s since 1970). Raises Passing.

    Those of this instance; and of any other what has waited for long, for that one may never run again.
    """
    for listed in threshold.store.list(RECEIPTS, "asked/"):
        written_at = listed.written_at.timestamp()
        if listed.key.startswith(f"asked/{ordinal}/") or time.time() - written_at > ADOPTED_AFTER_S:
            yield listed.key, written_at


def read_kept(threshold: Threshold, key: str) -> Asked:
    """A request that was kept. Raises Passing, and Poison if it is missing or another's."""
    found = json.loads(unseal(threshold.keys.to_open("inbox"), threshold.store.get_named(RECEIPTS, key), key))
    references = tuple(Reference(**one) for one in found.pop("references"))
    return Asked(references=references, **found)


def _transaction(keys: Keys, ordinal: int, asked: Asked) -> str:
    """Where the requests of one transaction lie; two that differ share the folder, and only the first is answered."""
    name = image_id(keys, f"{asked.requester}\0{asked.transaction_uid}")  # an HMAC, so that it tells nothing
    return f"asked/{ordinal}/{name}"

"""Report commitments: the results of storage commitment go back to those who asked, by N-EVENT-REPORT.

To requesters whose address is known, each result on an association of its own. Their requests lie in the store
until they are answered, so that no restart loses one. See `report_in_place` for the others.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from pydicom import Dataset
from pynetdicom.presentation import build_role
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from osteon.contracts import ObjectRef
from osteon.errors import OsteonError, Poison
from osteon.runtime import logs
from osteon_ingest.call_pacs import call
from osteon_ingest.commit_storage import Asked, judge, kept, read_kept, refuse_all
from osteon_ingest.receipts import RECEIPTS
from osteon_ingest.receive import Threshold
from osteon_ingest.settings import Address, IngestSettings

__all__ = ["Reporter", "report_for_ever"]

LOGGER = logs.logger(__name__)
FIRST_PAUSE_S = 5.0  # after a requester did not answer; doubles from then on
LAST_PAUSE_S = 300.0


@dataclass
class Pause:
    """When a requester that did not answer is tried again, by the monotonic clock."""

    until: float
    pause_s: float


@dataclass
class Reporter:
    """Answers what was kept; remembers who did not answer lately. Used by one thread."""

    settings: IngestSettings
    threshold: Threshold
    pauses: dict[str, Pause] = field(default_factory=dict)

    def look(self) -> None:
        """Try each request that awaits its answer once. Raises Passing while the store is away."""
        for key, written_at, is_first in _in_order(kept(self.threshold, self.settings.ordinal)):
            try:
                asked = read_kept(self.threshold, key)
            except (Poison, ValueError, TypeError, KeyError) as error:  # of another key, or written by another version
                why = str(error) if isinstance(error, Poison) else type(error).__name__
                LOGGER.error("a kept commitment request can't be read", extra={"key": key, "why": why})
                self._forget(key)
                continue
            is_late = time.time() - written_at > self.settings.commit_retry_s
            if is_late:
                LOGGER.error("a requester of storage commitment never answered", extra={"requester": asked.requester})
            if is_late or self._report(asked, is_first):
                self._forget(key)

    def _report(self, asked: Asked, is_first: bool) -> bool:
        """Whether the requester has its result, or can have none."""
        address = self.settings.commit_addresses.get(asked.requester)
        if address is None:  # it was taken out of the settings
            LOGGER.error("no address for a storage commitment: set OSTEON_COMMIT_ADDRESSES")
            return True
        pause = self.pauses.get(asked.requester)
        if pause and time.monotonic() < pause.until:
            return False
        told = judge(self.threshold, asked) if is_first else refuse_all(asked, "duplicate-transaction")
        if _send(self.settings, asked.requester, address, told):
            self.pauses.pop(asked.requester, None)
            return True
        pause_s = min(2 * pause.pause_s, LAST_PAUSE_S) if pause else FIRST_PAUSE_S
        self.pauses[asked.requester] = Pause(time.monotonic() + pause_s, pause_s)
        LOGGER.warning("a requester of storage commitment does not answer", extra={"again_in_s": pause_s})
        return False

    def _forget(self, key: str) -> None:
        self.threshold.store.delete(ObjectRef(bucket=RECEIPTS, key=key))


def report_for_ever(reporter: Reporter, stop: threading.Event) -> None:
    """Send the results of kept requests until `stop`; a store or requester that is away is waited for."""
    while not stop.wait(reporter.settings.commit_look_s):
        try:
            reporter.look()
        except OsteonError as error:
            LOGGER.warning("could not report commitments, will try again", extra={"why": str(error)})


def _in_order(listed: Iterator[tuple[str, float]]) -> Iterator[tuple[str, float, bool]]:
    """By transaction, oldest first, and whether it is the first request of its transaction."""
    for _, group in groupby(sorted(listed), key=lambda one: one[0].rpartition("/")[0]):
        for number, (key, written_at) in enumerate(sorted(group, key=lambda one: one[1])):
            yield key, written_at, number == 0


def _send(settings: IngestSettings, requester: str, address: Address, told: tuple[int, Dataset]) -> bool:
    """Send a result on an association of its own; whether it was answered, with whatever status."""
    role = build_role(StorageCommitmentPushModel, scp_role=True)
    association = call(settings, requester, address, StorageCommitmentPushModel, [role])
    if not association.is_established or not association.accepted_contexts:
        association.abort()
        return False
    event_type, information = told
    status, _ = association.send_n_event_report(
        information, event_type, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
    )
    association.release()
    if status.get("Status", 0) != 0:
        LOGGER.warning("a requester refused the result of a storage commitment", extra={"status": status.Status})
    return "Status" in status

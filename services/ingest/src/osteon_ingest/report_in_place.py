"""Report in place: the result of a storage commitment on the association that asked for it.

For requesters that have no address. The result is lost with the association, and the requester asks again.
"""

import io
import threading
import time
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import N_EVENT_REPORT_RSP
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.dsutils import encode
from pynetdicom.presentation import PresentationContextTuple
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from osteon.errors import OsteonError
from osteon.runtime import logs
from osteon_ingest.commit_storage import Asked, Refused, judge
from osteon_ingest.receive import Threshold

__all__ = ["Answers"]

LOGGER = logs.logger(__name__)
LOOK_S = 0.05


@dataclass
class Waiting:
    """A result that waits for its association to fall silent, and then for the requester's answer."""

    heard_at: float = field(default_factory=time.monotonic)
    answered: threading.Event = field(default_factory=threading.Event)


class Answers:
    """Results on the association of their request, one at a time each.

    Sent when the requester has been silent for `wait_s`, since it may go on sending images there, or be about to
    release. The answer is seen as it passes: pynetdicom's own call would take the next message for it, whatever it is.
    """

    def __init__(self, threshold: Threshold, wait_s: float, answer_within_s: float) -> None:
        self._threshold = threshold
        self._wait_s = wait_s
        self._answer_within_s = answer_within_s
        self._waiting: WeakKeyDictionary[Association, Waiting] = WeakKeyDictionary()

    def begin(self, association: Association, context: PresentationContextTuple, asked: Asked) -> None:
        """Answer later. Raises Refused while an earlier result of this association waits."""
        if association in self._waiting:
            raise Refused("resource-limitation", "an earlier request has no result yet")
        waiting = self._waiting[association] = Waiting()
        thread = threading.Thread(
            target=self._answer, args=(association, context, asked, waiting), name="commitment", daemon=True
        )
        thread.start()

    def heard(self, event: evt.Event) -> None:
        """A PDU has come."""
        if waiting := self._waiting.get(event.assoc):
            waiting.heard_at = time.monotonic()

    def answered(self, event: evt.Event) -> None:
        """A message has come."""
        waiting = self._waiting.get(event.assoc)
        if waiting and isinstance(event.message, N_EVENT_REPORT_RSP):
            waiting.answered.set()

    def _answer(
        self, association: Association, context: PresentationContextTuple, asked: Asked, waiting: Waiting
    ) -> None:
        try:
            told = judge(self._threshold, asked)
            while association.is_established and time.monotonic() < waiting.heard_at + self._wait_s:
                time.sleep(LOOK_S)
            if association.is_established:
                _send_beside(association, context, told)
                waiting.answered.wait(self._answer_within_s)
        except OsteonError as error:
            LOGGER.error("no result for a storage commitment", extra={"why": str(error)})
        finally:
            self._waiting.pop(association, None)
        if not waiting.answered.is_set():
            LOGGER.warning(
                "a requester of storage commitment got no result; if it waits for it elsewhere, set its "
                "address in OSTEON_COMMIT_ADDRESSES"
            )


def _send_beside(association: Association, context: PresentationContextTuple, told: tuple[int, Dataset]) -> None:
    """Send an N-EVENT-REPORT without waiting for its answer."""
    syntax = UID(context.transfer_syntax)
    event_type, information = told
    encoded = encode(information, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    request = N_EVENT_REPORT()
    request.MessageID = 1
    request.AffectedSOPClassUID = StorageCommitmentPushModel
    request.AffectedSOPInstanceUID = StorageCommitmentPushModelInstance
    request.EventTypeID = event_type
    request.EventInformation = io.BytesIO(encoded or b"")
    association.dimse.send_msg(request, context.context_id)

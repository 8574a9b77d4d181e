"""Receive by DIMSE: a C-STORE SCP (PS3.4 Annex B) that says success only for what is safe, and repeats it on request
(storage commitment).

Several of these processes share one listening socket, which their parent bound: see `doors.py`.
"""

import io
import socket
import ssl
import threading
import time
from collections.abc import Callable
from socketserver import BaseServer
from typing import Any
from weakref import WeakSet

from pydicom import Dataset
from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer
from typing_extensions import override

from osteon.contracts import DOOR_DIMSE
from osteon.errors import OsteonError, SetAside
from osteon.runtime import logs
from osteon.runtime.audit import Caller
from osteon_ingest.commit_storage import STATUSES, Refused, keep, read_asked
from osteon_ingest.guard_arrivals import Arrivals, hung_up
from osteon_ingest.guard_association import guard
from osteon_ingest.locks import dimse_lock
from osteon_ingest.peek import Header
from osteon_ingest.receive import Mismatch, Threshold, receive, turn_away
from osteon_ingest.report_in_place import Answers
from osteon_ingest.settings import IngestSettings

__all__ = ["entity_of", "serve_dimse"]

LOGGER = logs.logger(__name__)

# Statuses of PS3.4 table B.2-1
SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
DATA_SET_DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000

MAX_COMMAND_BYTES = 64 * 1024  # a command has a few hundred

Associations = WeakSet[Association]


def serve_dimse(
    settings: IngestSettings, threshold: Threshold, listening: socket.socket, stop: threading.Event
) -> None:
    """Accept associations on `listening` until `stop`, then let open ones end, for `drain_s` seconds at most."""
    oversized: Associations = WeakSet()
    arrivals = Arrivals()
    answers = Answers(threshold, settings.commit_wait_s, settings.dimse_network_timeout_s)
    handlers: list[Any] = [
        (
            evt.EVT_CONN_OPEN,
            lambda event: guard(event.assoc, settings.dimse_pdu_bytes, settings.dimse_network_timeout_s),
        ),
        (evt.EVT_REQUESTED, arrivals.asked),
        (evt.EVT_CONN_CLOSE, hung_up),
        (evt.EVT_C_STORE, lambda event: _store(threshold, oversized, event)),
        (evt.EVT_C_ECHO, lambda _: SUCCESS),
        (evt.EVT_N_ACTION, lambda event: _commit(settings, threshold, answers, event)),
        (evt.EVT_PDU_RECV, answers.heard),
        (evt.EVT_DIMSE_RECV, answers.answered),
        (evt.EVT_PDU_RECV, lambda event: _bound_memory(threshold.max_object_bytes, oversized, event)),
    ]
    server_class = _shared_server(listening, arrivals, settings.dimse_acse_timeout_s)
    server = entity_of(settings).make_server(
        listening.getsockname()[:2],
        ssl_context=dimse_lock(settings),
        evt_handlers=handlers,
        server_class=server_class,
    )
    accepting = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, name="dimse")
    accepting.start()
    stop.wait()
    server.shutdown()
    accepting.join()
    arrivals.close()
    _drain(lambda: server.active_associations, settings.drain_s)


class _Entity(AE):
    @property
    @override
    def active_associations(self) -> list[Association]:
        # By which it rejects, without those that never asked: a few dozen silent peers would keep all others out.
        return [one for one in super().active_associations if one.requestor.primitive is not None]


def entity_of(settings: IngestSettings) -> AE:
    """What the door negotiates: its title, its limits, and what it takes."""
    entity = _Entity(settings.aet)
    entity.maximum_associations = settings.dimse_associations
    entity.maximum_pdu_size = settings.dimse_pdu_bytes
    entity.network_timeout = settings.dimse_network_timeout_s
    entity.acse_timeout = settings.dimse_acse_timeout_s
    entity.dimse_timeout = settings.dimse_network_timeout_s
    entity.require_called_aet = settings.dimse_requires_called_aet
    entity.require_calling_aet = [aet.strip() for aet in settings.dimse_calling_aets.split(",") if aet.strip()]
    entity.add_supported_context(Verification)
    entity.add_supported_context(StorageCommitmentPushModel)
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(str(context.abstract_syntax), AllTransferSyntaxes)
    return entity


def _shared_server(listening: socket.socket, arrivals: Arrivals, handshake_s: float) -> type[ThreadedAssociationServer]:
    """A server class on a socket that is bound already and shared with other processes.

    With TLS, a handshake has `handshake_s` seconds, and none waits for another's.
    """

    class SharedServer(ThreadedAssociationServer):
        daemon_threads = True  # they only start an association's own thread

        @override
        def server_bind(self) -> None:
            assert self.socket is not None
            self.socket.close()  # the fresh one of the base class
            # Each connection wakes all processes and one gets it; the others must not block in accept().
            listening.setblocking(False)
            self.socket = listening
            self.server_address = listening.getsockname()

        @override
        def server_activate(self) -> None:
            """It listens already."""

        @override
        def get_request(self) -> Any:
            # That of pynetdicom shakes hands here, where a silent peer would keep all others out.
            assert self.socket is not None
            connection, address = self.socket.accept()
            if self.ssl_context is None:
                return connection, address
            try:
                secured = self.ssl_context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            except OSError:
                connection.close()
                raise
            return secured, address

        @override
        def process_request(self, request: Any, client_address: Any) -> None:
            arrivals.came(request)
            super().process_request(request, client_address)  # on a thread of its own

        @override
        def finish_request(self, request: Any, client_address: Any) -> None:  # on the thread of this connection
            if isinstance(request, ssl.SSLSocket):
                request.settimeout(handshake_s)
                try:
                    request.do_handshake()
                except OSError as error:
                    why = getattr(error, "reason", None) or type(error).__name__
                    LOGGER.warning("no TLS with a peer", extra={"door": "dimse", "peer": client_address[0], "why": why})
                    self.shutdown_request(request)
                    return
                request.settimeout(None)
            super().finish_request(request, client_address)

        @override
        def shutdown(self) -> None:
            # Not the one of pynetdicom: it shuts the socket down, which closes the port for the other processes too.
            BaseServer.shutdown(self)
            assert self.socket is not None
            self.socket.close()

    return SharedServer


def _store(threshold: Threshold, oversized: Associations, event: evt.Event) -> Dataset:
    sender = Caller(event.assoc.requestor.ae_title, event.assoc.requestor.address or "")
    if event.assoc in oversized:
        oversized.discard(event.assoc)
        turn_away(threshold, DOOR_DIMSE, sender, "too-large")
        return _answer(OUT_OF_RESOURCES, "too-large")
    request = event.request
    if not isinstance(request, C_STORE):  # any command may come on a context of storage
        return _answer(CANNOT_UNDERSTAND, "no C-STORE")
    claimed = Header(str(request.AffectedSOPInstanceUID), str(request.AffectedSOPClassUID), "")
    try:
        receive(threshold, DOOR_DIMSE, event.encoded_dataset(), claimed, sender=sender)
    except SetAside as refusal:
        return _answer(CANNOT_UNDERSTAND, refusal.reason)
    except Mismatch as mismatch:
        return _answer(DATA_SET_DOES_NOT_MATCH, str(mismatch))
    except OsteonError:
        return _answer(OUT_OF_RESOURCES, "not safe now, keep it and send it again")
    return _answer(SUCCESS)


def _commit(settings: IngestSettings, threshold: Threshold, answers: Answers, event: evt.Event) -> tuple[Dataset, None]:
    """Take a request for storage commitment; its result follows by N-EVENT-REPORT."""
    try:
        asked = read_asked(event)
        if asked.requester in settings.commit_addresses:
            keep(threshold, settings.ordinal, asked)
        else:
            answers.begin(event.assoc, event.context, asked)
    except Refused as refused:
        return _answer(refused.status, str(refused)), None
    except OsteonError:
        return _answer(STATUSES["resource-limitation"], "not now, ask again"), None
    return _answer(SUCCESS), None


def _answer(status: int, comment: str = "") -> Dataset:
    answer = Dataset()
    answer.Status = status
    if comment:
        answer.ErrorComment = comment[:64]  # as long as an LO may be
    return answer


def _bound_memory(max_object_bytes: int, oversized: Associations, event: evt.Event) -> None:
    """Let go of an object as soon as it is too large; its C-STORE is refused when its last byte has come."""
    message = event.assoc.dimse.message
    if message is not None and message.encoded_command_set.tell() > MAX_COMMAND_BYTES:
        line = event.assoc.dul.socket
        if line is not None:
            line.close()  # nothing that is standard: there is no request to answer
    if message is not None and message.data_set is not None and message.data_set.tell() > max_object_bytes:
        message.data_set = io.BytesIO()
        oversized.add(event.assoc)


def _drain(open_associations: Callable[[], list[Any]], drain_s: float) -> None:
    deadline = time.monotonic() + drain_s
    while open_associations() and time.monotonic() < deadline:
        time.sleep(0.05)
    for association in open_associations():
        association.abort()

"""Audit messages to a hospital's audit repository, by syslog, beside the work and never in its way.

A thread of its own sends. While the repository is away, messages are kept on disk, counted, and sent when it is back;
the log has each of them in any case.
"""

import logging
import queue
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from osteon.errors import Fatal
from osteon.runtime import audit, logs, metrics
from osteon.runtime.kept_audits import KeptAudits
from osteon.runtime.lock import is_loopback
from osteon.runtime.settings import Settings
from osteon.runtime.syslog import Address, Connection, read_address, syslog_message
from osteon.runtime.tls import client_context

__all__ = ["sending_audits"]

WAITING = 10_000  # messages in memory until the thread has sent or kept them; it does either within seconds
RETRY_S = 5.0
END_WITHIN_S = 10.0  # resolving a name can take longer; what waits is then kept
LOGGER = logs.logger(__name__)


@contextmanager
def sending_audits(settings: Settings, service: str) -> Iterator[None]:
    """Meanwhile, what this process tells to audit is sent on, if the settings name a repository. Raises Fatal."""
    if not settings.audit_repository:
        yield
        return
    address = read_address(settings.audit_repository)
    if settings.audit_keep is None:
        raise Fatal("OSTEON_AUDIT_REPOSITORY needs a folder that keeps messages while it is away: OSTEON_AUDIT_KEEP")
    tls = None
    if address.scheme == "tls":
        tls = client_context(settings.audit_ca, settings.audit_certificate, settings.audit_key)
    elif not is_loopback(address.host):
        LOGGER.warning("audit messages go over the network in the clear", extra={"scheme": address.scheme})
    for outcome in ("sent", "kept", "lost"):
        metrics.AUDITS.labels(outcome)  # from 0: Prometheus can't see the rise of a series that was not there
    sender = _Sender(address, tls, KeptAudits(settings.audit_keep))
    handler = _Handler(service, sender)
    audit.LOGGER.addHandler(handler)
    try:
        yield
    finally:
        audit.LOGGER.removeHandler(handler)
        sender.end()


class _Handler(logging.Handler):
    def __init__(self, service: str, sender: "_Sender") -> None:
        super().__init__()
        self._service = service
        self._sender = sender

    def emit(self, record: logging.LogRecord) -> None:
        xml: str = record.audit  # type: ignore[attr-defined]
        is_refusal = f'EventOutcomeIndicator="{audit.REFUSED}"' in xml
        self._sender.put(syslog_message(self._service, xml, record.created, is_refusal=is_refusal))


class _Sender:
    """The thread that sends, and what waits for it."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None, kept: KeptAudits) -> None:
        self._address, self._tls, self._kept = address, tls, kept
        self._waiting: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._connection: Connection | None = None
        self._away_since: float | None = None
        self._tried_at = 0.0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def put(self, message: bytes) -> None:
        """Send soon; never waits."""
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            metrics.AUDITS.labels("lost").inc()

    def end(self) -> None:
        """Send or keep what waits."""
        self._ends.set()
        try:
            self._waiting.put(None, timeout=END_WITHIN_S)
            self._thread.join(END_WITHIN_S)
        except queue.Full:
            """The thread hangs in a call: what it did not come to is kept here."""
        while not self._waiting.empty():
            if message := self._waiting.get_nowait():
                self._keep(message)
        with suppress(OSError):  # a full disk: what it did not take was counted as lost
            self._kept.close()

    def _run(self) -> None:
        while True:
            try:
                message = self._waiting.get(timeout=RETRY_S)
            except queue.Empty:
                self._send_kept()
                continue
            if message is None:
                break
            self._send_kept()
            if not self._try(message):
                self._keep(message)
        if self._connection is not None:
            self._connection.close()

    def _try(self, message: bytes) -> bool:
        """Whether the message went out."""
        if self._away_since is not None and time.monotonic() < self._tried_at + RETRY_S:
            return False
        try:
            self._send(message)
        except OSError as error:  # of which ssl.SSLError is one
            self._has_gone(error)
            return False
        return True

    def _send(self, message: bytes) -> None:
        if self._connection is not None and self._connection.has_ended():  # as servers do with idle ones
            self._connection.close()
            self._connection = None
        if self._connection is None:
            self._tried_at = time.monotonic()
            self._connection = Connection(self._address, self._tls)
        self._connection.send(message)
        metrics.AUDITS.labels("sent").inc()
        if self._away_since is not None:
            away_s = round(time.monotonic() - self._away_since)
            LOGGER.warning("audit repository is back", extra={"seconds": away_s})
            self._away_since = None

    def _has_gone(self, error: OSError) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._tried_at = time.monotonic()
        if self._away_since is None:
            self._away_since = self._tried_at
            why = error.strerror or type(error).__name__
            LOGGER.error("audit repository is away, messages are kept", extra={"why": why})

    def _keep(self, message: bytes) -> None:
        try:
            self._kept.add(message)
        except OSError as error:
            metrics.AUDITS.labels("lost").inc()
            LOGGER.error("audit message is in the log alone", extra={"why": error.strerror or str(error)})
        else:
            metrics.AUDITS.labels("kept").inc()

    def _send_kept(self) -> None:
        """Send what this and other processes kept, unless the repository was found away a moment ago."""
        is_due = self._away_since is None or time.monotonic() >= self._tried_at + RETRY_S
        if self._ends.is_set() or not is_due or self._kept.is_empty():
            return
        try:
            self._kept.take(self._send_unless_ended)
        except OSError as error:
            if not self._ends.is_set():
                self._has_gone(error)

    def _send_unless_ended(self, message: bytes) -> None:
        if self._ends.is_set():
            raise InterruptedError("this process ends: what is left is sent by another one")
        self._send(message)

"""Bounds on peers that have connected and not yet asked for an association: how many of them a process serves.

Each takes a thread or two until it has shaken hands (TLS) and asked, or its time is over. Those that asked are bounded
by the number of associations; those that stay silent, by this alone.
"""

import contextlib
import socket
import threading
from typing import final

from pynetdicom import evt

from osteon.runtime import metrics

__all__ = ["MOST_ARRIVALS", "Arrivals", "hung_up"]

MOST_ARRIVALS = 32  # far more than shake hands in the same moment; pynetdicom asks each silent line 1000 times a second


@final
class Arrivals:
    """The connections on which nobody asked for an association yet. Thread-safe.

    One too many costs the oldest its place, not the newest: who is honest asks at once, who is silent stays the oldest.
    """

    def __init__(self, most: int = MOST_ARRIVALS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._waiting: dict[socket.socket, None] = {}  # oldest first

    def came(self, connection: socket.socket) -> None:
        """A peer has connected."""
        with self._lock:
            self._waiting = {one: None for one in self._waiting if one.fileno() >= 0}  # others have gone by themselves
            self._waiting[connection] = None
            refused = next(iter(self._waiting)) if len(self._waiting) > self._most else None
            if refused is not None:
                del self._waiting[refused]
        if refused is not None:
            metrics.CONNECTIONS_REFUSED.labels("dimse").inc()
            _cut(refused)

    def asked(self, event: evt.Event) -> None:
        """A peer has asked for an association."""
        line = event.assoc.dul.socket
        with self._lock:
            if line is not None and line.socket is not None:
                self._waiting.pop(line.socket, None)

    def close(self) -> None:
        """Cut off all who wait: the door closes."""
        with self._lock:
            for one in self._waiting:
                _cut(one)


def _cut(connection: socket.socket) -> None:
    """End the reading of the thread that has it. Not by `SSLSocket.shutdown`, which changes the state that it uses."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def hung_up(event: evt.Event) -> None:
    """A connection is closed: where nobody asked, its threads end now, and not when the time for asking is over."""
    if event.assoc.is_acceptor and event.assoc.requestor.primitive is None:
        event.assoc.dul.to_user_queue.put(None)  # pynetdicom takes it for the end of that time

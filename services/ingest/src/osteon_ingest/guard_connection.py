"""Bounds for one HTTP connection before its request has begun: how long its headers may take, and how large they are.

uvicorn has neither: a connection that never ends its headers would stay open, and their bytes be kept, for ever.
"""

import asyncio

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

__all__ = ["guarded_protocol"]

MAX_HEADER_BYTES = 256 * 1024  # what comes before a request can be told; with its first bytes of body


def guarded_protocol(silence_s: float) -> type[HttpToolsProtocol]:
    """A protocol that closes a connection on which no request begins within `silence_s`, twice that at most."""

    class GuardedProtocol(HttpToolsProtocol):
        @override
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._n_header_bytes = 0
            self.loop.call_later(silence_s, self._look, None)

        @override
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._n_header_bytes = self._n_header_bytes + len(data) if self._is_between_requests() else 0
            if self._n_header_bytes > MAX_HEADER_BYTES:
                self.transport.close()

        def _look(self, before: RequestResponseCycle | None) -> None:
            if self.transport.is_closing():
                return
            if self.cycle is before and self._is_between_requests():
                self.transport.close()
            else:
                self.loop.call_later(silence_s, self._look, self.cycle)

        def _is_between_requests(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

    return GuardedProtocol

"""A door in front of a real object store that misbehaves as a network, a proxy or a disk does, when it is told to."""

import contextlib
import http.client
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SO_LINGER, SOL_SOCKET
from typing import Literal

__all__ = ["Faulty", "faulty"]

Fault = Literal["answer-500", "reset", "cut", "altered-get", "altered-put", "slow"]
PIECES = 8  # a slow answer comes in so many
PAUSE_S = 0.3
ABORT = struct.pack("ii", 1, 0)  # of SO_LINGER: the connection is reset instead of closed
DROPPED = ("transfer-encoding", "connection")  # of one hop, or said anew


@dataclass
class Faulty:
    """Where it listens, and which requests go wrong: the next `n_left` of a `method`, in the way of `fault`."""

    address: str = ""
    fault: Fault | None = None
    method: str = "GET"
    n_left: int = 0
    n_done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def go_wrong(self, fault: Fault, method: str, times: int = 1_000_000) -> None:
        """From now on."""
        with self.lock:
            self.fault, self.method, self.n_left, self.n_done = fault, method, times, 0

    def be_well(self) -> None:
        """From now on."""
        self.n_left = 0

    def next(self, method: str) -> Fault | None:
        """What goes wrong with this request."""
        with self.lock:
            if method != self.method or self.n_left <= 0:
                return None
            self.n_left -= 1
            self.n_done += 1
            return self.fault


@contextlib.contextmanager
def faulty(upstream: str) -> Iterator[Faulty]:
    """A proxy for the HTTP server at `upstream` (host:port)."""
    state = Faulty()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            fault = state.next(self.command)
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if fault == "answer-500":
                self.send_error(500)
                return
            if fault == "altered-put":
                sent = _altered(sent)
            if fault == "slow" and sent:
                threading.Event().wait(PIECES * PAUSE_S)
            status, headers, body = _forward(upstream, self.command, self.path, list(self.headers.items()), sent)
            if self.command == "PUT" and fault in ("reset", "cut"):  # it was done, and nobody hears of it
                self.give(b"", fault)
                return
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.give(_altered(body) if fault == "altered-get" else body, fault)

        def give(self, body: bytes, fault: Fault | None) -> None:
            if fault in ("reset", "cut"):
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                self.close_connection = True
                if fault == "reset":
                    self.connection.setsockopt(SOL_SOCKET, SO_LINGER, ABORT)
            elif fault == "slow":
                for start in range(0, len(body), len(body) // PIECES + 1):
                    self.wfile.write(body[start : start + len(body) // PIECES + 1])
                    self.wfile.flush()
                    threading.Event().wait(PAUSE_S)
            else:
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815 its names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


Header = tuple[str, str]


def _forward(
    upstream: str, method: str, path: str, headers: list[Header], body: bytes
) -> tuple[int, list[Header], bytes]:
    connection = http.client.HTTPConnection(upstream, timeout=60)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)  # the host is signed as it came
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        given = answer.read()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in DROPPED]
        if "chunked" in answer.getheader("Transfer-Encoding", ""):
            kept.append(("Content-Length", str(len(given))))
        return answer.status, kept, given
    finally:
        connection.close()


def _altered(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body

"""Whether a process lives and is ready, told over HTTP to whoever supervises it."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from osteon.errors import Fatal
from osteon.runtime import logs, metrics
from osteon.runtime.lock import is_loopback

__all__ = ["Health", "serve"]

LOGGER = logs.logger(__name__)
STALLED_AFTER_S = 120.0  # longer than the longest wait for a broker; shorter than an operator's patience


class Health:
    """What a process says of itself. Ready when every named part is; alive while it makes progress."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._parts: dict[str, bool] = {}
        self._alive_at = clock()

    def ready(self, part: str, is_ready: bool) -> None:
        """State whether `part` of this process is ready to work."""
        self._parts[part] = is_ready
        metrics.READY.labels(part).set(is_ready)

    def alive(self) -> None:
        """State that the main loop went round."""
        self._alive_at = self._clock()

    @property
    def is_alive(self) -> bool:
        """False once the main loop has stalled for `STALLED_AFTER_S`."""
        return self._clock() - self._alive_at < STALLED_AFTER_S

    @property
    def unready(self) -> list[str]:
        """The parts that are not ready; `start` before any part has spoken."""
        return [part for part, is_ready in self._parts.items() if not is_ready] if self._parts else ["start"]


def serve(
    health: Health, port: int, host: str = "127.0.0.1", registry: CollectorRegistry = REGISTRY
) -> ThreadingHTTPServer | None:
    """Answer /healthz, /readyz and /metrics from a thread of its own; `port` 0 serves nothing.

    `registry` is another one where several processes share these metrics. Nobody is asked who they are: only where a
    network guards the port, `host` may be another than this machine alone. Raises Fatal if the port is taken.
    """
    if not port:
        return None
    if not is_loopback(host):
        LOGGER.warning("health and metrics open to the network", extra={"host": host, "port": port})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
            elif self.path == "/healthz":
                self._answer(200 if health.is_alive else 503, b"alive\n" if health.is_alive else b"stalled\n")
            elif self.path == "/readyz":
                unready = health.unready
                text = "not ready: " + ", ".join(unready) if unready else "ready"
                self._answer(503 if unready else 200, text.encode() + b"\n")
            else:
                self._answer(404, b"try /healthz, /readyz or /metrics\n")

        def _answer(self, status: int, body: bytes, content_type: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """A probe every second is not worth a line."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise Fatal(f"health port {port} can't be opened: {error.strerror}; set OSTEON_HEALTH_PORT") from None
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server

"""A real door in a process of its own, over a store and a bus that lose nothing and tell their parent what is safe.

    python -m tests.fuzz.door stow|dimse

It says its port, then one line for each image that was announced. One object in sixteen can't be stored, by its hash,
so that a door which says success too early is found out.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import final

import psutil
from typing_extensions import override

from osteon.bus import Outgoing
from osteon.contracts import ImageReceived, ObjectRef
from osteon.errors import Passing, Poison
from osteon.runtime import read_settings
from osteon.store.store import Listed, Store
from osteon_ingest.doors import listen
from osteon_ingest.identity import Keys, image_id
from osteon_ingest.receive import Threshold
from osteon_ingest.receive_dimse import serve_dimse
from osteon_ingest.receive_stow import serve_stow
from osteon_ingest.settings import IngestSettings
from tests.fuzz.path import SITE_KEY

__all__ = ["MAX_OBJECT_BYTES", "Door", "open_door"]

MAX_OBJECT_BYTES = 1_000_000
SILENCE_S = 2.0
START_S = 60.0
SAFE_S = 10.0


@final
class _Sink(Store):
    """Knows which objects came, and lets go of their bytes."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str, int]] = set()

    @override
    def exists(self, ref: ObjectRef) -> bool:
        return (ref.bucket, ref.key, ref.size_bytes) in self._known

    @override
    def delete(self, ref: ObjectRef) -> None:
        self._known.discard((ref.bucket, ref.key, ref.size_bytes))

    @override
    def list(self, bucket: str, prefix: str = "") -> Iterator[Listed]:
        return iter(())

    @override
    def presign(self, ref: ObjectRef, expires_s: int = 900) -> str:
        raise Passing("store", "nobody reads here")

    @override
    def probe(self) -> None:
        """Never away."""

    @override
    def _write(self, ref: ObjectRef, data: bytes) -> None:
        if ref.sha256.startswith("0"):
            raise Passing("store", "one object in sixteen can't be stored")
        self._known.add((ref.bucket, ref.key, ref.size_bytes))

    @override
    def _read(self, ref: ObjectRef) -> bytes:
        raise Poison("object-missing", "nobody reads here")


class _Teller:
    """A bus that tells the parent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def publish(self, outgoing: Outgoing, traceparent: str) -> None:
        message = outgoing.message
        if isinstance(message, ImageReceived):
            with self._lock:
                print(message.image_id, flush=True)  # noqa: T201 - to the parent


def serve(kind: str) -> None:
    """Serve until SIGTERM."""
    settings = read_settings(
        IngestSettings,
        {},
        site_key=SITE_KEY,
        stow_host="127.0.0.1",
        dimse_host="127.0.0.1",
        max_object_bytes=MAX_OBJECT_BYTES,
        stow_max_request_bytes=20 * MAX_OBJECT_BYTES,
        stow_silence_timeout_s=SILENCE_S,
        dimse_network_timeout_s=SILENCE_S,
        dimse_acse_timeout_s=SILENCE_S,
        drain_s=2.0,
    )
    keys = Keys.from_site_key(SITE_KEY)
    threshold = Threshold("fuzz", keys, _Sink(), _Teller(), settings.max_object_bytes)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    listening = listen("127.0.0.1", 0, "port")
    print(json.dumps({"port": listening.getsockname()[1]}), flush=True)  # noqa: T201
    {"stow": serve_stow, "dimse": serve_dimse}[kind](settings, threshold, listening, stop)


class Door:
    """The process as its parent sees it."""

    def __init__(self, kind: str, log: Path) -> None:
        self.log = log
        self._errors = log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.door", kind],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | {"PYTHONFAULTHANDLER": "1"},
        )
        assert self._process.stdout is not None
        self._lines = self._process.stdout
        self.port: int = json.loads(self._lines.readline())["port"]
        self._keys = Keys.from_site_key(SITE_KEY)
        self._announced: set[str] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def is_safe(self, sop_instance_uid: str) -> bool:
        """Whether an image that was answered with success had been announced. Its announcement came before."""
        wanted, deadline = image_id(self._keys, sop_instance_uid), time.monotonic() + SAFE_S
        while wanted not in self._announced and time.monotonic() < deadline:
            time.sleep(0.01)
        return wanted in self._announced

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def weight(self) -> tuple[int, int]:
        """Megabytes and threads that it has now."""
        process = psutil.Process(self._process.pid)
        return process.memory_info().rss // 2**20, process.num_threads()

    def connect(self, timeout_s: float) -> socket.socket:
        """A new connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def close(self) -> int:
        """End it by SIGTERM; its exit code, or that of a kill where it did not end in time."""
        self._process.terminate()
        try:
            code = self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._lines.close()
        self._errors.close()
        return code

    def _listen(self) -> None:
        with contextlib.suppress(ValueError):  # closed
            for line in self._lines:
                self._announced.add(line.strip())


@contextlib.contextmanager
def open_door(kind: str, log: Path) -> Iterator[Door]:
    """A door, ended at the end."""
    door = Door(kind, log)
    try:
        yield door
    finally:
        door.close()


if __name__ == "__main__":
    serve(sys.argv[1])

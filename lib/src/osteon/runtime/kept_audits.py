"""Audit messages on disk, while their repository is away: files in a folder that processes may share.

A process holds the lock of the file that it writes; what nobody holds, as after a crash, anybody may send. One who dies
while it sends leaves the file, so that a message may arrive twice, and none is forgotten.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from osteon.errors import Fatal
from osteon.runtime import logs
from osteon.runtime.syslog import framed, frames

__all__ = ["KeptAudits"]

LOGGER = logs.logger(__name__)
FILE_BYTES = 1 << 20  # about a thousand messages: as many may come twice
MOST_BYTES = 1 << 30  # about a million: days of a busy site


class KeptAudits:
    """What is kept in `folder`. Thread-safe. Raises Fatal if nothing can be written there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._told: set[Path] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Fatal(f"audit messages can't be kept in {folder}: {error.strerror}; set OSTEON_AUDIT_KEEP") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise Fatal(f"audit messages can't be kept in {folder}: it can't be written; set OSTEON_AUDIT_KEEP")

    def add(self, message: bytes) -> None:
        """Keep a message. Raises OSError if the disk does not take it, or there is too much already."""
        with self._lock:
            if self._file is None:
                self._file = self._open()
            self._file.write(framed(message))
            self._file.flush()
            if self._file.tell() >= FILE_BYTES:
                self._close()

    def is_empty(self) -> bool:
        """Whether nothing is kept, by this process or another."""
        return not any(self._folder.glob("*.audit"))

    def take(self, send: Callable[[bytes], None]) -> None:
        """Send what no other process holds, and forget it. Raises what `send` raises; what is left is kept.

        A file that this process may not read or delete is said in the log, and holds up nothing else.
        """
        with suppress(OSError):  # a full disk: what it did not take was counted as lost
            self.close()
        for path in sorted(self._folder.glob("*.audit")):
            with ExitStack() as held:
                try:
                    messages = self._messages(held.enter_context(path.open("rb")))
                except FileNotFoundError:  # another process was faster
                    continue
                except OSError as error:
                    self._cannot(path, error)
                    continue
                if messages is None:
                    continue
                for message in messages:
                    send(message)
                self._forget(path)

    def close(self) -> None:
        """Let go of the file that is written, for others to send."""
        with self._lock:
            self._close()

    def _messages(self, file: BinaryIO) -> list[bytes] | None:
        """What the file holds; None, if another process writes or sends it. Raises OSError."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        if os.fstat(file.fileno()).st_nlink == 0:  # it was sent and deleted before we had the lock
            return None
        return list(frames(file.read()))

    def _forget(self, path: Path) -> None:
        try:
            path.unlink()
        except OSError as error:
            self._cannot(path, error)

    def _cannot(self, path: Path, error: OSError) -> None:
        if path in self._told:
            return
        self._told.add(path)
        extra = {"file": path.name, "why": error.strerror or type(error).__name__}
        LOGGER.error("kept audit messages can't be read or deleted: look at their owner and mode", extra=extra)

    def _open(self) -> BinaryIO:
        if sum(_size_bytes(path) for path in self._folder.glob("*.audit")) > MOST_BYTES:
            raise OSError("too many audit messages are kept")
        path = self._folder / f"{time.time_ns()}-{os.getpid()}.audit"
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600), "wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def _close(self) -> None:
        # Forgotten first: on a full disk `close` raises too, and the next message is to try a new file.
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another process has sent it
        return 0

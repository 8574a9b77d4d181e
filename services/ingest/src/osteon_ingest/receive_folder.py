"""Receive from a watched folder: what is complete is made safe, then moved; what is not safe stays.

A file is complete when two looks see the same size and time, and its name neither begins with a dot nor ends in
`.part`. Received ones move to `done/`, refused ones to `refused/` with a text beside them that says why. A process
that is killed between receiving and moving receives the file again, which makes no second outcome.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from osteon.contracts import DOOR_FOLDER
from osteon.errors import Fatal, OsteonError, SetAside
from osteon.runtime import logs
from osteon.runtime.audit import here
from osteon_ingest.receive import Mismatch, Threshold, receive

__all__ = ["watch_folder"]

DONE = "done"
REFUSED = "refused"
THREADS = 4  # files at a time: the store is waited for, not the processor
AWAY_S = 5.0  # wait after a file that could not be made safe
LOGGER = logs.logger(__name__)

Look = dict[Path, tuple[int, int]]


def watch_folder(folder: Path, look_s: float, threshold: Threshold, stop: threading.Event) -> None:
    """Take in files until `stop`. Raises Fatal if the folder can't be used, or another process watches it."""
    lock = _lock(folder)
    seen: Look = {}
    try:
        with ThreadPoolExecutor(THREADS, thread_name_prefix="folder") as pool:
            while not stop.is_set():
                now = _look(folder)
                complete = sorted(path for path, state in now.items() if seen.get(path) == state)
                seen = now
                are_safe = all(list(pool.map(lambda path: stop.is_set() or _take(folder, path, threshold), complete)))
                stop.wait(look_s if are_safe else max(look_s, AWAY_S))
    finally:
        os.close(lock)


def _lock(folder: Path) -> int:
    try:
        for name in (DONE, REFUSED):
            (folder / name).mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise Fatal(f"the watched folder can't be used: {error.strerror}; see OSTEON_FOLDER") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise Fatal("another process watches this folder; see OSTEON_FOLDER") from None
    return lock


def _look(folder: Path) -> Look:
    """Size in bytes and time of change in nanoseconds of each file that may be taken."""
    look = {}
    for path in _files(folder):
        try:
            look[path] = _state(path.stat())
        except OSError:  # moved away between listing and looking
            continue
    return look


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        if Path(parent) == folder:
            folders[:] = [name for name in folders if name not in (DONE, REFUSED)]
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if not name.startswith(".") and not name.endswith(".part") and not path.is_symlink():
                yield path


def _take(folder: Path, path: Path, threshold: Threshold) -> bool:
    """Receive one file and move it; False if it is not safe now and stays where it is."""
    try:
        with path.open("rb") as file:
            # One byte more than the limit shows that it is too large, without reading the rest.
            data = file.read(threshold.max_object_bytes + 1)
            state = _state(os.fstat(file.fileno()))
        place, reason = _received(threshold, data)
        # What changed meanwhile was not complete after all: it stays, and is taken again when it is.
        if _state(path.stat()) == state:
            _move(path, folder / place / path.relative_to(folder), reason)
    except OsteonError:
        return False  # logged by `receive`
    except OSError as error:
        # Its name is left out: people name files after patients.
        LOGGER.error("a file in the watched folder can't be read or moved", extra={"why": error.strerror})
        return False
    return True


def _received(threshold: Threshold, data: bytes) -> tuple[str, str]:
    """Where the file belongs now, and why if it is refused. Raises OsteonError if it is not safe now."""
    try:
        receive(threshold, DOOR_FOLDER, data, sender=here())
    except SetAside as refusal:
        return REFUSED, f"{refusal.reason}: {refusal}\n"
    except Mismatch as mismatch:
        return REFUSED, f"{mismatch}\n"
    return DONE, ""


def _state(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _move(path: Path, target: Path, reason: str = "") -> None:
    """Move within the folder; never over another file. The reason is written first, so that none is without."""
    target.parent.mkdir(parents=True, exist_ok=True)
    free, n = target, 1
    while free.exists():
        free, n = target.with_name(f"{target.name}.{n}"), n + 1
    if reason:
        free.with_name(f"{free.name}.txt").write_text(reason)
    path.replace(free)

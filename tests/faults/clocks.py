"""The clocks of a stack's parts, which may jump: `clock.c` is preloaded into all of them."""

import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from osteon_stack.parts import PARTS
from osteon_stack.stack import Stack

__all__ = ["clock_environment", "clocks_can_jump", "jumped", "make_clocks"]

SOURCE = Path(__file__).with_name("clock.c")


def clocks_can_jump() -> bool:
    """Whether there is a compiler. (Debian's libfaketime can't be used: under it Python's `time.sleep` fails.)"""
    return shutil.which("cc") is not None


def make_clocks(folder: Path) -> None:
    """Build what is preloaded, and set all clocks right; `folder` is that of a stack that is not started yet."""
    _clocks(folder).mkdir(parents=True)
    for part in PARTS:
        _set(_clocks(folder) / part, 0)
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(_library(folder)), str(SOURCE)], check=True)


def clock_environment(folder: Path) -> dict[str, str]:
    """What its processes must be started with, so that their clocks can jump."""
    return {"LD_PRELOAD": str(_library(folder)), "FAULTS_CLOCKS": str(_clocks(folder))}


@contextmanager
def jumped(stack: Stack, part: str, by_s: int) -> Iterator[None]:
    """The part's time of day is ahead by so many seconds, of those of its processes too that start meanwhile."""
    _set(_clocks(stack.folder) / part, by_s)
    try:
        yield
    finally:
        _set(_clocks(stack.folder) / part, 0)


def _clocks(folder: Path) -> Path:
    return folder / "clocks"


def _library(folder: Path) -> Path:
    return _clocks(folder) / "clock.so"


def _set(path: Path, by_s: int) -> None:
    """Write all eight bytes in place: the file is mapped."""
    with path.open("r+b" if path.exists() else "wb", buffering=0) as file:
        file.write(struct.pack("=q", by_s))

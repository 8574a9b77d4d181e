"""Find the processes of a stack by the mark that each of them carries, and end them."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import psutil

from osteon_stack.part import MARKER, PART

__all__ = ["end_all", "processes_of"]


def processes_of(folder: Path) -> dict[psutil.Process, str]:
    """All processes of the stack in `folder`, whoever started them, and the part that each belongs to."""
    found = {}
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            environment = process.environ()
            if environment.get(MARKER) == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found[process] = environment.get(PART, process.name())
        except (psutil.Error, OSError):
            continue  # it ended meanwhile, or belongs to another user
    return found


def end_all(folder: Path, within_s: float) -> list[str]:
    """End them by SIGTERM, and those that stay by SIGKILL; gives the names of their parts.

    Looks again until none is left, since one may start another while it is being ended.
    """
    ended: list[str] = []
    while left := processes_of(folder):
        ended += left.values()
        for process in left:
            _signal(process, psutil.Process.resume)
            _signal(process, psutil.Process.terminate)
        _, stubborn = psutil.wait_procs(list(left), timeout=within_s)
        for process in stubborn:
            _signal(process, psutil.Process.kill)
        psutil.wait_procs(stubborn, timeout=within_s)
    return sorted(set(ended))


def _signal(process: psutil.Process, send: Callable[[psutil.Process], None]) -> None:
    with contextlib.suppress(psutil.Error):
        send(process)

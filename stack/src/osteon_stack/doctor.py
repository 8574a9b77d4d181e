"""Examine the stack on this machine: what is wrong with which part, and what to do about it."""

import shutil
from pathlib import Path

from osteon import doctor
from osteon.runtime import Settings, read_settings
from osteon.runtime.findings import Finding, checked
from osteon_stack.secrets import ADMIN
from osteon_stack.services import common_environment
from osteon_stack.stack import Stack
from osteon_stack.state import is_supervised
from osteon_stack.triton import libpython_folder

__all__ = ["examine"]

ROOM_BYTES = 5 * 1024**3
"""Free disk space under which SeaweedFS and Kafka will soon refuse to write."""


def examine(stack: Stack) -> list[Finding]:
    """All checks, each on its own: one that fails does not hide the next."""
    folder = stack.folder
    found = [
        checked("libpython", _libpython),
        checked("disk", lambda: _disk(folder)),
        Finding("supervisor", "" if is_supervised(folder) else "nobody looks after the parts: osteon stack up"),
    ]
    if not (folder / "secrets").exists():
        return [*found, Finding("stack", f"was never started in {folder}: osteon stack up")]
    settings = read_settings(Settings, common_environment(folder, stack.ports, ADMIN))
    found += doctor.examine(settings)
    for state in stack.status():
        why = f" ({state.why})" if state.why else ""
        trouble = "" if state.is_well else f"is {state.state}{why}: look at its log: osteon stack logs {state.name}"
        found.append(Finding(f"part {state.name}", trouble))
    return found


def _libpython() -> str:
    libpython_folder()
    return ""


def _disk(folder: Path) -> str:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < ROOM_BYTES:
        return f"{free / 1024**3:.1f} GiB are free at {there}: make room, at least 5 GiB"
    return ""

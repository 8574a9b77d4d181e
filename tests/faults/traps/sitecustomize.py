"""Deaths at a chosen step of a real service. Python runs this file at its start where its folder is on PYTHONPATH.

A test lays a file `<step> <image id>` into the folder that the variable FAULTS_TRAPS names; the process that reaches
this step with this image dies there. Steps:

before-publish, after-publish   of `image.received` at a door; once, since the file is taken away first
crash                           when its pixels are decoded: a write to address 0, as a broken decoder does (SIGSEGV)
exhaust                         there too: memory until the limit where one is set, else the end that the kernel makes
"""

import ctypes
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = os.environ.get("FAULTS_TRAPS", "")


def _is_laid(step: str, image_id: str) -> Path | None:
    trap = Path(FOLDER, f"{step} {image_id}")
    return trap if trap.exists() else None


def _die_once(step: str, image_id: str) -> None:
    trap = _is_laid(step, image_id)
    if trap is not None:
        trap.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def _into_publisher(module: ModuleType) -> None:
    publish = module.KafkaPublisher.publish

    def trapped(self: Any, outgoing: Any, traceparent: str = "") -> None:
        image_id = getattr(outgoing.message, "image_id", "")
        _die_once("before-publish", image_id)
        publish(self, outgoing, traceparent)
        _die_once("after-publish", image_id)

    module.KafkaPublisher.publish = trapped


def _into_examination(module: ModuleType) -> None:
    examine = module.examine

    def trapped(keys: Any, site: str, image_id: str, original: bytes) -> Any:
        if _is_laid("crash", image_id):
            ctypes.memset(0, 0, 1)
        if _is_laid("exhaust", image_id):
            _exhaust()
        return examine(keys, site, image_id, original)

    module.examine = trapped  # type: ignore[attr-defined]


def _exhaust() -> None:
    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        os.kill(os.getpid(), signal.SIGKILL)
    hoard = []
    while True:
        hoard.append(bytes(2**30))


TRAPPED: dict[str, Callable[[ModuleType], None]] = {
    "osteon.bus.kafka": _into_publisher,
    "osteon_ingest.examine": _into_examination,
}


class Trapper(importlib.abc.MetaPathFinder):
    """Finds the modules of TRAPPED as all others do, and changes them once they are loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        change = TRAPPED.pop(fullname, None)
        spec = importlib.util.find_spec(fullname) if change else None
        if change is None or spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_change(module: ModuleType) -> None:
            load(module)
            change(module)

        spec.loader.exec_module = load_and_change  # type: ignore[method-assign]
        return spec


if FOLDER:
    sys.meta_path.insert(0, Trapper())

"""Milliseconds of processor that each step of accept takes: one image at a time, in this process, a store in memory."""

import cProfile
import os
import pstats
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.place import Place
from bench.row import Row
from osteon.contracts import ImageReceived
from osteon.imaging.dicom import decode, pixel_sha256
from osteon.store import MemoryStore
from osteon_ingest.accept import work
from osteon_ingest.burnt_in import find_text
from osteon_ingest.deidentify import deidentify, to_bytes
from osteon_ingest.identity import Keys, image_id
from osteon_ingest.read_text import read_text
from osteon_ingest.seal import seal, unseal

__all__ = ["accept_time"]

STEPS: Mapping[str, Callable[..., object]] = {
    "all of it": work,
    "unsealing": unseal,
    "decoding": decode,
    "cleaning the header": deidentify,
    "finding text": find_text,
    "reading what may be text": read_text,
    "hashing the pixels": pixel_sha256,
    "writing the object": to_bytes,
}


def accept_time(place: Place) -> list[Row]:
    """A row for each step and encoding; a step's time holds that of the steps that it calls."""
    paths = place.radiographs(place.size.n_images)
    keys = Keys.from_site_key(os.urandom(32))
    _profiled(keys, paths[:2])  # the networks are loaded
    return [
        Row(f"accept, {name}, {encoding}", ms, "ms/image", better="lower")
        for encoding, some in (("uncompressed", paths[0::2]), ("JPEG 2000", paths[1::2]))
        for name, ms in _profiled(keys, some).items()
    ]


def _profiled(keys: Keys, paths: Sequence[Path]) -> dict[str, float]:
    """Milliseconds of processor an image for each step, of all threads."""
    profile = cProfile.Profile(time.process_time)
    for path in paths:
        store = MemoryStore()
        ref = store.put("inbox", seal(keys.inbox, path.read_bytes()), "application/octet-stream")
        received = ImageReceived(image_id=image_id(keys, path.stem), site="bench", object=ref)
        profile.runcall(work, received, keys, store)
    cumulative_s = {place: timing[3] for place, timing in pstats.Stats(profile).stats.items()}  # type: ignore[attr-defined]
    return {name: 1e3 * cumulative_s.get(_where(step), 0.0) / len(paths) for name, step in STEPS.items()}


def _where(step: Callable[..., object]) -> tuple[str, int, str]:
    """How a profile names a function."""
    code = step.__code__
    return code.co_filename, code.co_firstlineno, code.co_name

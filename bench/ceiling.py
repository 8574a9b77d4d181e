"""Images/s with models that cost nothing: the platform's ceiling, against decoding alone on the same cores."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pydicom

from bench.models import nothing
from bench.place import Place
from bench.row import Row, against

__all__ = ["ceiling"]


def ceiling(place: Place) -> list[Row]:
    """The path with models that cost nothing; its baseline is pydicom, which reads and decodes the same files."""
    place.release(place.models(nothing))
    place.throughput(place.radiographs(place.size.n_warm))
    paths = place.radiographs(place.size.n_images)
    decoded_per_s = _decoded_per_s(paths)
    return [against(decoded_per_s, "DICOM to result, models that cost nothing", place.throughput(paths), "images/s")]


def _decoded_per_s(paths: list[Path]) -> float:
    n_cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(n_cores) as pool:
        list(pool.map(_decode, paths[:n_cores]))  # starts the processes
        began = time.monotonic()
        list(pool.map(_decode, paths))
        return len(paths) / (time.monotonic() - began)


def _decode(path: Path) -> int:
    return int(pydicom.dcmread(path).pixel_array.size)

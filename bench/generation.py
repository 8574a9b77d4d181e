"""Images/s that `osteon cohort make` writes: crops of 512 pixels, and at native size."""

import os
import time

from bench.place import Place
from bench.row import Row

__all__ = ["generation"]

# 4,300 images on two cores: crops in 2 minutes, native ones in 30.
CROPS_PER_S, NATIVE_PER_S = 4300 / 120 / 2, 4300 / 1800 / 2


def generation(place: Place) -> list[Row]:
    """Whole runs on all cores, files and tables included, without truth; told per core."""
    return [
        _row(place, "crop", place.size.n_patients, CROPS_PER_S),
        _row(place, "native", max(1, place.size.n_patients // 10), NATIVE_PER_S),
    ]


def _row(place: Place, size: str, n_patients: int, aim: float) -> Row:
    from osteon.phantom.make import Design, make_cohort

    n_cores = len(os.sched_getaffinity(0))
    design = Design(n_patients=n_patients, size=size, has_truth=False)  # type: ignore[arg-type]
    began = time.monotonic()
    made = make_cohort(design, place.folder / f"cohort-{size}", n_processes=n_cores)
    per_s = made.n_new / (time.monotonic() - began) / n_cores
    return Row(f"digital cohort, {size}, a core", per_s, "images/s", aim=aim, note=f"images/s ({made.n_new} images)")

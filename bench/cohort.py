"""The table of cases at 500,000 rows; images that are read, and prepared as crops, in a second of processor time."""

import os
import time

from bench.place import Place
from bench.radiographs import write_radiographs
from bench.row import Row

__all__ = ["cohort_reading", "cohort_table"]

OPENED_WITHIN_S = 2.0
FEWEST_READ_TO_FILTER = 100  # rows, so that a filter that gives nothing is seen


def cohort_table(place: Place) -> list[Row]:
    """Seconds until 500,000 rows are open and filtered, split by patient, and held out by site, in this process."""
    import numpy as np
    import polars as pl

    from osteon.cohort.split import hold_out, k_fold
    from osteon.cohort.table import FEMUR_LABELS, Description, open_cohort, write_cohort

    n = place.size.n_rows
    rng = np.random.default_rng(0)
    patients = rng.integers(0, max(2, n // 4), n)
    table = pl.DataFrame({
        "case": [f"case-{number:07d}" for number in range(n)],
        "patient": [f"patient-{number:07d}" for number in patients],
        "site": [f"site-{number:02d}" for number in patients % 72],
        "vendor": [f"vendor-{number}" for number in patients % 72 % 5],
        "label": [FEMUR_LABELS[number] for number in patients % 4],
        "view": rng.choice(["AP", "lateral"], n),
        "path": [f"images/{number % 1000:03d}/{number:07d}.dcm" for number in range(n)],
        "sha256": [f"{number:064x}" for number in range(n)],
        "pixels_sha256": [f"{number:064x}" for number in range(n)],
        "height": rng.integers(500, 4000, n),
        "width": rng.integers(500, 4000, n),
        "spacing_y_mm": rng.uniform(0.1, 0.2, n),
        "spacing_x_mm": rng.uniform(0.1, 0.2, n),
    })  # fmt: skip
    path = place.folder / "cohort.parquet"
    write_cohort(table, path, Description("bench"))

    began = time.monotonic()
    cohort = open_cohort(path)
    found = cohort.frame.filter(pl.col("view") == "AP", pl.col("site") == "site-17").collect()
    opened_s = time.monotonic() - began
    assert len(found) >= min(FEWEST_READ_TO_FILTER, n // 300)
    rows = cohort.frame.collect()
    began = time.monotonic()
    k_fold(rows, n_folds=5)
    folded_s = time.monotonic() - began
    began = time.monotonic()
    hold_out(rows, "site", n_groups=5)
    held_s = time.monotonic() - began
    note = f"s ({n:,} rows)"
    return [
        Row("cohort: a table is open and filtered", opened_s, "s", aim=OPENED_WITHIN_S, better="lower", note=note),
        Row("cohort: five folds by patient", folded_s, "s", better="lower", note=note),
        Row("cohort: five groups of sites held out", held_s, "s", better="lower", note=note),
    ]


def cohort_reading(place: Place) -> list[Row]:
    """Whole radiographs opened, decoded and hashed; and prepared as crops of 512 pixels in shards.

    In a second of processor time, other processes included, so that what else the machine does counts little.
    """
    from osteon.cohort.measure import file_bytes, measured
    from osteon.cohort.prepare import prepare, shelf
    from osteon.cohort.readers import read_data_set
    from osteon.cohort.stored_bytes import FolderBytes
    from osteon.imaging.geometry import Geometry
    from osteon.store import MemoryStore

    folder = place.folder / "cohort-reading"
    n = len(list(write_radiographs(folder, place.size.n_images, "cohort")))
    n_cores = len(os.sched_getaffinity(0))
    began = _processor_s()
    found = read_data_set(folder, "dicom")
    table, problems = measured(found.table, file_bytes(folder))
    read_s = _processor_s() - began
    assert not problems
    assert len(table) == n
    began = _processor_s()
    made = prepare(table, FolderBytes(folder), shelf(str(place.folder / "shards"), MemoryStore),
                   geometry=Geometry(0.4, 512, 512), images_per_shard=max(1, n // n_cores))  # fmt: skip
    prepared_s = _processor_s() - began
    assert made.images == n
    return [
        Row("cohort: images read", n / read_s, "images/s of processor"),
        Row("cohort: images prepared", n / prepared_s, "images/s of processor"),
    ]


def _processor_s() -> float:
    """Of this process and of those that it has waited for."""
    return sum(os.times()[:4])

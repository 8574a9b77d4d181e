"""Make a digital cohort: DICOM files, the table of cases, the register's long table, and a card.

    cohort.parquet  cohort.csv      one row an image (osteon.cohort.table), further columns say what was drawn
    register.parquet  register.csv  what registers know of the patients
    card.json  README.md            how the cohort was made, and what its counts are
    images/<site>/<case>.dcm        as the site stores it, compressed without loss
    truth/<case>.npz                masks, axis, and the image without noise at the reference site

A run that was ended goes on where it stopped: each finished image is a line of `journal.jsonl`.
"""

import hashlib
import json
import multiprocessing
import os
import platform
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
from pydicom import Dataset
from threadpoolctl import threadpool_limits

from osteon.cohort.table import Description, write_cohort
from osteon.errors import Fatal
from osteon.imaging.dicom import pixel_spacing_mm
from osteon.imaging.stored import pixel_sha256
from osteon.phantom.encoding import encoded
from osteon.phantom.plan import Plan, Row
from osteon.phantom.presets import NAME, Equipment, preset_named
from osteon.phantom.register import World, register
from osteon.phantom.render import Rendered, Size, first_sites, planned_sites, render
from osteon.phantom.subject import subject_of

__all__ = ["Design", "Made", "make_cohort", "plan_of", "processor", "summary"]

REFERENCE_TOP = 1.5  # the largest value of an image at the reference site, so that 16 bits hold it
CHUNK = 8  # images a process takes at a time
AHEAD = 4  # times so many are handed out to each process, so that none waits while the first is slow
WARNING = "Made by a program. It shows that machinery works and how methods rank; it is no evidence about patients."


@dataclass(frozen=True)
class Design:
    """What a cohort follows from: two runs of one design give the same bytes on one kind of processor (one
    with other vector units rounds otherwise), with the same libraries. 0 stands for all."""

    preset: str = "federated"
    n_patients: int = 0
    n_sites: int = 0
    seed: int = 0
    size: Size = "crop"
    equipment: Equipment = "independent"
    world: World = "independent"
    has_truth: bool = True
    made_as: str = NAME

    @property
    def digest(self) -> str:
        """SHA-256 of the design."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Made:
    """How many images were made now, and how many lay there already."""

    n_new: int
    n_before: int


def plan_of(design: Design) -> Plan:
    """The rows of a design. Raises Fatal for one that can't be made."""
    sites = planned_sites(first_sites(design.n_sites))
    return Plan(preset_named(design.preset), sites, design.seed, design.n_patients, design.equipment)


def summary(design: Design) -> dict[str, object]:
    """Counts of the plan, known before an image is made."""
    n_images, sites, patients = 0, set(), 0
    labels, views, purposes = Counter[str](), Counter[str](), Counter[str]()
    first, last = date.max, date.min
    for row in plan_of(design):  # one by one: half a million rows need no memory
        n_images += 1
        sites.add(row.site)
        views[row.view] += 1
        purposes[row.purpose] += 1
        first, last = min(first, row.date), max(last, row.date)
        if row.image == 0:
            patients += 1
            labels[row.label] += 1
    return {
        "images": n_images,
        "patients": patients,
        "sites": len(sites),
        "labels": dict(labels),
        "views": dict(views),
        "purposes": dict(purposes),
        "first": first.isoformat(),
        "last": last.isoformat(),
    }


def make_cohort(
    design: Design, folder: Path, *, n_processes: int = 0, progress: Callable[[int, int], None] | None = None
) -> Made:
    """Writes the cohort to a folder, and goes on where an earlier run stopped.

    `n_processes` of 0 takes one for each core. `progress` is called with (images there, images in all). Raises Fatal
    where the folder holds a cohort of another design.
    """
    plan = plan_of(design)
    _claim(folder, design)
    done = _journal(folder)
    n_new, n_all = len(plan) - len(done), len(plan)
    todo = (row for row in plan if row.case_id not in done)
    with (folder / "journal.jsonl").open("a") as journal:
        for n_made, entry in enumerate(_made(todo, n_new, design, folder, n_processes), start=1):
            journal.write(json.dumps(entry) + "\n")
            journal.flush()
            if progress is not None:
                progress(len(done) + n_made, n_all)
    _write_tables(plan, design, folder)
    return Made(n_new, len(done))


def _claim(folder: Path, design: Design) -> None:
    """Notes the design in the folder, or finds it noted."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "design.json"
    if note.exists():
        if json.loads(note.read_text()) != asdict(design):
            raise Fatal(f"{folder} holds a cohort of another design (see {note.name}): name another folder")
    elif any(folder.iterdir()):
        raise Fatal(f"{folder} is not empty and holds no digital cohort: name another folder")
    else:
        note.write_text(json.dumps(asdict(design), indent=2) + "\n")


def _journal(folder: Path) -> set[str]:
    """The cases that were finished: those whose file is there. A line cut off by an end counts as none, and goes."""
    found: set[str] = set()
    path, fresh = folder / "journal.jsonl", folder / "journal.part"
    if not path.exists():
        return found
    with path.open() as lines, fresh.open("w") as kept:
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry["case"] not in found and (folder / entry["path"]).is_file():
                found.add(entry["case"])
                kept.write(json.dumps(entry) + "\n")
    fresh.replace(path)
    return found


def _made(rows: Iterator[Row], n_rows: int, design: Design, folder: Path, n_processes: int) -> Iterator[dict[str, Any]]:
    """Each row's entry, in their order; rows are asked for as they are wanted, since there may be half a million."""
    n_processes = min(n_processes or os.cpu_count() or 1, max(1, n_rows // CHUNK))
    work = _Work(design.size, design.has_truth, str(folder))
    if n_processes == 1:
        yield from map(work, rows)
        return
    with ProcessPoolExecutor(n_processes, multiprocessing.get_context("forkserver"), threadpool_limits, (1,)) as pool:
        waiting: deque[Future[list[dict[str, Any]]]] = deque()
        while chunk := list(islice(rows, CHUNK)):
            waiting.append(pool.submit(work.all, chunk))
            if len(waiting) > AHEAD * n_processes:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


@dataclass(frozen=True)
class _Work:
    size: Size
    has_truth: bool
    folder: str

    def __call__(self, row: Row) -> dict[str, Any]:
        """Makes and writes one image; gives its row of the table."""
        made = render(row, self.size)
        dataset = made.dataset
        path = Path("images", row.site, f"{row.case_id}.dcm")
        entry = _entry(made, dataset, path.as_posix())
        content = encoded(dataset, made.transfer_syntax)
        entry["sha256"] = hashlib.sha256(content).hexdigest()
        if self.has_truth:
            _write_truth(made, Path(self.folder, "truth", f"{row.case_id}.npz"))
        _write(Path(self.folder) / path, content)
        return entry

    def all(self, rows: list[Row]) -> list[dict[str, Any]]:
        """Several rows, one after the other."""
        return [self(row) for row in rows]


def _entry(made: Rendered, dataset: Dataset, path: str) -> dict[str, Any]:
    row, truth, scanner = made.row, made.projection.truth, made.stored.scanner
    spacing = pixel_spacing_mm(dataset)
    return {
        "case": row.case_id,
        "patient": row.patient_id,
        "study": f"{row.patient_id}-s{row.study}",
        "site": row.site,
        "vendor": scanner.manufacturer,
        "family": scanner.family,
        "label": row.label,
        "modality": scanner.modality,
        "view": row.view,
        "side": row.side,
        "body_part": made.site.body_part,
        "hardware": bool((made.projection.thickness.metal_mm > 0).any()),
        "exam_date": row.date.isoformat(),
        "days_from_index": row.day,
        "spacing_y_mm": spacing[0],
        "spacing_x_mm": spacing[1],
        "height": int(dataset.Rows),
        "width": int(dataset.Columns),
        "path": path,
        "pixels_sha256": pixel_sha256(made.stored.pixels),
        "adjudicated": truth.adjudicated,
        "kind": truth.features.kind,
        "purpose": row.purpose,
        "room": row.room,
        "pose": row.pose,
        "image": row.image,
        "age": made.patient.person.age,
        "sex": made.patient.person.sex,
        "outside": made.site.is_outside,
    }


def _write_truth(made: Rendered, path: Path) -> None:
    truth, reference = made.truth, made.reference
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".part.npz")
    np.savez_compressed(
        fresh,
        femur=truth.femur,
        cortex=truth.cortex,
        fracture=truth.fracture,
        axis_mm=np.array(truth.axis_mm, dtype=np.float32),
        spacing_mm=np.float32(made.projection.thickness.spacing_mm),
        reference=np.rint(np.clip(reference / REFERENCE_TOP, 0, 1) * 65535).astype(np.uint16),
        reference_top=np.float32(REFERENCE_TOP),
    )
    fresh.replace(path)


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".part")
    fresh.write_bytes(content)
    fresh.replace(path)


def _write_tables(plan: Plan, design: Design, folder: Path) -> None:
    cases = pl.DataFrame({"case": pl.Series((row.case_id for row in plan), dtype=pl.String)})
    entries = pl.read_ndjson(folder / "journal.jsonl", infer_schema_length=None)
    table = cases.join(entries, on="case", how="left", maintain_order="left")
    table = table.with_columns(pl.col("exam_date").str.to_date())
    description = Description(
        name=f"digital cohort {design.made_as}/{design.preset}/{design.seed}",
        source=f"osteon cohort make, design {design.digest[:16]}",
        license="Apache-2.0",
        notes=(WARNING,),
    )
    for name in ("cohort.parquet", "cohort.csv"):
        write_cohort(table, folder / name, description)
    long = register((subject_of(row) for row in plan.patients()), design.world)
    long.write_parquet(folder / "register.parquet")
    long.write_csv(folder / "register.csv")
    _write_card(design, folder, table, long)


def _counts(patients: pl.DataFrame, outer: str, inner: str) -> dict[str, dict[str, int]]:
    """How many patients there are of each value of `inner`, by each value of `outer`."""
    found: dict[str, dict[str, int]] = {}
    for one, other, n in patients.group_by(outer, inner).len().sort(outer, inner).iter_rows():
        found.setdefault(one, {})[other] = n
    return found


def processor() -> dict[str, object]:
    """What the bytes depend on beside design and libraries: the kind of processor, and its vector units as NumPy names
    them."""
    build = cast(dict[str, Any], np.show_config(mode="dicts"))  # type: ignore[call-arg]  # numpy's stubs lack it
    return {"machine": platform.machine(), "vector_units": build.get("SIMD Extensions", {}).get("found", [])}


def _write_card(design: Design, folder: Path, table: pl.DataFrame, long: pl.DataFrame) -> None:
    patients = table.unique("patient")
    atypical = patients.filter(pl.col("adjudicated").str.starts_with("AFF"))
    card = {
        "name": design.made_as,
        "warning": WARNING,
        "design": asdict(design),
        "design_sha256": design.digest,
        "counts": summary(design),
        "processor": processor(),
        "adjudicated": dict(patients.group_by("adjudicated").len().sort("adjudicated").iter_rows()),
        "adjudicated_by_label": _counts(patients, "label", "adjudicated"),
        "called_atypical_by_kind": _counts(atypical.filter(pl.col("label") == "typical_fracture"), "label", "kind"),
        "adjudicated_otherwise": patients.filter(pl.col("label") != pl.col("adjudicated")).height,
        "images_by_site": dict(table.group_by("site").len().sort("len", descending=True).iter_rows()),
        "register_entries": dict(long.group_by("kind").len().sort("kind").iter_rows()),
        "table_sha256": hashlib.sha256((folder / "cohort.csv").read_bytes()).hexdigest(),
        "register_sha256": hashlib.sha256((folder / "register.csv").read_bytes()).hexdigest(),
    }
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n")

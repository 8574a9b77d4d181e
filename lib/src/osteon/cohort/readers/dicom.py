"""A folder of DICOM files, each told by its own header, with a table where there is one.

`osteon.cohort.readers.matching` says by what a table's lines are matched to files. What the table says counts over what
the header says. Site is the institution that the header names; family is maker and model. A file without a PatientID
counts as a patient of its own, and is named. Files that are no single grey image are named, and left out.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import polars as pl
from pydicom.dataset import Dataset

from osteon.cohort.column_map import ColumnMap, guess, labels_of, mapped, not_understood
from osteon.cohort.measure import FIX
from osteon.cohort.problem import Problem
from osteon.cohort.readers import manifest
from osteon.cohort.readers.found import (
    NO_PATIENTS,
    Found,
    NotThisDataSet,
    files_below,
    table_of,
    unnamed_patient,
)
from osteon.cohort.readers.matching import joined
from osteon.cohort.table import FEMUR_LABELS, Description, collected, conformed
from osteon.cohort.tabular import SUFFIXES, Tabular
from osteon.errors import SetAside
from osteon.imaging.dicom import pixel_spacing_mm, read_dataset
from osteon.imaging.quiet import BROKEN_INPUT, quiet_pydicom
from osteon.imaging.stored import pixel_format

__all__ = ["is_here", "read", "with_map"]

VIEWS = {"AP": "AP", "PA": "AP", "LL": "lateral", "RL": "lateral", "LLD": "lateral", "RLD": "lateral",
         "RLO": "oblique", "LLO": "oblique"}  # fmt: skip
NOT_DICOM = (
    *SUFFIXES,
    ".png",
    ".jpg",
    ".jpeg",
    ".tif",
    ".tiff",
    ".json",
    ".md",
    ".pdf",
    ".html",
    ".nii",
    ".gz",
    ".zip",
)
MAX_FILE_BYTES = 1 << 29


def is_here(folder: Path) -> bool:
    """Whether a file below the folder ends in .dcm or begins as DICOM does; at most two hundred are looked at."""
    for number, name in enumerate(files_below(folder)):
        if name.lower().endswith(".dcm") or _begins_as_dicom(folder / name):
            return True
        if number > 200:
            break
    return False


def read(folder: Path, table: Path | None = None) -> Found:
    """The radiographs below a folder; raises NotThisDataSet where there are none, or the table fits none of them."""
    path = table or (manifest.the_table(folder, None) if manifest.is_here(folder) else None)
    if path is None:
        return with_map(folder, None, "", None)
    tabular = manifest.opened(path)
    return with_map(folder, tabular, path.name, guess(tabular.table))


def with_map(folder: Path, tabular: Tabular | None, name: str, known: ColumnMap | None) -> Found:
    """As `read`, with the columns of a table by a map."""
    paths = [path for path in files_below(folder) if not path.lower().endswith(NOT_DICOM)]
    rows: list[dict[str, object]] = []
    problems: list[Problem] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, row in zip(paths, pool.map(lambda one: _row(folder, one), paths), strict=True):
            if isinstance(row, str):
                problems.append(Problem("unreadable", path, says=row, way_out=FIX))
            else:
                rows.append(row)
    if not rows:
        raise NotThisDataSet(
            f"{folder.name} holds no DICOM file with a grey image ({len(problems)} files were looked at)"
        )
    headers = table_of(rows)
    described = Description(folder.name, source="DICOM headers", spacing_rule="as the header tells")
    if headers["site"].null_count() == len(headers):
        described = replace(described, site_is="")
    if tabular is None or known is None:
        table, described, more = _with_patients(headers.drop("sop_instance", "accession"), described)
        return Found(table, described, folder, problems + more, names_people=True)
    unreadable = {problem.where for problem in problems}
    table, more = joined(headers, mapped(tabular.table, known), name, tabular.first_line, unreadable)
    problems += more + not_understood(tabular.table, known, name, tabular.first_line)
    described = replace(
        described,
        labels=labels_of(known) or FEMUR_LABELS,
        site_is=described.site_is or ("hospital" if "site" in known.columns else ""),
        source=f"DICOM headers and {name} ({tabular.understood_as})",
    )
    table, described, more = _with_patients(table.drop("sop_instance", "accession"), described)
    return Found(table, described, folder, problems + more, names_people=True)


def _with_patients(table: pl.DataFrame, described: Description) -> tuple[pl.DataFrame, Description, list[Problem]]:
    """The table with each image that names no patient as one of its own; whether any does; and which do not."""
    problems = [unnamed_patient(path) for path in table.filter(pl.col("patient").is_null())["path"]]
    if len(problems) == len(table):
        described = replace(described, patient_is="image", notes=(NO_PATIENTS,))
    return collected(conformed(table.with_columns(patient=pl.coalesce("patient", "case")))), described, problems


def _row(folder: Path, path: str) -> dict[str, object] | str:
    """What a header says, or in words why it is no case."""
    try:
        if (folder / path).stat().st_size > MAX_FILE_BYTES:
            return f"it has more than {MAX_FILE_BYTES >> 20} MiB"
        dataset = read_dataset((folder / path).read_bytes())
        form = pixel_format(dataset)
    except SetAside as error:
        return f"{error.reason}: {error}"
    except OSError as error:
        return f"it can't be opened ({type(error).__name__})"
    try:
        spacing: tuple[float | None, float | None] = pixel_spacing_mm(dataset)
    except SetAside:
        spacing = (None, None)
    vendor, model = (_text(dataset, name) for name in ("Manufacturer", "ManufacturerModelName"))
    side = _text(dataset, "ImageLaterality") or _text(dataset, "Laterality")
    view = _text(dataset, "ViewPosition")
    return {
        "case": path.removesuffix(".dcm"),
        "patient": _text(dataset, "PatientID"),
        "study": _text(dataset, "StudyInstanceUID"),
        "site": _text(dataset, "InstitutionName"),
        "vendor": vendor,
        "family": " ".join(part for part in (vendor, model) if part) or None,
        "modality": _text(dataset, "Modality"),
        "view": VIEWS.get(view.upper(), "other") if view else None,
        "side": side.upper() if side and side.upper() in ("R", "L", "B") else None,
        "body_part": (_text(dataset, "BodyPartExamined") or "").upper() or None,
        "exam_date": _date(dataset),
        "spacing_y_mm": spacing[0],
        "spacing_x_mm": spacing[1],
        "height": form.rows,
        "width": form.columns,
        "path": path,
        "sop_instance": _text(dataset, "SOPInstanceUID"),
        "accession": _text(dataset, "AccessionNumber"),
    }


def _text(dataset: Dataset, keyword: str) -> str | None:
    with quiet_pydicom():
        try:
            return str(dataset.get(keyword) or "").strip() or None
        except BROKEN_INPUT:
            return None


def _date(dataset: Dataset) -> date | None:
    for keyword in ("StudyDate", "AcquisitionDate", "ContentDate"):
        try:
            return datetime.strptime(_text(dataset, keyword) or "", "%Y%m%d").date()
        except ValueError:
            continue
    return None


def _begins_as_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False

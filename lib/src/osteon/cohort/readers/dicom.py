"""A folder of DICOM files, each told by its own header, with a table where there is one.

The table's rows are matched to files by the first of these that fits most files: path or file name, SOP Instance UID,
Accession Number or Study Instance UID, Patient ID. What the table says counts over what the header says. Site is the
institution that the header names; family is maker and model. Files that are no single grey image are named, and left
out.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import polars as pl
from pydicom.dataset import Dataset

from osteon.cohort.column_map import ColumnMap, guess, mapped
from osteon.cohort.measure import FIX
from osteon.cohort.problem import Problem
from osteon.cohort.readers import manifest
from osteon.cohort.readers.found import Found, NotThisDataSet, files_below, table_of
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
KEYS = ("path", "file name", "sop_instance", "study", "accession", "patient")


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
        return Found(headers.drop("sop_instance", "accession"), described, folder, problems)
    looked_at = {problem.where for problem in problems}
    table, more = _joined(headers, tabular, name, known, looked_at)
    labels = tuple(dict.fromkeys(known.labels.values()))
    described = replace(
        described,
        labels=FEMUR_LABELS if not labels or set(labels) <= set(FEMUR_LABELS) else labels,
        site_is=described.site_is or ("hospital" if "site" in known.columns else ""),
        source=f"DICOM headers and {name} ({tabular.understood_as})",
    )
    return Found(table.drop("sop_instance", "accession"), described, folder, problems + more)


def _joined(
    headers: pl.DataFrame, tabular: Tabular, name: str, known: ColumnMap, unreadable: set[str]
) -> tuple[pl.DataFrame, list[Problem]]:
    told = mapped(tabular.table, known).with_columns(
        _line=pl.int_range(tabular.first_line, tabular.first_line + pl.len())
    )
    key, theirs = _key(headers, told)
    told = told.with_columns(_key=_told_key(told, key, theirs))
    problems = []
    twice = told.filter(~pl.col("_key").is_first_distinct() & pl.col("_key").is_not_null())
    says = f"{theirs} stands in several lines; what differs between them is left out"
    for line in twice["_line"]:
        problems.append(Problem("twice", name, line, says, "keep one line for each, or add a column with file names"))
    ours = headers.with_columns(_key=_key_of(headers, key))
    for line, value in told.filter(~pl.col("_key").is_in(ours["_key"].implode())).select("_line", "_key").iter_rows():
        if value in unreadable or (key == "file name" and any(path.endswith(f"/{value}") for path in unreadable)):
            continue
        says = "no file is named" if value is None else f"no file has this {theirs}"
        problems.append(Problem("missing", name, line, says, "copy the file, or remove the line"))
    told = told.drop("_line", "path", "case", strict=False)
    agreed = (pl.when(pl.col(one).n_unique() == 1).then(pl.col(one).first()).alias(one) for one in told.columns)
    told = told.group_by("_key", maintain_order=True).agg(one for one in agreed if one.meta.output_name() != "_key")
    joined = ours.join(told, on="_key", how="left", suffix=" told", maintain_order="left")
    both = [column for column in joined.columns if f"{column} told" in joined.columns]
    merged = [
        pl.coalesce(pl.col(f"{column} told").cast(headers.schema[column]), column).alias(column) for column in both
    ]
    joined = joined.with_columns(*merged).drop("_key", *(f"{column} told" for column in both))
    unnamed = ours.filter(~pl.col("_key").is_in(told["_key"].implode()))["path"]
    problems += [
        Problem("not-listed", path, says=f"{name} has no line for this file", way_out="add one, or remove the file")
        for path in unnamed
    ]
    return collected(conformed(joined)), problems


def _key(headers: pl.DataFrame, told: pl.DataFrame) -> tuple[str, str]:
    """By what rows and files are matched: ours and the table's column; the most exact one that fits a file."""
    best = (0, "", "")
    for key in KEYS:
        have = set(_key_of(headers, key).drop_nulls())
        for theirs in told.columns:
            values: Iterable[str] = _told_key(told, key, theirs).drop_nulls() if theirs != "_line" else ()
            fits = len(have & set(values))
            if fits > best[0]:
                best = (fits, key, theirs)
        if best[0] and key != "path":
            break
    if not best[0]:
        raise NotThisDataSet(
            "no line of the table fits a file, by path, file name, SOP Instance UID, Study Instance UID, Accession "
            "Number or Patient ID: add a column with one of them"
        )
    return best[1], best[2]


def _told_key(told: pl.DataFrame, key: str, theirs: str) -> pl.Series:
    """A column of the table as it is compared: of a path its last part, where file names are."""
    text = told[theirs].cast(pl.String).str.strip_chars()
    return text.str.replace_all("\\", "/", literal=True).str.split("/").list.last() if key == "file name" else text


def _key_of(headers: pl.DataFrame, key: str) -> pl.Series:
    return headers["path"].str.split("/").list.last() if key == "file name" else headers[key]


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
        "patient": _text(dataset, "PatientID") or path,
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

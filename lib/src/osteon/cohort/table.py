"""The table of a data set: its columns and their check; open it lazily, write it.

A row is a case: one image (or one volume) of one patient. Parquet holds the table and, in its key-value metadata, the
`Description`; CSV holds the same columns for people, with the description beside it as `<name>.json`. Half a million
rows open at once and are filtered without any image being read:

    cohort = open_cohort(Path("cohort.parquet"))
    cohort.frame.filter(pl.col("view") == "AP", pl.col("site") == "aspen").collect()
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from osteon.errors import OsteonError

__all__ = [
    "COLUMNS",
    "FEMUR_LABELS",
    "SCHEMA",
    "Cohort",
    "Column",
    "Description",
    "NotACohort",
    "collected",
    "conformed",
    "image_path",
    "open_cohort",
    "violations",
    "write_cohort",
]

FEMUR_LABELS = ("AFF_complete", "AFF_incomplete", "typical_fracture", "no_fracture")
METADATA_KEY = "osteon.cohort"
MOST_NAMED = 5  # lines that an error names; `osteon cohort check` names all


class NotACohort(OsteonError):
    """A file or frame that is no table of cases: what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Column:
    """One column: `says` gives meaning, unit and range; `values`, where given, are all that it may hold beside null."""

    name: str
    dtype: pl.DataType | type[pl.DataType]
    says: str
    is_required: bool = False
    values: tuple[str, ...] = ()


COLUMNS = (
    Column("case", pl.String, "name of the row, once in the table", is_required=True),
    Column("patient", pl.String, "pseudonym; what a split never divides", is_required=True),
    Column("study", pl.String, "examination: the images of one visit"),
    Column("site", pl.String, "hospital, or what stands for it (see the description); null: not known"),
    Column("node", pl.String, "where the site's images are trained on, in a federation"),
    Column("vendor", pl.String, "maker of the device"),
    Column("family", pl.String, "processing family: devices whose images look alike, as vendor and model"),
    Column("label", pl.String, "what a model is to find; one of the description's labels, null: not known"),
    Column("modality", pl.String, "DICOM modality: CR, DX, MR, …"),
    Column("view", pl.String, "projection: AP, lateral, oblique, other; volumes have none"),
    Column("side", pl.String, "side of the body", values=("R", "L", "B")),
    Column("body_part", pl.String, "DICOM body part examined, in capitals: FEMUR, WRIST, …"),
    Column("hardware", pl.Boolean, "whether metal is in the picture"),
    Column("exam_date", pl.Date, "date of the examination, or a shifted one"),
    Column("days_from_index", pl.Int32, "examination minus the patient's index date, in days"),
    Column("spacing_z_mm", pl.Float64, "between slices, in mm; null for a radiograph"),
    Column("spacing_y_mm", pl.Float64, "between rows, in mm"),
    Column("spacing_x_mm", pl.Float64, "between columns, in mm"),
    Column("depth", pl.Int32, "slices; null for a radiograph"),
    Column("height", pl.Int32, "rows"),
    Column("width", pl.Int32, "columns"),
    Column("path", pl.String, "file, relative to the table's folder or absolute, or a reference: s3://bucket/key"),
    Column("sha256", pl.String, "of the file's bytes, 64 hexadecimal digits"),
    Column("pixels_sha256", pl.String, "of the decoded pixels before anything was masked: equal under another name"),
    Column("fold", pl.String, "fold or split that came with the data"),
)
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {column.name: column.dtype for column in COLUMNS}
POSITIVE = ("spacing_z_mm", "spacing_y_mm", "spacing_x_mm", "depth", "height", "width")


@dataclass(frozen=True)
class Description:
    """What the table as a whole is.

    `labels` are all that the column may hold. `patient_is` is `patient`, or `image` where the data set tells no
    patient and each image counts as one. `site_is` says what the column stands for: `hospital`, `device`, `data set`,
    or `` where there is no site, and no study of sites. `spacing_rule` says where spacing came from that no file told.
    `keyed_by` is the fingerprint of the key that made patients, studies and cases into pseudonyms; `` where none did.
    """

    name: str
    labels: tuple[str, ...] = FEMUR_LABELS
    patient_is: str = "patient"
    site_is: str = "hospital"
    source: str = ""
    license: str = ""
    spacing_rule: str = ""
    keyed_by: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cohort:
    """A table that is open: rows are read when `frame` is collected; `folder` is what paths are relative to."""

    frame: pl.LazyFrame
    description: Description
    folder: Path


def open_cohort(path: Path) -> Cohort:
    """The table in a Parquet or CSV file, or the `cohort.parquet` of a folder; its columns are checked, no row is read.

    Raises NotACohort where the file is none, or a column is missing that must be there or is of another type.
    """
    path = path / "cohort.parquet" if path.is_dir() else path
    if not path.is_file():
        raise NotACohort(f"there is no table {path.name}: `osteon cohort import` makes one of a data set")
    try:
        is_csv = path.suffix.lower() == ".csv"
        frame = _scan_csv(path) if is_csv else pl.scan_parquet(path)
        described = _beside(path) if is_csv else pl.read_parquet_metadata(path).get(METADATA_KEY, "")
        frame = _typed(frame, path.name)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise NotACohort(f"{path.name} is no table of cases: {_first_line(error)}") from None
    return Cohort(frame, _description(described, path), path.parent)


def write_cohort(frame: pl.DataFrame | pl.LazyFrame, path: Path, description: Description) -> None:
    """Writes the table as Parquet or, where `path` ends in .csv, as CSV with `<name>.json`; whole or not at all.

    Columns of the schema that are missing are filled with null; further ones are kept. Raises NotACohort with the first
    rows that break a rule.
    """
    table = collected(conformed(frame))
    if wrong := list(violations(table, description)):
        raise NotACohort("; ".join(wrong[:MOST_NAMED]) + (" …" if len(wrong) > MOST_NAMED else ""))
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.part")
    text = json.dumps(asdict(description))
    if path.suffix.lower() == ".csv":
        table.write_csv(fresh)
        path.with_suffix(".json").write_text(json.dumps(asdict(description), indent=2, ensure_ascii=False) + "\n")
    else:
        table.write_parquet(fresh, metadata={METADATA_KEY: text}, row_group_size=65_536)
    fresh.replace(path)


def conformed(frame: pl.DataFrame | pl.LazyFrame) -> pl.LazyFrame:
    """`frame` with all columns of the schema, in its order and types; further columns follow as they are.

    Raises NotACohort where `case` or `patient` is missing, or a value can't be brought to its type.
    """
    lazy = frame.lazy()
    present = lazy.collect_schema()
    if missing := [column.name for column in COLUMNS if column.is_required and column.name not in present]:
        raise NotACohort(f"the table has no column {' and no column '.join(missing)}: name them in the column map")
    known = [
        (pl.col(name) if name in present else pl.lit(None)).cast(dtype).alias(name) for name, dtype in SCHEMA.items()
    ]
    return lazy.select(*known, *(name for name in present if name not in SCHEMA))


def collected(frame: pl.LazyFrame) -> pl.DataFrame:
    """The rows in memory; raises NotACohort where a value is of another type than its column."""
    try:
        return frame.collect()
    except pl.exceptions.PolarsError as error:
        raise NotACohort(f"a value does not fit its column: {_first_line(error)}") from None


def violations(table: pl.DataFrame, description: Description) -> Iterator[str]:
    """Each rule of the schema that a row breaks, with the row's number from 1 (as below the header of a CSV)."""
    for column in COLUMNS:
        name = column.name
        if column.is_required:
            yield from _rows(table, pl.col(name).is_null() | (pl.col(name).cast(pl.String) == ""), f"no {name}")
        if column.values:
            allowed = ", ".join(column.values)
            yield from _rows(table, ~pl.col(name).is_in(column.values), f"{name} is none of {allowed}")
    yield from _rows(table, pl.col("case").is_duplicated() & pl.col("case").is_not_null(), "this case stands twice")
    unknown = f"label is none of {', '.join(description.labels)}"
    yield from _rows(table, ~pl.col("label").is_in(description.labels), unknown)
    for name in POSITIVE:
        yield from _rows(table, ~(pl.col(name).is_finite() & (pl.col(name) > 0)), f"{name} is not positive")
    for name in ("sha256", "pixels_sha256"):
        yield from _rows(table, ~pl.col(name).str.contains("^[0-9a-f]{64}$"), f"{name} is no SHA-256")


def image_path(cohort: Cohort, path: str) -> Path:
    """Where the file of a row lies; raises NotACohort for a reference into object storage, which is no file."""
    if "://" in path:
        raise NotACohort("this row's image is a reference, not a file: fetch it from its store")
    return cohort.folder / path


def _rows(table: pl.DataFrame, broken: pl.Expr, says: str) -> Iterator[str]:
    for row in table.select(pl.arg_where(broken.fill_null(value=False))).to_series():
        yield f"row {row + 1}: {says}"


def _typed(frame: pl.LazyFrame, name: str) -> pl.LazyFrame:
    present = frame.collect_schema()
    for column in COLUMNS:
        if column.name in present and present[column.name] not in (column.dtype, pl.Null):
            found = present[column.name]
            raise NotACohort(f"{name}: column {column.name} holds {found}, and should hold {column.dtype}")
    return conformed(frame)


def _scan_csv(path: Path) -> pl.LazyFrame:
    header = pl.read_csv(path, n_rows=0).columns
    overrides = {name: dtype for name, dtype in SCHEMA.items() if name in header}
    return pl.scan_csv(path, schema_overrides=overrides, try_parse_dates=True)


def _beside(path: Path) -> str:
    described = path.with_suffix(".json")
    return described.read_text() if described.is_file() else ""


def _description(text: str, path: Path) -> Description:
    if not text:
        return Description(path.stem)
    try:
        fields = json.loads(text)
        return Description(**{**fields, "labels": tuple(fields["labels"]), "notes": tuple(fields.get("notes", ()))})
    except (ValueError, TypeError, KeyError):
        raise NotACohort(f"{path.name} carries a description that can't be read: write the table again") from None


def _first_line(error: Exception) -> str:
    """What polars says, without the values that it repeats: they may be a patient's."""
    line = (str(error).splitlines() or [type(error).__name__])[0].split(": [")[0]
    return re.sub(r"could not parse `[^`]*`", "could not parse a value", line)[:200]

"""A researcher's folder becomes a cohort: read, every file measured, boxes kept; and what was wrong, beside it.

OUT/cohort.parquet  cohort.csv  cohort.json     the table, twice, and its description
OUT/problems.csv                                what the reader and the files had to say
OUT.key                                         of the pseudonyms, where names were a hospital's own
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from osteon.cohort.boxes import with_boxes
from osteon.cohort.column_map import ColumnMap, guess
from osteon.cohort.identifying import is_a_number_of_a_person
from osteon.cohort.measure import measured
from osteon.cohort.problem import Problem
from osteon.cohort.pseudonyms import fingerprint, key_beside, opened_key, with_pseudonyms
from osteon.cohort.readers import Found, NotThisDataSet, dicom, manifest, nifti, read_data_set, recognized
from osteon.cohort.stored_bytes import bytes_of
from osteon.cohort.table import Description, NotACohort, conformed, violations, write_cohort
from osteon.cohort.tabular import Tabular, read_tabular

__all__ = ["TakenIn", "take_in", "write_problems"]

SPACING_RULES = {
    "": "as the file or the table tells; none where neither does",
    "dpi": "the file's resolution, as it was saved",
}


@dataclass(frozen=True)
class TakenIn:
    """The table as it was written, what it is, what was wrong, and where the key of its pseudonyms lies, if any."""

    table: pl.DataFrame
    description: Description
    problems: list[Problem]
    key: Path | None = None


def take_in(
    folder: Path,
    out: Path,
    *,
    reader: str = "",
    table: Path | None = None,
    columns: Mapping[str, str] | None = None,
    label_values: Mapping[str, str] | None = None,
    spacing_rule: str = "",
    sheet: str | None = None,
    key: Path | None = None,
    keeps_names: bool = False,
    has_pixels_read: bool = True,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> TakenIn:
    """Reads the data set in `folder` and writes it to `out`, which may be `folder` itself.

    `columns` maps the schema's names to those of `table`, `label_values` its labels' values to labels. Paths are
    absolute unless both folders are one. A row that breaks a rule of the schema is left out and named. Patients,
    studies and cases get pseudonyms by the key in the file `key`, or in the one beside `out`, which is made where there
    is none, and further columns of such numbers are left out; not with `keeps_names`, and not in published data sets,
    whose names say nothing. Raises NotThisDataSet,
    NotATable, NoSuchColumn, NotACohort, and OsteonError for a key that is none.
    """
    found = _found(folder, reader, table, columns, label_values, sheet)
    problems = list(found.problems)
    read = bytes_of(found.table["path"], found.folder)
    cases, more = measured(
        found.table, read, has_pixels_read=has_pixels_read, spacing_rule=spacing_rule,
        progress=lambda done: progress(done, len(found.table)),
    )  # fmt: skip
    problems += more
    unread = [problem.where for problem in more if problem.kind in ("missing", "unreadable")]
    cases = cases.filter(~pl.col("path").is_in(unread).fill_null(value=False)) if unread else cases
    cases, more = with_boxes(cases, found.folder)
    problems += more
    described = replace(found.description, spacing_rule=_rule_in_words(spacing_rule, found.description))
    cases, more = _without_broken(cases, described, table.name if table else found.folder.name)
    problems += more
    if not len(cases):
        first = problems[0] if problems else "the table has no rows"
        raise NotACohort(f"no case of {folder.name} can be taken in; the first trouble: {first}")
    if out.resolve() != found.folder.resolve():
        base = found.folder.resolve()
        paths = [path if path is None or "://" in path else str(base / path) for path in cases["path"]]
        cases = cases.with_columns(path=pl.Series(paths, dtype=pl.String))
    key_at = None
    if found.names_people and not keeps_names:
        key_at = key or key_beside(out)
        secret = opened_key(key_at, may_be_made=key is None)
        cases, described = with_pseudonyms(cases, secret), replace(described, keyed_by=fingerprint(secret))
        cases = cases.drop(name for name in cases.columns if is_a_number_of_a_person(name))
    for name in ("cohort.parquet", "cohort.csv"):
        write_cohort(cases, out / name, described)
    write_problems(problems, out / "problems.csv")
    return TakenIn(cases, described, problems, key_at)


def write_problems(problems: list[Problem], path: Path) -> None:
    """A line each: kind, where, line, what, way out."""
    pl.DataFrame(
        [(one.kind, one.is_grave, one.where, one.line or None, one.says, one.way_out) for one in sorted(problems)],
        schema={"kind": pl.String, "is_grave": pl.Boolean, "where": pl.String, "line": pl.Int64, "says": pl.String,
                "way_out": pl.String},
        orient="row",
    ).write_csv(path)  # fmt: skip


def opened_table(
    folder: Path, reader: str, table: Path | None, sheet: str | None = None
) -> tuple[Path, Tabular] | None:
    """The table whose columns are mapped, where the reader is one that maps columns."""
    name = reader or (recognized(folder) if table is None else "")
    if name not in ("", "manifest", "nifti", "dicom"):
        return None
    path = table or (manifest.the_table(folder, None) if manifest.is_here(folder) else None)
    return (path, read_tabular(path, sheet=sheet)) if path else None


def _found(
    folder: Path,
    reader: str,
    table: Path | None,
    columns: Mapping[str, str] | None,
    label_values: Mapping[str, str] | None,
    sheet: str | None,
) -> Found:
    if not folder.is_dir():
        raise NotThisDataSet(f"there is no folder {folder}")
    opened = opened_table(folder, reader, table, sheet)
    if opened is None or (columns is None and label_values is None and sheet is None and reader):
        return read_data_set(folder, reader, table)
    path, tabular = opened
    known: ColumnMap = guess(tabular.table, columns, label_values)
    kind = reader or _kind(folder, tabular, known)
    if kind == "dicom" or (kind == "manifest" and "path" not in known.columns):
        return dicom.with_map(folder, tabular, path.name, known)
    if kind == "nifti":
        return nifti.with_map(folder, tabular, path.name, known)
    return manifest.from_table(folder, path.name, tabular, known)


def _kind(folder: Path, tabular: Tabular, known: ColumnMap) -> str:
    """The reader for a folder with a table: headers tell more than a table that only names DICOM files."""
    if "path" in known.columns:
        named = tabular.table[known.columns["path"]].cast(pl.String).str.to_lowercase()
        if named.str.contains(r"\.(png|tiff?|jpe?g|nii|nii\.gz)$").any() or not dicom.is_here(folder):
            return "manifest"
    return "dicom" if dicom.is_here(folder) else "nifti"


def _rule_in_words(rule: str, description: Description) -> str:
    if rule in SPACING_RULES:
        return description.spacing_rule or SPACING_RULES[rule]
    kind, _, number = rule.rpartition(":")
    return f"where no file tells: every image is {number} mm wide" if kind else f"where no file tells: {number} mm"


def _without_broken(table: pl.DataFrame, description: Description, name: str) -> tuple[pl.DataFrame, list[Problem]]:
    """Rows that break no rule of the schema; the others as problems, under their case's place in the source."""
    table = conformed(table).collect()
    broken: dict[int, str] = {}
    for text in violations(table, description):
        row, _, says = text.removeprefix("row ").partition(": ")
        broken.setdefault(int(row) - 1, says)
    way_out = "mend the value in the source; the row is left out until then"
    problems = [
        Problem("twice" if says.endswith("twice") else "rule-broken", name, 0, f"{table['path'][row]}: {says}", way_out)
        for row, says in sorted(broken.items())
    ]
    kept = [row for row in range(len(table)) if row not in broken]
    return table[kept], problems

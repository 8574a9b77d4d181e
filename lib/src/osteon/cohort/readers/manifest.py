"""A table that names its files: any CSV, Excel, SAS, SPSS or Stata, its columns found by `osteon.cohort.column_map`.

Usual columns: image_path, patient_id, study_id, site_id, label, view, side, manufacturer, model, pixel_spacing. Paths
are relative to the folder. Without a patient each image counts as one.
"""

from dataclasses import replace
from pathlib import Path

import polars as pl

from osteon.cohort.column_map import ColumnMap, guess, labels_of, mapped, not_understood
from osteon.cohort.picture import PICTURES, VOLUMES
from osteon.cohort.problem import Problem
from osteon.cohort.readers.found import NO_PATIENTS, Found, NotThisDataSet, composed, files_below, unnamed_patient
from osteon.cohort.table import Description, collected, conformed
from osteon.cohort.tabular import SUFFIXES, NotATable, Tabular, read_tabular

__all__ = ["from_table", "is_here", "read", "the_table"]

USUAL = ("manifest", "labels", "cohort", "dataset", "metadata", "participants", "cases")


def is_here(folder: Path) -> bool:
    """Whether one table lies in the folder, by a usual name or alone."""
    return _candidate(folder) is not None


def read(folder: Path, table: Path | None = None) -> Found:
    """The cases that a table names; raises NotThisDataSet where no table is there, or no column names files."""
    path = the_table(folder, table)
    tabular = opened(path)
    return from_table(folder, path.name, tabular, guess(tabular.table))


def the_table(folder: Path, table: Path | None) -> Path:
    """The table that was named, or the one in the folder; raises NotThisDataSet."""
    path = table or _candidate(folder)
    if path is None:
        raise NotThisDataSet(f"{folder.name} holds no table, or several: name one with --table")
    return path


def opened(path: Path) -> Tabular:
    """The table in a file, as `read_tabular`; raises NotThisDataSet."""
    try:
        return read_tabular(path)
    except NotATable as error:
        raise NotThisDataSet(str(error)) from None


def from_table(folder: Path, name: str, tabular: Tabular, known: ColumnMap) -> Found:
    """The cases of a table in the folder, by a column map; see `read`."""
    if "path" not in known.columns:
        has = ", ".join(tabular.table.columns[:20])
        raise NotThisDataSet(f"no column of {name} names files: say which with --map path=…; it has {has}")
    table = mapped(tabular.table, known)
    paths, problems = _resolved(folder, name, table["path"], tabular.first_line)
    problems += not_understood(tabular.table, known, name, tabular.first_line)
    table = table.with_columns(path=paths)
    if "case" not in table.columns or table["case"].null_count() or table["case"].n_unique() < len(table):
        table = table.drop("case", strict=False).with_columns(case=_unique_cases(paths))
    has_patient = "patient" in table.columns and table["patient"].null_count() < len(table)
    if has_patient:
        nobody = pl.col("patient").is_null() & pl.col("path").is_not_null()
        lines = table.select(pl.arg_where(nobody)).to_series()
        problems += [unnamed_patient(name, int(row) + tabular.first_line) for row in lines]
    table = table.with_columns(patient=pl.coalesce("patient", "case") if has_patient else pl.col("case"))
    described = Description(
        Path(name).stem,
        labels=labels_of(known),
        patient_is="patient" if has_patient else "image",
        site_is="hospital" if "site" in table.columns else "",
        source=f"{name} ({tabular.understood_as})",
    )
    if not has_patient:
        described = replace(described, notes=(NO_PATIENTS,))
    table = collected(conformed(table.filter(pl.col("path").is_not_null())))
    return Found(table, described, folder, problems, names_people=True)


def _candidate(folder: Path) -> Path | None:
    tables = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES and path.is_file()]
    usual = [path for path in tables if path.stem.lower() in USUAL]
    return usual[0] if usual else tables[0] if len(tables) == 1 else None


def _resolved(folder: Path, name: str, told: pl.Series, first_line: int) -> tuple[pl.Series, list[Problem]]:
    """Paths as they lie in the folder, where a table leaves out a folder or an ending; and what it names in vain."""
    there = {composed(one): one for one in files_below(folder)}
    by_name: dict[str, list[str]] = {}
    for known, one in there.items():
        if one.lower().endswith((*PICTURES, *VOLUMES, ".dcm")) or "." not in Path(one).name:
            for key in {Path(known).name, Path(known).name.split(".")[0]}:
                by_name.setdefault(key, []).append(one)
    paths: list[str | None] = []
    problems: list[Problem] = []
    for line, value in enumerate(told, first_line):
        path = None if value is None else composed(str(value)).replace("\\", "/").removeprefix("./")
        if path in there:
            path = there[path]
        elif path is None:
            problems.append(
                Problem("missing", name, line, "no file is named", "name one; the row is left out until then")
            )
        elif "://" not in path and not Path(path).is_absolute():
            same = by_name.get(Path(path).name, [])
            if len(same) == 1:
                path = same[0]
            else:
                says = "several files have this name" if same else "there is no such file below the folder"
                problems.append(Problem("missing", name, line, says, "write its path as seen from the folder"))
        paths.append(path)
    return pl.Series("path", paths, dtype=pl.String), problems


def _unique_cases(paths: pl.Series) -> pl.Series:
    """Names of cases from their files; a file that stands there twice gets a number."""
    seen: dict[str, int] = {}
    cases = []
    for path in paths:
        stem = str(path).rsplit("/", 1)[-1].split(".")[0]
        seen[stem] = seen.get(stem, 0) + 1
        cases.append(stem if seen[stem] == 1 else f"{stem}-{seen[stem]}")
    return pl.Series("case", cases, dtype=pl.String)

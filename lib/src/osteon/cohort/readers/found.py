"""What a reader gives, and what all of them need: files of a folder, a table's lines, problems."""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from osteon.cohort.problem import Problem
from osteon.cohort.table import Description, collected, conformed
from osteon.cohort.tabular import NotATable, Tabular, read_tabular
from osteon.errors import OsteonError

__all__ = [
    "NO_PATIENTS",
    "Found",
    "NotThisDataSet",
    "agreed",
    "composed",
    "files_below",
    "listed_and_there",
    "needed_table",
    "said_yes",
    "table_of",
    "unnamed_patient",
]

NO_PATIENTS = "no patient is told: splits are by image, and flatter"


class NotThisDataSet(OsteonError):
    """A folder without the layout that the reader needs: what is missing, and where it was looked for."""


@dataclass(frozen=True)
class Found:
    """A data set as its files and tables tell it; `folder` is what its paths are relative to. `names_people`: whether
    patients, studies and cases are named as a hospital names them; those of published data sets say nothing.
    """

    table: pl.DataFrame
    description: Description
    folder: Path
    problems: list[Problem] = field(default_factory=list)
    names_people: bool = False


def files_below(folder: Path, *suffixes: str) -> Iterator[str]:
    """Paths of the files below a folder, relative and sorted; hidden ones, and macOS's `._` copies, are left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        for name in sorted(names):
            if not name.startswith(".") and (not suffixes or name.lower().endswith(suffixes)):
                yield (Path(place) / name).relative_to(folder).as_posix()


def composed(text: str) -> str:
    """A file's name as tables write it: disks of macOS keep an `ö` as `o` and two dots."""
    return unicodedata.normalize("NFC", text)


def needed_table(path: Path, *columns: str, sheet: str | None = None) -> Tabular:
    """The table at `path`, which must have `columns`; raises NotThisDataSet, with the names that it has instead."""
    try:
        tabular = read_tabular(path, sheet=sheet)
    except NotATable as error:
        raise NotThisDataSet(str(error)) from None
    if missing := [name for name in columns if name not in tabular.table.columns]:
        has = ", ".join(tabular.table.columns[:20])
        raise NotThisDataSet(f"{path.name} has no column {' and no column '.join(missing)}; it has {has}")
    return tabular


def table_of(rows: Iterable[dict[str, object]]) -> pl.DataFrame:
    """A table of the schema from rows; keys beyond it become further columns."""
    listed = list(rows)
    names = dict.fromkeys(name for row in listed for name in row)
    columns = {name: [row.get(name) for row in listed] for name in names}
    columns.setdefault("case", [])
    columns.setdefault("patient", [])
    return collected(conformed(pl.DataFrame(columns, strict=False, infer_schema_length=None)))


def agreed(told: pl.DataFrame, key: str) -> pl.DataFrame:
    """One row for each value of `key`; what its lines do not agree on is null."""
    other = (pl.when(pl.col(one).n_unique() == 1).then(pl.col(one).first()).alias(one) for one in told.columns)
    return told.group_by(key, maintain_order=True).agg(one for one in other if one.meta.output_name() != key)


def unnamed_patient(where: str, line: int = 0) -> Problem:
    """That a file, or a line of a table, names no patient while it may be one of another's."""
    says = "no patient is named: it counts as one of its own, whose other images may stand on the other side of a split"
    return Problem("no-patient", where, line, says, "name the patient in a table, or leave the image out")


def listed_and_there(
    listed: dict[str, int], there: Iterable[str], listing: str, *, folder_of: str = ""
) -> Iterator[Problem]:
    """A problem for each file that a listing names and that is not there, and for each that is there unnamed.

    `listed` gives the line of each file in `listing`; `folder_of` ends with a slash and is left out of names.
    """
    found = set(there)
    for path, line in listed.items():
        if path not in found:
            yield Problem("missing", listing, line, f"there is no file {path.removeprefix(folder_of)}",
                          "copy it from the source again, or remove the line")  # fmt: skip
    for path in sorted(found - set(listed)):
        yield Problem("not-listed", path, says=f"{listing} does not name this file",
                      way_out="add it there; it is left out until then")  # fmt: skip


def said_yes(value: object) -> bool | None:
    """A yes or no as tables write it; None where it is neither."""
    text = str(value).strip().lower() if value is not None else ""
    if text in ("1", "1.0", "true", "yes", "y", "ja", "j", "positive"):
        return True
    if text in ("0", "0.0", "false", "no", "n", "nej", "nein", "negative"):
        return False
    return None

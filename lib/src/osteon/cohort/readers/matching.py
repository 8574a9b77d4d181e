"""Which line of a table speaks of which DICOM file, and the table that both make.

Lines are matched by the most exact of these that fits at least half of the lines, or half of the files: path or file
name, SOP Instance UID, Study Instance UID, Accession Number, Patient ID. Only a column that by its name can be that
key is tried: a parity of 3 is no file `3`.
"""

import polars as pl

from osteon.cohort.problem import Problem
from osteon.cohort.readers.found import NotThisDataSet, agreed
from osteon.cohort.table import collected, conformed
from osteon.cohort.words import NAMES, plain

__all__ = ["joined"]

FILES = ("path", "case", *NAMES["path"], *NAMES["case"])
STUDIES = ("study", *NAMES["study"])
KEYS = {  # the headers' key → names of the columns that can be it, the most exact key first
    "path": FILES,
    "file name": FILES,
    "sop_instance": (*FILES, "sop instance uid", "sop instance", "sop uid", "instance uid", "image uid", "uid"),
    "study": (*STUDIES, "study uid"),
    "accession": (*STUDIES, "accession no"),
    "patient": ("patient", *NAMES["patient"]),
}
COMPARED = ("side", "view", "exam_date")  # lengths are compared where the files are measured


def joined(
    headers: pl.DataFrame, told: pl.DataFrame, name: str, first_line: int, unreadable: set[str]
) -> tuple[pl.DataFrame, list[Problem]]:
    """The headers with what a mapped table adds; and what is wrong between both.

    `name` is the table's file, `first_line` that of its first row; `unreadable` are files that a line may name and that
    are no case. Raises NotThisDataSet where no key fits half of the lines or of the files.
    """
    key, theirs = _key(headers, told)
    told = told.with_columns(_key=_told_key(told, key, theirs), _line=pl.int_range(first_line, first_line + pl.len()))
    problems = []
    twice = told.filter(~pl.col("_key").is_first_distinct() & pl.col("_key").is_not_null())
    says = f"{theirs} stands in several lines; what differs between them is left out"
    for line in twice["_line"]:
        problems.append(Problem("twice", name, line, says, "keep one line for each, or add a column with file names"))
    ours = headers.with_columns(_key=_key_of(headers, key))
    for line, value in told.filter(~pl.col("_key").is_in(ours["_key"].implode())).select("_line", "_key").iter_rows():
        if value in unreadable or (key == "file name" and any(path.endswith(f"/{value}") for path in unreadable)):
            continue
        says = f"no file has this {theirs}, or several have it as their name"
        says = "no file is named" if value is None else says if key == "file name" else f"no file has this {theirs}"
        problems.append(Problem("missing", name, line, says, "copy the file, or remove the line"))
    unnamed = ours.filter(~pl.col("_key").is_in(told["_key"].implode()).fill_null(value=False))["path"]
    problems += [
        Problem("not-listed", path, says=f"{name} has no line for this file", way_out="add one, or remove the file")
        for path in unnamed
    ]
    told = agreed(told.drop("_line", "path", "case", strict=False), "_key")
    both = ours.join(told, on="_key", how="left", suffix=" told", maintain_order="left")
    problems += _other_patients(both, name) if "patient told" in both.columns else []
    problems += _contradicted(both, name)
    shared = [column for column in both.columns if f"{column} told" in both.columns]
    merged = [
        pl.coalesce(pl.col(f"{column} told").cast(headers.schema[column]), column).alias(column) for column in shared
    ]
    table = both.with_columns(*merged).drop("_key", *(f"{column} told" for column in shared))
    return collected(conformed(table)), problems


def _key(headers: pl.DataFrame, told: pl.DataFrame) -> tuple[str, str]:
    """By what lines and files are matched: the headers' key, and the table's column."""
    enough: list[tuple[int, str, str]] = []
    for key, names in KEYS.items():
        have = _key_of(headers, key)
        known = {plain(one) for one in names}
        for theirs in (column for column in told.columns if plain(column) in known):
            values = _told_key(told, key, theirs)
            lines = int(values.is_in(have.drop_nulls().implode()).sum())
            files = int(have.is_in(values.drop_nulls().implode()).sum())
            if lines and (2 * lines >= len(told) or 2 * files >= len(headers)):
                enough.append((lines, key, theirs))
    if not enough:
        raise NotThisDataSet(
            "no column of the table fits half of its lines, or half of the files, by path, file name, SOP Instance "
            "UID, Study Instance UID, Accession Number or Patient ID: add a column with one of them, or say which "
            "is one with --map path=…, --map study=… or --map patient=…"
        )
    exact = ("path", "file name") if enough[0][1] == "path" else (enough[0][1],)
    _, key, theirs = max((one for one in enough if one[1] in exact), key=lambda one: one[0])
    return key, theirs


def _told_key(told: pl.DataFrame, key: str, theirs: str) -> pl.Series:
    """A column of the table as it is compared: of a path its last part, where file names are."""
    text = told[theirs].cast(pl.String).str.strip_chars().str.normalize("NFC")
    return text.str.replace_all("\\", "/", literal=True).str.split("/").list.last() if key == "file name" else text


def _key_of(headers: pl.DataFrame, key: str) -> pl.Series:
    """The headers' side of a key; a file name that several folders hold names no file."""
    if key != "file name":
        return headers[key].str.normalize("NFC")
    names = headers["path"].str.normalize("NFC").str.split("/").list.last()
    return names.set(names.is_duplicated(), None)


def _other_patients(both: pl.DataFrame, name: str) -> list[Problem]:
    """Files whose patient is another one by the table: said once where each stands for one, else file by file."""
    pairs = both.select("path", ours="patient", theirs="patient told").drop_nulls()
    if pairs["ours"].equals(pairs["theirs"].alias("ours")):
        return []
    torn = pairs.filter((pl.col("theirs").n_unique().over("ours") > 1) | (pl.col("ours").n_unique().over("theirs") > 1))
    says = f"{name} tells patients apart otherwise than the PatientID of the headers does; the table counts"
    way_out = "mend the table, or keep the headers' with --map patient="
    if len(torn):
        return [Problem("contradiction", path, says=says, way_out=way_out) for path in torn["path"]]
    says = f"patients are named otherwise than in the headers, {len(pairs)} files; each stands for one there"
    return [Problem("not-checked", name, says=says, way_out="nothing, if the table holds pseudonyms")]


def _contradicted(both: pl.DataFrame, name: str) -> list[Problem]:
    """Files of which the table says another side, view or day than their header does; the table counts."""
    problems = []
    for column in (one for one in COMPARED if f"{one} told" in both.columns):
        ours, theirs = pl.col(column), pl.col(f"{column} told").cast(both.schema[column])
        paths = both.filter((ours != theirs).fill_null(value=False))["path"]
        compared = both.select((ours.is_not_null() & theirs.is_not_null()).sum()).item()
        way_out = f"mend the table, or keep the header's with --map {column}="
        if column == "exam_date" and len(paths) == compared > 1:  # moved on purpose, as where names are pseudonyms
            says = f"all {compared} days are others than in the headers; the table counts"
            problems.append(Problem("not-checked", name, says=says, way_out="nothing, if the table's days are moved"))
            continue
        says = f"{name} says another {column} than the header; the table counts"
        problems += [Problem("contradiction", path, says=says, way_out=way_out) for path in paths]
    return problems

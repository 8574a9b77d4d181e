"""Anybody's table: CSV however it was saved, Excel, SAS, SPSS, Stata; with a word on how it was understood.

Numbers with a decimal comma become numbers, dates become dates where every value is one, and all else stays text, so
that an identifier with leading zeros keeps them.
"""

import csv
import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import polars as pl
import pyreadstat

from osteon.errors import OsteonError

__all__ = ["DATES", "SUFFIXES", "NotATable", "Tabular", "read_tabular"]

SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".sas7bdat", ".xpt", ".sav", ".zsav", ".por", ".dta", ".parquet")
ENCODINGS = ("utf-8-sig", "latin-1")  # Latin-1 takes any byte, so it comes last
SEPARATORS = ";,\t|"
NUMBER, COMMA_NUMBER = r"^[+-]?(0|[1-9]\d*)?(\.\d+)?([eE][+-]?\d+)?$", r"^[+-]?\d{1,3}(\.?\d{3})*,\d+$|^[+-]?\d+,\d+$"
DATES = ("%Y-%m-%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y")  # as ISO, DICOM, and day first; 03/04 is the third of April
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", ".", "-")


class NotATable(OsteonError):
    """A file that can't be read as a table; the text says why and what to save it as."""


@dataclass(frozen=True)
class Tabular:
    """The rows, and how the file was understood, for people to look at. `first_line` is that of the first row."""

    table: pl.DataFrame
    understood_as: str
    first_line: int = 2


def read_tabular(path: Path, *, sheet: str | None = None, has_header: bool = True) -> Tabular:
    """The table in a file of any of `SUFFIXES`; `sheet` is of a workbook, the first one unless it is named.

    Raises NotATable.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise NotATable(f"there is no file {path.name}")
    try:
        if suffix in (".xlsx", ".xlsm"):
            return _excel(path, sheet)
        if suffix in (".sas7bdat", ".xpt", ".sav", ".zsav", ".por", ".dta"):
            return _statistics(path, suffix)
        if suffix == ".parquet":
            return Tabular(pl.read_parquet(path), "Parquet")
        if suffix in (".csv", ".tsv", ".txt"):
            return _csv(path, has_header=has_header)
    except (pl.exceptions.PolarsError, csv.Error, BadZipFile, OSError, ValueError, KeyError, EOFError) as error:
        raise NotATable(f"{path.name} can't be read as {suffix} ({type(error).__name__}): save it as CSV") from None
    raise NotATable(f"{path.name} is of no known kind; known ones: {' '.join(SUFFIXES)}")


def _csv(path: Path, *, has_header: bool) -> Tabular:
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text, encoding = data.decode("utf-16"), "UTF-16"
    else:
        text, encoding = _decoded(data)
    separator = _separator(text)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(row)]
    if not rows:
        raise NotATable(f"{path.name} is empty")
    width = len(rows[0])
    names = _unique([name.strip() for name in rows[0]]) if has_header else [f"column_{n + 1}" for n in range(width)]
    body = rows[1:] if has_header else rows
    if uneven := next((n for n, row in enumerate(body, 1 + has_header) if len(row) != width), 0):
        raise NotATable(
            f"{path.name}:{uneven} has another number of fields than the first line: put quotes around text that "
            f"holds {separator!r}"
        )
    table = pl.DataFrame(body, schema=dict.fromkeys(names, pl.String), orient="row")
    typed, commas = _typed(table)
    named = {";": "semicolons", ",": "commas", "\t": "tabs", "|": "bars"}[separator]
    said = f"CSV with {named}, {encoding}" + (f", decimal comma in {', '.join(commas)}" if commas else "")
    return Tabular(typed, said, 2 if has_header else 1)


def _decoded(data: bytes) -> tuple[str, str]:
    for encoding in ENCODINGS:
        try:
            return data.decode(encoding), {"utf-8-sig": "UTF-8", "latin-1": "Latin-1"}[encoding]
        except UnicodeDecodeError:
            continue
    raise NotATable("its encoding is not known: save it as UTF-8")


def _separator(text: str) -> str:
    """The mark that cuts the first lines into most fields, into equally many each time."""
    lines = text.splitlines()[:20]

    def fields(mark: str) -> tuple[bool, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=mark) if row]
        return len(set(counts)) == 1, counts[0] if counts else 0

    return max(SEPARATORS, key=lambda mark: (fields(mark)[1] > 1, *fields(mark)))


def _typed(table: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Numbers and dates where every value is one; also the columns whose numbers had a decimal comma."""
    commas, columns = [], []
    for name in table.columns:
        text = table[name].str.strip_chars()
        text = text.set(text.is_in(MISSING), None)
        known = text.filter(text != "None")  # among numbers and dates it is no value; among words it may be a label
        if not len(known):
            columns.append(text)
        elif known.str.contains(NUMBER).all() and known.str.contains(r"\d").all():
            is_whole = not known.str.contains(r"[.eE]").any() and known.str.len_chars().max() < 18  # type: ignore[operator]
            columns.append(text.cast(pl.Int64 if is_whole else pl.Float64, strict=False))
        elif known.str.contains(r"^[+-]?\d+$|" + COMMA_NUMBER).all() and known.str.contains(",").any():
            commas.append(name)
            columns.append(
                text.str.replace_all(".", "", literal=True)
                .str.replace(",", ".", literal=True)
                .cast(pl.Float64, strict=False)
            )
        else:
            dates = _dates(text.replace("None", None))
            columns.append(dates if dates.dtype == pl.Date else text)
    return pl.DataFrame(columns), commas


def _dates(text: pl.Series) -> pl.Series:
    for form in DATES:
        dates = text.str.to_date(form, strict=False)
        if dates.null_count() == text.null_count():
            return dates
    return text


def _excel(path: Path, sheet: str | None) -> Tabular:
    import openpyxl

    with warnings.catch_warnings(action="ignore"):  # openpyxl says which formats it drops
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        if sheet is not None and sheet not in book.sheetnames:
            raise NotATable(f"{path.name} has no sheet {sheet}; it has {', '.join(book.sheetnames)}")
        page = book[sheet or book.sheetnames[0]]
        rows = [row for row in page.iter_rows(values_only=True) if any(value is not None for value in row)]
    finally:
        book.close()
    if not rows:
        raise NotATable(f"the sheet {page.title} of {path.name} is empty")
    names = _unique([str(value).strip() if value is not None else "" for value in rows[0]])
    table = pl.DataFrame(
        {name: pl.Series(name, _plain([row[n] for row in rows[1:]]), strict=False) for n, name in enumerate(names)}
    )
    texts = [name for name in names if table[name].dtype == pl.String]
    typed, commas = _typed(table.select(texts)) if texts else (table.select(texts), [])
    table = table.with_columns(typed.get_columns())
    return Tabular(table, f"Excel, sheet {page.title}" + (f", decimal comma in {', '.join(commas)}" if commas else ""))


def _plain(values: list[object]) -> list[object]:
    """A column of a workbook with one kind of value: mixed ones become text, midnights become dates."""
    import datetime

    known = [value for value in values if value is not None]
    if known and all(isinstance(value, datetime.datetime) and value.time() == datetime.time() for value in known):
        return [value.date() if isinstance(value, datetime.datetime) else None for value in values]
    if len({type(value) for value in known} - {int, float}) > (1 if known else 0) or (
        {type(value) for value in known} & {int, float} and {type(value) for value in known} - {int, float}
    ):
        return [None if value is None else str(value) for value in values]
    return values


def _statistics(path: Path, suffix: str) -> Tabular:
    readers: dict[str, tuple[Any, str]] = {
        ".sas7bdat": (pyreadstat.read_sas7bdat, "SAS"),
        ".xpt": (pyreadstat.read_xport, "SAS transport"),
        ".sav": (pyreadstat.read_sav, "SPSS"),
        ".zsav": (pyreadstat.read_sav, "SPSS"),
        ".por": (pyreadstat.read_por, "SPSS portable"),
        ".dta": (pyreadstat.read_dta, "Stata"),
    }
    read, said = readers[suffix]
    try:
        # SAS keeps the words for its codes in a catalogue of its own; the others carry them.
        words = {} if suffix in (".sas7bdat", ".xpt") else {"apply_value_formats": True}
        table, _ = read(str(path), output_format="polars", **words)
    except (pyreadstat.PyreadstatError, pyreadstat.ReadstatError) as error:
        raise NotATable(f"{path.name} is no {said} file that can be read ({type(error).__name__})") from None
    texts = [name for name, dtype in table.schema.items() if dtype == pl.String]
    blank = [pl.col(name).replace("", None) for name in texts]
    whole = [name for name, dtype in table.schema.items() if dtype == pl.Float64 and _is_whole(table[name])]
    return Tabular(table.with_columns(*blank, *(pl.col(name).cast(pl.Int64) for name in whole)), said)


def _is_whole(numbers: pl.Series) -> bool:
    known = numbers.drop_nulls()
    return len(known) > 0 and bool(known.is_finite().all()) and bool((known == known.round()).all())


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    unique = []
    for number, name in enumerate(names, 1):
        name = re.sub(r"\s+", " ", name) or f"column_{number}"
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return unique

"""What stands in the cells of anybody's table: text, days, yes and no, lengths; what is none of them is null."""

import math
import re
from collections.abc import Mapping

import polars as pl

from osteon.cohort.tabular import DATES
from osteon.cohort.words import said

__all__ = ["as_text", "days", "numbers", "spacing", "translated"]

LENGTH = re.compile(r"[+-]?(\d+([.,]\d+)?|[.,]\d+)")
BETWEEN = re.compile(r"[\\;x\u00d7*/|\s]|,\s")  # two lengths; a comma between digits is a decimal one


def as_text(column: pl.Series) -> pl.Series:
    """Values as text without spaces around it; whole numbers without a point, and what is no number as null."""
    if column.dtype.is_float():
        column = column.fill_nan(None)
        known = column.drop_nulls()
        if bool((known.is_finite() & (known == known.round())).all()):
            column = column.cast(pl.Int64)  # an identifier that came as 17.0
    return column.cast(pl.String).str.strip_chars()


def days(column: pl.Series) -> pl.Series:
    """Days, value by value: one that is none of `DATES` is null, and takes no other with it."""
    if column.dtype in (pl.Date, pl.Datetime):
        return column.cast(pl.Date)
    # A workbook's midnights become text where another cell of the column is text.
    text = as_text(column).str.replace(r"^(\d{4}-\d\d-\d\d)[ T]00:00.*$", "$1")
    forms = [text.str.to_date(form, strict=False).alias(form) for form in DATES]
    return pl.DataFrame(forms).select(pl.coalesce(*DATES)).to_series().alias(column.name)


def translated(column: pl.Series, words: Mapping[str, str], otherwise: str | None) -> pl.Series:
    """Each value by its word, whatever its accents and capitals; other marks count: `R?` is no `R`."""
    values = [None if value is None else words.get(said(str(value)), otherwise) for value in column]
    return pl.Series(column.name, values, dtype=pl.String)


def numbers(column: pl.Series) -> pl.Series:
    """Numbers, also where they came as text."""
    return column if column.dtype.is_numeric() else as_text(column).cast(pl.Float64, strict=False)


def spacing(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Between rows and between columns in mm, from numbers or text: `0.14`, `0,14 mm`, `0.14\\0.14`, `[0.14, 0.14]`.

    Null is what is no length above zero, has another unit than mm, or is more than two.
    """
    pairs = [_lengths(value) for value in column]
    down, across = ([pair and pair[place] for pair in pairs] for place in (0, 1))
    return pl.Series("spacing_y_mm", down, dtype=pl.Float64), pl.Series("spacing_x_mm", across, dtype=pl.Float64)


def _lengths(value: object) -> tuple[float, float] | None:
    if isinstance(value, int | float):
        found = [float(value)]
    else:
        text = str(value).strip().lower().replace("mm", " ")
        bare = text.strip("[]() ")
        if "." in bare:
            bare = bare.replace(",", " ")  # nobody writes thousands of mm: points are decimal, commas stand between
        elif bare != text.strip() and re.search(r",\S", bare):
            return None  # [1,5] may be one length or two
        parts = [part for part in BETWEEN.split(bare) if part]
        if not 1 <= len(parts) <= 2 or not all(LENGTH.fullmatch(part) for part in parts):
            return None
        found = [float(part.replace(",", ".")) for part in parts]
    return (found[0], found[-1]) if all(0 < one < math.inf for one in found) else None

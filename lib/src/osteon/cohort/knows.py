"""Variables that know the outcome: those that say more of it than anything that can be known before it.

A variable is suspect where some value of it, or its being missing, holds for at least 30 % of the positive patients and
is surely 20 times as frequent among them as among the others (positive likelihood ratio, of the exact bounds of both
shares at 99.9 %: Clopper and Pearson, Biometrika 1934). A ratio of 10 counts as conclusive in diagnostics;
use of bisphosphonates, the cause of most atypical fractures, reaches 4 (69 % against 17 %, Bauer and others 2024).
It is also suspect where it orders patients almost perfectly (area under the curve of at least 0.95).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import beta

from osteon.statistics.binary import area_under_curve

__all__ = ["LEAST_POSITIVE", "Knowing", "knowing", "others_needed"]

LEAST_SHARE, LEAST_RATIO, LEAST_AREA = 0.3, 20.0, 0.95
CERTAINTY = 0.999  # hundreds of variables are looked at, at several thresholds each
MOST_LEVELS = 50
LEAST_POSITIVE = 10  # patients; fewer say nothing

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Knowing:
    """A variable's name and, in words, what it knows."""

    name: str
    how: str


def knowing(variables: pl.DataFrame, is_positive: Bools) -> Iterator[Knowing]:
    """Each suspect variable, in order; rows of both are the same patients."""
    if is_positive.sum() < LEAST_POSITIVE or (~is_positive).sum() < LEAST_POSITIVE:
        return
    for name in variables.columns:
        if how := _how(variables[name], is_positive):
            yield Knowing(name, how)


def others_needed(n_positive: int) -> int:
    """How many other patients it takes for a variable that all positive ones have, and no other, to be suspect."""
    least_of_positive = beta.ppf(1 - CERTAINTY, n_positive, 1)
    return math.ceil(math.log(1 - CERTAINTY) / math.log1p(-least_of_positive / LEAST_RATIO))


def _how(column: pl.Series, is_positive: Bools) -> str:
    missing = column.is_null().to_numpy()
    if says := _likely(missing, is_positive):
        return f"is missing {says}"
    if says := _likely(~missing, is_positive):
        return f"is known {says}"
    if column.dtype == pl.Boolean or column.dtype.is_numeric() or column.dtype.is_temporal():
        return _how_number(_numbers(column), is_positive)
    if column.dtype != pl.String or not 1 < column.n_unique() <= MOST_LEVELS:
        return ""
    for level in column.drop_nulls().unique().sort():
        if says := _likely((column == level).fill_null(value=False).to_numpy(), is_positive):
            return f"has one value {says}"
    return ""


def _how_number(values: Floats, is_positive: Bools) -> str:
    known = np.isfinite(values)
    x, y = values[known], is_positive[known]
    if len(np.unique(x)) < 2 or y.sum() < LEAST_POSITIVE or (~y).sum() < LEAST_POSITIVE:
        return ""
    area = area_under_curve(x, y)
    if max(area, 1 - area) >= LEAST_AREA:
        return f"orders patients by outcome (area under the curve {max(area, 1 - area):.3f})"
    for values_now in (x, -x):
        for cut in np.unique(np.quantile(values_now[y], [0.02, 0.1, 0.2, 0.3, 0.5, 0.7])):
            if says := _likely(values_now >= cut, y):
                return f"is {'at least' if values_now is x else 'at most'} some value {says}"
    return ""


def _likely(holds: Bools, is_positive: Bools) -> str:
    """In words, how much more frequent it is among the positive ones; empty where that is not suspect."""
    a, n = int((holds & is_positive).sum()), int(is_positive.sum())
    b, m = int((holds & ~is_positive).sum()), int((~is_positive).sum())
    if a < LEAST_SHARE * n or a < LEAST_POSITIVE:
        return ""
    least_of_positive = beta.ppf(1 - CERTAINTY, a, n - a + 1)
    most_of_others = beta.ppf(CERTAINTY, b + 1, m - b) if b < m else 1.0
    if least_of_positive < LEAST_RATIO * most_of_others:
        return ""
    return f"for {a / n:.0%} of the positive patients and {b / m:.1%} of the others"


def _numbers(column: pl.Series) -> Floats:
    numbers = column.to_physical() if column.dtype.is_temporal() else column
    return numbers.cast(pl.Float64).fill_null(float("nan")).to_numpy()

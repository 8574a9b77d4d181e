"""Variables from long dated tables, in windows before each patient's index date; nothing dated later enters.

A long table has a row an entry: patient, date, kind (`diagnosis`, `drug`, `operation`), code, amount (of a drug, in
defined daily doses). A variable counts, sums or dates the entries of one code, at one level of its tree, in one window.
Where a patient is in no register, or nobody of the site has an entry of a kind, it is null: not known is not zero.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from osteon.cohort.values import as_text
from osteon.errors import OsteonError

__all__ = ["KINDS", "LONG", "WINDOWS", "Built", "NotARegister", "Window", "build", "index_dates", "later_entries"]

LONG: dict[str, pl.DataType | type[pl.DataType]] = {
    "patient": pl.String, "date": pl.Date, "kind": pl.String, "code": pl.String, "amount": pl.Float64,
}  # fmt: skip
# Letters of a code that make a level: ICD-10 category and whole code; ATC subgroup and substance; NOMESCO's chapter of
# the body and whole code.
KINDS = {"diagnosis": (3, 8), "drug": (4, 7), "operation": (2, 6)}
LEAST_PATIENTS = 10
MEASURES = (  # column, ending of the variable's name, what it is, unit
    ("entries", "n", "number of entries", "entries"),
    ("amount", "ddd", "sum of amounts", "defined daily doses"),
    ("days", "since", "days from the last entry to the index date; null where there is none", "days"),
)


class NotARegister(OsteonError):
    """A table that is no long table of a register, or fits no patient; the text says what to do."""


@dataclass(frozen=True)
class Window:
    """Days before the index date, the first and the last included; `to_days` is at least 1: the day itself is out."""

    name: str
    from_days: int
    to_days: int

    def __post_init__(self) -> None:
        if not 1 <= self.to_days <= self.from_days:
            raise ValueError(f"a window lies before the index date: {self.from_days} to {self.to_days} days before it")


WINDOWS = (Window("1y", 365, 1), Window("5y", 1826, 1), Window("10y", 3652, 1))


@dataclass(frozen=True)
class Built:
    """`variables`: a row a patient. `dictionary`: a row a variable: what it means, its unit, how many have it.
    `n_later` entries of the cohort's patients came too late; `left_out` counts those that were of no use, by why."""

    variables: pl.DataFrame
    dictionary: pl.DataFrame
    n_later: int
    digest: str
    left_out: Mapping[str, int] = field(default_factory=dict)


def index_dates(table: pl.DataFrame) -> pl.DataFrame:
    """Patient, index_date and site from a table of cases.

    The index date is the column `index_date`, else the examination less `days_from_index`, else the first examination.
    Raises NotARegister where a patient has none.
    """
    if "index_date" in table.columns:
        index = pl.col("index_date")
    else:
        index = pl.col("exam_date") - pl.duration(days=pl.col("days_from_index").fill_null(0))
    dates = (
        table.group_by("patient").agg(index_date=index.cast(pl.Date).min(), site=pl.col("site").first()).sort("patient")
    )
    if n_missing := dates["index_date"].null_count():
        raise NotARegister(
            f"{n_missing} patients have no index date: add exam_date or index_date to the table of cases"
        )
    return dates


def build(
    long: pl.DataFrame | pl.LazyFrame,
    index: pl.DataFrame,
    *,
    windows: Sequence[Window] = WINDOWS,
    least_patients: int = LEAST_PATIENTS,
) -> Built:
    """Variables of every code that at least `least_patients` have in a window; which ones there are does not depend on
    any outcome. `index` is as from `index_dates`. Raises NotARegister."""
    entries, left_out = _useful(_entries(long), index)
    # 1. Only patients of the cohort, only days before the index date.
    dated = entries.join(index.lazy(), on="patient", how="inner").with_columns(
        days=(pl.col("index_date") - pl.col("date")).dt.total_days()
    )
    before = dated.filter(pl.col("days") >= 1).collect()
    n_later = int(dated.filter(pl.col("days") < 1).select(pl.len()).collect().item())
    if not len(before):
        raise NotARegister(
            "no entry lies before the index date of a patient of this cohort: are the patients' names equal?"
        )
    # 2. Each entry at each level of its code, in each window that it falls into.
    counted = pl.concat([_counted(before, kind, level, window)
                         for kind, levels in KINDS.items() for level in levels for window in windows])  # fmt: skip
    if not len(counted):
        longest = max(window.from_days for window in windows)
        raise NotARegister(f"no entry lies in a window: the earliest begins {longest} days before the index date")
    # 3. What enough patients have, as columns.
    enough = counted.filter(pl.len().over("kind", "level", "code", "window") >= least_patients)
    # A code that is as short as its category stands at both levels: `M81`.
    enough = enough.sort("level").unique(["kind", "window", "code", "patient"], keep="first", maintain_order=True)
    values = pl.concat([_measured(enough, *measure) for measure in MEASURES] + _totals(counted))
    wide = values.pivot("variable", index="patient", values="value", sort_columns=True)
    wide = index.select("patient", "site").join(wide, on="patient", how="left")
    dictionary = values.select("variable", "kind", "code", "window", "what", "unit").unique("variable").sort("variable")
    # 4. None is zero, but not known is null.
    wide = _with_zeros(wide, before, dictionary).drop("site").sort("patient")
    known = wide.select(pl.exclude("patient").count()).row(0, named=True)
    above = wide.select((pl.exclude("patient") > 0).sum()).row(0, named=True)
    dictionary = dictionary.with_columns(
        n_known=pl.col("variable").replace_strict(known, return_dtype=pl.Int64),
        n_above_zero=pl.col("variable").replace_strict(above, return_dtype=pl.Int64),
    )
    digest = hashlib.sha256(wide.write_csv().encode()).hexdigest()
    return Built(wide.select("patient", *dictionary["variable"]), dictionary, n_later, digest, left_out)


def later_entries(long: pl.DataFrame | pl.LazyFrame, index: pl.DataFrame) -> int:
    """How many entries of the cohort's patients are dated on the index date or later."""
    dated = _entries(long).join(index.lazy(), on="patient", how="inner")
    return int(dated.filter(pl.col("date") >= pl.col("index_date")).select(pl.len()).collect().item())


def _entries(long: pl.DataFrame | pl.LazyFrame) -> pl.LazyFrame:
    lazy = long.lazy()
    present = lazy.collect_schema()
    if missing := [name for name in ("patient", "date", "kind", "code") if name not in present]:
        raise NotARegister(
            f"the long table has no column {' and no column '.join(missing)}; it has {', '.join(present)}"
        )
    if present["date"] not in (pl.Date, pl.Datetime):
        raise NotARegister("the column date holds no dates: write them as 2011-12-31")
    amount = pl.col("amount") if "amount" in present else pl.lit(None)
    patient = pl.col("patient")
    if present["patient"].is_float():
        patient = patient.map_batches(as_text, return_dtype=pl.String)  # 17.0 is the patient 17
    return lazy.select(
        patient.cast(pl.String), pl.col("date").cast(pl.Date),
        pl.col("kind").cast(pl.String).str.strip_chars().str.to_lowercase(),
        pl.col("code").cast(pl.String).str.to_uppercase().str.replace_all(r"[.\s]", ""),
        amount.cast(pl.Float64).alias("amount"),
    )  # fmt: skip


def _useful(entries: pl.LazyFrame, index: pl.DataFrame) -> tuple[pl.LazyFrame, dict[str, int]]:
    """Entries of a kind that is known, with a day; and how many of the cohort's patients are not, by why.

    Raises NotARegister where no entry is of a known kind.
    """
    is_known = pl.col("kind").is_in(list(KINDS)).fill_null(value=False)
    own = entries.join(index.lazy().select("patient"), on="patient", how="semi")
    kinds = own.group_by("kind").len().sort("kind").collect()
    unknown = {f"kind {kind}" if kind else "no kind": n for kind, n in kinds.iter_rows() if kind not in KINDS}
    if len(kinds) and len(unknown) == len(kinds):
        raise NotARegister(f"the column kind holds {', '.join(KINDS)}, and here {', '.join(unknown)}: rename them")
    undated = int(own.filter(is_known, pl.col("date").is_null()).select(pl.len()).collect().item())
    useful = entries.filter(is_known, pl.col("date").is_not_null())
    return useful, unknown | ({"no date": undated} if undated else {})


def _counted(before: pl.DataFrame, kind: str, level: int, window: Window) -> pl.DataFrame:
    """For each patient and code: entries, their amount, and days since the last one, within a window."""
    return (
        before.lazy()
        .filter(pl.col("kind") == kind, pl.col("days").is_between(window.to_days, window.from_days))
        .with_columns(code=pl.col("code").str.slice(0, level))
        .group_by("patient", "code")
        .agg(entries=pl.len().cast(pl.Int64), amount=pl.col("amount").sum(), days=pl.col("days").min())
        .with_columns(kind=pl.lit(kind), level=pl.lit(level), window=pl.lit(window.name))
        .sort("patient", "code")
        .collect()
    )


def _measured(counted: pl.DataFrame, column: str, ending: str, what: str, unit: str) -> pl.DataFrame:
    """One number of each patient and code, under the variable's name."""
    own = counted if column == "entries" else counted.filter(pl.col("kind") == "drug")
    return own.select(
        "patient", "kind", "code", "window",
        variable=pl.concat_str("kind", "code", "window", pl.lit(ending), separator="_"),
        value=pl.col(column).cast(pl.Float64), what=pl.lit(what), unit=pl.lit(unit),
    )  # fmt: skip


def _totals(counted: pl.DataFrame) -> list[pl.DataFrame]:
    """How many different codes of each kind a patient has: of drugs, the usual measure of frailty."""
    return [
        counted.filter(pl.col("kind") == kind, pl.col("level") == levels[-1])
        .group_by("patient", "kind", "window")
        .agg(value=pl.len().cast(pl.Float64))
        .select(
            "patient", "kind", pl.lit("all").alias("code"), "window",
            variable=pl.concat_str("kind", pl.lit("all"), "window", pl.lit("codes"), separator="_"),
            value="value", what=pl.lit("number of different codes"), unit=pl.lit("codes"),
        )
        for kind, levels in KINDS.items()
    ]  # fmt: skip


def _with_zeros(wide: pl.DataFrame, before: pl.DataFrame, dictionary: pl.DataFrame) -> pl.DataFrame:
    linked = pl.col("patient").is_in(before["patient"].unique().implode())
    expressions = []
    for kind in KINDS:
        sites = before.filter(pl.col("kind") == kind)["site"].drop_nulls().unique()
        knows = linked & (pl.col("site").is_in(sites.implode()) | pl.col("site").is_null())
        for name in dictionary.filter(pl.col("kind") == kind)["variable"]:
            value = pl.col(name) if name.endswith("_since") else pl.col(name).fill_null(0)
            expressions.append(pl.when(knows).then(value).otherwise(None).alias(name))
    return wide.with_columns(expressions)

"""Which column of anybody's table means what: good guesses by name and by what stands in it, and their preview.

    osteon cohort import FOLDER --table patients.xlsx                 shows the guesses and asks
    osteon cohort import FOLDER --table patients.xlsx --map site=klinik --map label=diagnos

Values are translated too: `höger`, `right` and `R` are the right side; `AP`, `frontal` and `PA` a frontal view.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from osteon.cohort.identifying import identifies
from osteon.cohort.problem import Problem
from osteon.cohort.readers.found import said_yes
from osteon.cohort.table import FEMUR_LABELS
from osteon.cohort.values import as_text, days, numbers, spacing, translated
from osteon.cohort.words import FEMUR_WORDS, NAMES, SIDES, VIEWS, plain, said, speaks_of_femurs
from osteon.errors import OsteonError

__all__ = [
    "ColumnMap",
    "NoSuchColumn",
    "guess",
    "label_counts",
    "labels_of",
    "mapped",
    "not_understood",
    "preview",
]

TEXTS = ("case", "patient", "study", "site", "node", "vendor", "family", "modality", "body_part", "fold", "path")
TOLD = ("side", "hardware", "exam_date", "spacing_y_mm", "spacing_x_mm", "height", "width", "days_from_index")


class NoSuchColumn(OsteonError):
    """A map that names a column which the table, or the schema, has not; or a value that the label column has not."""


@dataclass(frozen=True)
class ColumnMap:
    """`columns` maps the schema's names to the table's; `labels` each value that is known to its label."""

    columns: Mapping[str, str]
    labels: Mapping[str, str]


def guess(
    table: pl.DataFrame, named: Mapping[str, str] | None = None, label_values: Mapping[str, str] | None = None
) -> ColumnMap:
    """The map that `named` states, and for the rest the best guess; each column of the table is used once. Capitals
    and marks in the names do not count. `label_values` says what values of the label column mean.

    Raises NoSuchColumn.
    """
    named = {_ours(ours): _theirs(table, theirs) for ours, theirs in (named or {}).items()}
    chosen = {ours: theirs for ours, theirs in named.items() if theirs}
    free = [name for name in table.columns if name not in chosen.values()]
    for ours, words in NAMES.items():
        if ours in named:
            continue
        known = [plain(word) for word in words]
        ranked = [(known.index(plain(name)), name) for name in free if plain(name) in known]
        if ranked:
            chosen[ours] = min(ranked)[1]
            free.remove(chosen[ours])
    columns = {ours: chosen[ours] for ours in NAMES if ours in chosen}
    return ColumnMap(columns, _labels(table, columns.get("label"), label_values or {}))


def mapped(table: pl.DataFrame, known: ColumnMap) -> pl.DataFrame:
    """The table in the schema's names and values; columns that mean nothing here follow under their own names,
    but for those that would name a person.

    A value that is not understood becomes null, for `not_understood` to tell, or in a view `other`. `None` is a label
    where labels stand, and elsewhere nothing.
    """
    columns = dict(known.columns)
    words = [name for name, dtype in table.schema.items() if dtype == pl.String and name != columns.get("label")]
    table = table.with_columns(pl.col(words).replace("None", None))
    made = {ours: table[theirs].alias(ours) for ours, theirs in columns.items()}
    for name in TEXTS:
        if name in made:
            made[name] = as_text(made[name])
    for name in ("height", "width", "days_from_index"):
        if name in made:
            made[name] = numbers(made[name]).cast(pl.Int32, strict=False)
    if "side" in made:
        made["side"] = translated(made["side"], SIDES, None)
    if "view" in made:
        made["view"] = translated(made["view"], VIEWS, "other")
    if "body_part" in made:
        made["body_part"] = made["body_part"].str.to_uppercase()
    if "hardware" in made:
        made["hardware"] = pl.Series("hardware", [said_yes(value) for value in made["hardware"]], dtype=pl.Boolean)
    if "label" in made:
        values = [known.labels.get(value) for value in as_text(made["label"])]
        made["label"] = pl.Series("label", values, dtype=pl.String)
    if "spacing_x_mm" in made:
        made["spacing_x_mm"] = spacing(made["spacing_x_mm"])[1]
    if "spacing_y_mm" in made:
        made["spacing_y_mm"], across = spacing(made["spacing_y_mm"])
        made.setdefault("spacing_x_mm", across)
    if "exam_date" in made:
        made["exam_date"] = days(made["exam_date"])
    rest = [table[name] for name in table.columns if name not in columns.values() and name not in made]
    rest = [column for column in rest if not identifies(column)]
    return pl.DataFrame([*made.values(), *rest])


def not_understood(table: pl.DataFrame, known: ColumnMap, name: str, first_line: int) -> list[Problem]:
    """Each value of the table that `mapped` leaves out, by its line and column; the value itself is not repeated.

    `name` is the table's file, `first_line` that of its first row.
    """
    made = mapped(table, known)
    problems = []
    for ours in (one for one in TOLD if one in known.columns):
        theirs = known.columns[ours]
        there = table[theirs].is_not_null() & ~table[theirs].cast(pl.String).is_in(["None", ""])
        for row in (there & made[ours].is_null()).arg_true():
            says = f"the value of {theirs} is not understood as {ours}, and left out"
            problems.append(Problem("not-understood", name, row + first_line, says, "write it as the other lines do"))
    if theirs := known.columns.get("label", ""):
        for row in (table[theirs].is_not_null() & made["label"].is_null()).arg_true():
            says = f"the value of {theirs} is no label that is known, and left out"
            way_out = "say what it means with --label-values, or keep it under its own name: --label-values it=it"
            problems.append(Problem("label-unknown", name, row + first_line, says, way_out))
    return problems


def preview(table: pl.DataFrame, known: ColumnMap) -> list[tuple[str, str, str, int]]:
    """For each column that was mapped: our name, theirs, up to three values, and how many rows are empty."""
    rows = []
    for ours, theirs in known.columns.items():
        values = table[theirs].drop_nulls().unique(maintain_order=True)[:3].to_list()
        rows.append((ours, theirs, ", ".join(str(value) for value in values), table[theirs].null_count()))
    return rows


def label_counts(table: pl.DataFrame, known: ColumnMap) -> list[tuple[str, str, int]]:
    """Each value of the label column: its label (empty where none is known), itself, and its rows; unknown ones
    first, then the most frequent."""
    if "label" not in known.columns:
        return []
    counts = as_text(table[known.columns["label"]].alias("label")).drop_nulls().value_counts(sort=True)
    rows = [(known.labels.get(value, ""), str(value), int(count)) for value, count in counts.iter_rows()]
    return sorted(rows, key=lambda row: (bool(row[0]), -row[2], row[1]))


def labels_of(known: ColumnMap) -> tuple[str, ...]:
    """All labels that a data set with this map may hold: the four of femurs, or the table's own; none without any."""
    labels = tuple(dict.fromkeys(known.labels.values()))
    return FEMUR_LABELS if labels and set(labels) <= set(FEMUR_LABELS) else labels


def _ours(name: str) -> str:
    same = [ours for ours in NAMES if plain(ours) == plain(name)]
    if not same:
        raise NoSuchColumn(f"{name} is no column of a cohort; there are {', '.join(NAMES)}")
    return same[0]


def _theirs(table: pl.DataFrame, name: str) -> str:
    """The table's column of a name: as it is written, else the one that differs by capitals or marks alone."""
    same = [theirs for theirs in table.columns if plain(theirs) == plain(name)]
    if not name or name in table.columns:
        return name
    if len(same) != 1 or not plain(name):
        raise NoSuchColumn(f"the table has no column {name}; it has {', '.join(table.columns[:30])}")
    return same[0]


def _labels(table: pl.DataFrame, column: str | None, stated: Mapping[str, str]) -> dict[str, str]:
    """Each value of the label column that is known, and what it is called here.

    A table that speaks of femurs is translated, and what none of the four labels is called by is not known unless it is
    stated. Labels of another table are kept as they are: `normal` of a chest is no femur without a fracture.
    """
    if column is None:
        if stated:
            raise NoSuchColumn("no column is the label: say which with --map label=…")
        return {}
    values = [str(value) for value in as_text(table[column]).drop_nulls().unique().sort()]
    means = {said(theirs): ours for theirs, ours in stated.items()}
    if unknown := [theirs for theirs in stated if said(theirs) not in {said(value) for value in values}]:
        raise NoSuchColumn(f"{column} has no value {unknown[0]}; it has {', '.join(values[:30])}")
    is_of_femurs = bool(set(stated.values()) & set(FEMUR_LABELS)) or any(speaks_of_femurs(value) for value in values)
    if not is_of_femurs:
        return {value: means.get(said(value), value) for value in values}
    words = {said(word): label for label, known in FEMUR_WORDS.items() for word in (label, *known)}
    return {value: label for value in values if (label := (words | means).get(said(value)))}

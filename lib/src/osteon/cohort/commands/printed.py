"""How a table was understood, and what is wrong with a data set, as they are shown on the screen."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:  # what weighs is imported by the command that needs it
    import polars as pl

    from osteon.cohort.column_map import ColumnMap
    from osteon.cohort.problem import Problem

__all__ = ["SHOWN_OF_A_KIND", "show_map", "show_problems"]

SHOWN_OF_A_KIND = 5
SHOWN_LABELS = 20


def show_map(
    screen: Console,
    name: str,
    table: "pl.DataFrame",
    understood_as: str,
    known: "ColumnMap",
    *,
    keeps_names: bool = False,
) -> None:
    """Which column means what, which value of the label column means what, and what is left out or kept."""
    from osteon.cohort.column_map import preview
    from osteon.cohort.identifying import identifies, is_a_number_of_a_person

    shown = Table(title=f"{name}: {understood_as}, {len(table):,} rows")
    for heading in ("here it is", "in the table", "for instance", "empty"):
        shown.add_column(heading)
    for ours, theirs, values, empty in preview(table, known):
        shown.add_row(ours, theirs, values, f"{empty:,}" if empty else "")
    screen.print(shown)
    _show_labels(screen, table, known)
    kept = [column for column in table.columns if column not in known.columns.values()]
    named = [one for one in kept if identifies(table[one]) or (is_a_number_of_a_person(one) and not keeps_names)]
    kept = [column for column in kept if column not in named]
    if named:
        screen.print(f"left out, since they would name a person: {', '.join(named)}", highlight=False, markup=False)
    if kept:
        screen.print(f"kept as they are: {', '.join(kept)}", highlight=False, markup=False)
    untold = [one for one in ("patient", "label") if one not in known.columns]
    if untold:
        says = f"no column was taken for {' and '.join(untold)}; if one tells it: --map {untold[0]}=COLUMN"
        screen.print(says, highlight=False, markup=False)


def show_problems(screen: Console, problems: "list[Problem]", all_are: str, most: int = SHOWN_OF_A_KIND) -> None:
    """The first `most` problems of each kind; `all_are` says where the others are to be had."""
    by_kind: dict[str, list[Problem]] = {}
    for problem in sorted(problems):
        by_kind.setdefault(problem.kind, []).append(problem)
    for kind, own in by_kind.items():
        style = "bold red" if own[0].is_grave else "bold yellow"
        screen.print(f"[{style}]{kind}[/] ({len(own):,})")
        for problem in own[:most]:
            screen.print(f"  {problem}", highlight=False, markup=False, soft_wrap=True)
        if len(own) > most:
            screen.print(f"  … and {len(own) - most:,} more: {all_are}", highlight=False, markup=False)


def _show_labels(screen: Console, table: "pl.DataFrame", known: "ColumnMap") -> None:
    from osteon.cohort.column_map import label_counts

    counts = label_counts(table, known)
    if not counts:
        return
    shown = Table(title=f"labels, of the column {known.columns['label']}")
    for heading in ("here it is", "in the table", "rows"):
        shown.add_column(heading)
    for ours, theirs, count in counts[:SHOWN_LABELS]:
        shown.add_row(ours or "[bold red]not known: left out[/]", theirs, f"{count:,}")
    screen.print(shown)
    if len(counts) > SHOWN_LABELS:
        screen.print(f"… and {len(counts) - SHOWN_LABELS:,} more values; is {known.columns['label']} the label?")
    if any(not ours for ours, _, _ in counts):
        says = "say what they mean: --label-values fractured=typical_fracture, or with the value itself to keep it"
        screen.print(says, highlight=False, markup=False)

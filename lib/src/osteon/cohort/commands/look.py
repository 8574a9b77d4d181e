"""`osteon cohort check` and `show`: what is wrong with a data set, and what is in it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from osteon.cohort.commands.app import CohortAt, cohort, positive_labels
from osteon.cohort.commands.printed import SHOWN_OF_A_KIND, show_problems
from osteon.cohort.progress import progress

__all__: list[str] = []


@cohort.command("check", no_args_is_help=True)
def check(
    at: CohortAt,
    files: Annotated[bool, typer.Option(help="open and decode every file, or object of the store, too")] = True,
    variables: Annotated[
        Path | None, typer.Option(help="variables by patient; else variables.parquet beside the table is taken")
    ] = None,
    positive: Annotated[str, typer.Option(help="labels that count as positive, with commas")] = "",
    out: Annotated[Path | None, typer.Option(help="write all problems to this CSV")] = None,
    show_all: Annotated[bool, typer.Option("--all", help="print every problem, not the first of each kind")] = False,
) -> None:
    """Say all that is wrong with a cohort, with file, line and way out. Changes nothing.

    Looks for what is missing, unreadable, changed or twice, patients at two sites or in two folds, missing spacing,
    unknown labels, and variables that know the outcome. Exit code 1 where something stands against trusting a result.

    Example: osteon cohort check cohorts/mine --variables cohorts/mine/variables.parquet --out problems.csv
    """
    import polars as pl

    from osteon.cohort import check as checks
    from osteon.cohort.stored_bytes import bytes_of
    from osteon.cohort.table import collected, open_cohort
    from osteon.cohort.take_in import write_problems

    opened = open_cohort(at)
    rows, name = collected(opened.frame), "cohort.csv" if at.is_dir() else at.name
    labels = positive_labels(positive, opened.description.labels)
    # Where nothing says which label is positive, each is compared with the rest.
    classes: list[tuple[str, ...]] = [labels] if labels else [(label,) for label in opened.description.labels] or [()]
    problems = checks.checked_table(rows, opened.description, name)
    known = variables or opened.folder / "variables.parquet"
    further = pl.read_parquet(known) if variables is not None or known.is_file() else None
    for one in classes:
        problems += checks.checked_variables(rows, None, name, one)
        problems += checks.checked_variables(rows, further, known.name, one) if further is not None else []
    problems = list(dict.fromkeys(problems))
    if files:
        with progress() as bar:
            task = bar.add_task("reading", total=len(rows))
            read = bytes_of(rows["path"], opened.folder)
            problems += checks.checked_files(rows, read, name, lambda done: bar.update(task, completed=done))
    screen = Console()
    said = " and ".join(labels) if labels else "each label in turn"
    screen.print(f"positive, where variables are compared with the outcome: {said}", highlight=False, markup=False)
    all_are = f"in {out}" if out is not None else "--all, or --out problems.csv"
    show_problems(screen, problems, all_are, most=10**9 if show_all else SHOWN_OF_A_KIND)
    if out is not None:
        write_problems(problems, out)
    grave = sum(problem.is_grave for problem in problems)
    screen.print(f"{len(rows):,} cases, {len(problems):,} remarks, {grave:,} of them grave", highlight=False)
    if grave:
        raise typer.Exit(1)


@cohort.command("show", no_args_is_help=True)
def show(
    at: CohortAt, plot: Annotated[Path | None, typer.Option(help="also draw plots to this PNG or SVG")] = None
) -> None:
    """Print and draw counts by site, label, size and time.

    Example: osteon cohort show cohorts/mine --plot cohort.png
    """
    from osteon.cohort.show import draw, tables
    from osteon.cohort.table import open_cohort

    opened, screen = open_cohort(at), Console()
    for table in tables(opened):
        screen.print(table)
    if plot is not None:
        draw(opened, plot)
        screen.print(f"drawn to {plot}", highlight=False)

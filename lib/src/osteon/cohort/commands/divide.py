"""`osteon cohort split` and `nodes`: who trains, who tests, and where."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from osteon.cohort.commands.app import CohortAt, cohort, positive_labels
from osteon.errors import OsteonError

__all__: list[str] = []


@cohort.command("split", no_args_is_help=True)
def split(
    at: CohortAt,
    out: Annotated[Path, typer.Argument(help="the split is saved here with its digest: .parquet, or .csv")],
    by: Annotated[
        str, typer.Option(help="patient, existing, time, or a column whose values are held out whole: site, vendor, …")
    ] = "patient",
    groups: Annotated[int, typer.Option(min=0, help="folds, or groups held out; 0: five, or as many as can be")] = 0,
    from_date: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="of the test, by time")] = None,
    positive: Annotated[str, typer.Option(help="labels that must be in each held-out group, with commas")] = "",
    seed: Annotated[int, typer.Option(min=0, help="of the draw")] = 0,
) -> None:
    """Say who trains and who tests; a patient, or the same pixels under two names, never stand on both sides.

    Example: osteon cohort split cohorts/mine splits/sites.parquet --by site --groups 5
    """
    from osteon.cohort import split as splits
    from osteon.cohort.table import collected, open_cohort

    opened, screen = open_cohort(at), Console()
    rows = collected(opened.frame)
    labels = positive_labels(positive, opened.description.labels)
    if by == "patient":
        made = splits.k_fold(rows, n_folds=groups or 5, seed=seed)
    elif by == "existing":
        made = splits.existing_folds(rows)
    elif by == "time":
        if from_date is None:
            raise OsteonError("a split in time needs --from-date")
        made = splits.in_time(rows, from_date.date())
    else:
        if not labels:
            known = ", ".join(opened.description.labels) or "none in this data set"
            raise OsteonError(f"say with --positive which labels each held-out group must have; there are {known}")
        screen.print(f"positive: {' and '.join(labels)}", highlight=False, markup=False)
        made = splits.hold_out(rows, by, n_groups=groups or None, positive=labels, seed=seed)
    if opened.description.patient_is != "patient":
        made = replace(made, rule=f"{made.rule}; each image counts as a patient, so that results flatter")
    out.parent.mkdir(parents=True, exist_ok=True)
    splits.write_split(made, out)
    table = Table(title=made.rule)
    for heading in ("fold", "train", "test"):
        table.add_column(heading, justify="right")
    for fold in made.folds:
        table.add_row(fold.name, f"{len(fold.train):,}", f"{len(fold.test):,}")
    screen.print(table)
    screen.print(f"digest {made.digest}", highlight=False)


@cohort.command("nodes", no_args_is_help=True)
def nodes(
    at: CohortAt,
    n_nodes: Annotated[int, typer.Option("--nodes", min=3, max=6, help="how many")] = 3,
    how: Annotated[
        str, typer.Option(help="even, skewed (each half the one before), or vendor (vendors together)")
    ] = "even",
    seed: Annotated[int, typer.Option(min=0, help="of the draw among sites of one size")] = 0,
) -> None:
    """Deal the sites out to the nodes of a federation, and write the table with its column `node` again.

    Example: osteon cohort nodes cohorts/mine --nodes 4 --how skewed
    """
    import polars as pl

    from osteon.cohort.nodes import HOW, with_nodes
    from osteon.cohort.table import collected, open_cohort, write_cohort

    if how not in HOW:
        raise OsteonError(f"{how} is no way to deal sites out; there are {', '.join(HOW)}")
    opened = open_cohort(at)
    table = with_nodes(collected(opened.frame), n_nodes=n_nodes, how=how, seed=seed)
    path = at / "cohort.parquet" if at.is_dir() else at
    twin = path.with_suffix(".csv" if path.suffix == ".parquet" else ".parquet")
    for one in (path, twin) if twin.is_file() else (path,):  # both hold the same table, and go on doing so
        write_cohort(table, one, opened.description)
    screen = Console()
    counts = table.group_by("node").agg(images=pl.len(), sites=pl.col("site").n_unique()).sort("node")
    for node, images, sites in counts.iter_rows():
        screen.print(f"{node}: images {images:,}, sites {sites}", highlight=False)

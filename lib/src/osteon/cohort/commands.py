"""`osteon cohort …`: a data set from its folder to shards, and into a running Osteon."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from osteon.cohort.progress import progress
from osteon.errors import OsteonError

if TYPE_CHECKING:  # what weighs is imported by the command that needs it
    import polars as pl

    from osteon.cohort.column_map import ColumnMap
    from osteon.cohort.problem import Problem

__all__ = ["cohort"]

SHOWN_OF_A_KIND = 5

cohort = typer.Typer(
    no_args_is_help=True, help="Data sets: make one, bring your own, check, show, split, prepare, send."
)

CohortAt = Annotated[Path, typer.Argument(help="cohort.parquet or .csv, or the folder that holds it")]


@cohort.command("import", no_args_is_help=True)
def import_(
    folder: Annotated[Path, typer.Argument(help="the data set as it lies on disk")],
    out: Annotated[Path, typer.Argument(help="where the table goes; may be the same folder")],
    reader: Annotated[
        str,
        typer.Option(help="mura, fracatlas, grazpedwri, brats, mama_mia, nifti, dicom, manifest, digital; or guessed"),
    ] = "",
    table: Annotated[
        Path | None, typer.Option(help="a table of cases or patients: CSV, Excel, SAS, SPSS or Stata")
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="of the workbook; the first one unless it is named")] = None,
    column: Annotated[
        list[str] | None, typer.Option("--map", help="ours=theirs, as site=klinik; ours= leaves one out; repeat it")
    ] = None,
    spacing: Annotated[
        str, typer.Option(help="where no file tells: 0.14 (mm a pixel), width:430 (mm an image), or dpi")
    ] = "",
    hashes: Annotated[bool, typer.Option(help="decode each image, to find the same one under another name")] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask whether the columns are understood")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show how the table is understood")] = False,
) -> None:
    """Make a cohort of the images and tables that you have. Nothing in FOLDER is changed.

    Knows MURA, FracAtlas, GRAZPEDWRI-DX, BraTS, FeTS and MAMA-MIA by their layout; takes any folder of DICOM, PNG,
    TIFF, JPEG or NIfTI with a table. Columns are guessed by their names and shown first; --map corrects a guess.
    OUT gets cohort.parquet, cohort.csv and problems.csv.

    Example: osteon cohort import ~/femurs cohorts/mine --table ~/femurs/patients.xlsx --map site=klinik --spacing 0.14
    """
    from osteon.cohort import take_in
    from osteon.cohort.column_map import guess

    screen = Console()
    columns = dict(_pair(text) for text in column or [])
    opened = take_in.opened_table(folder, reader, table, sheet) if folder.is_dir() else None
    if opened is not None:
        path, tabular = opened
        _show_map(screen, path.name, tabular.table, tabular.understood_as, guess(tabular.table, columns))
        if not (yes or dry_run) and screen.is_terminal and not typer.confirm("Is that so?", default=True):
            raise typer.Exit(1)
    if dry_run:
        return
    with progress() as bar:
        task = bar.add_task("reading", total=None)
        taken = take_in.take_in(
            folder, out, reader=reader, table=table, columns=columns or None, spacing_rule=spacing, sheet=sheet,
            has_pixels_read=hashes, progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    _show_problems(screen, taken.problems)
    screen.print(f"{len(taken.table):,} cases in {out / 'cohort.parquet'}; {taken.description.source}", highlight=False)
    screen.print(f"{len(taken.problems):,} remarks in {out / 'problems.csv'}", highlight=False)
    screen.print(f"next: osteon cohort check {out}", highlight=False)


@cohort.command("from-store", no_args_is_help=True)
def from_store(
    out: Annotated[Path, typer.Argument(help="where the table goes")],
    table: Annotated[Path | None, typer.Option(help="labels, by image id (case) or by the patient's pseudonym")] = None,
) -> None:
    """Make a cohort of what this site's ingest has stored; images stay in the store, and are not opened.

    Reads Kafka by OSTEON_KAFKA; `prepare` reads the images by OSTEON_STORE_ENDPOINT and its keys.

    Example: osteon cohort from-store cohorts/stored --table labels.csv
    """
    from dataclasses import replace

    from osteon.bus.kafka import connect_as
    from osteon.cohort.readers import stored
    from osteon.cohort.table import FEMUR_LABELS, write_cohort
    from osteon.cohort.tabular import read_tabular
    from osteon.cohort.take_in import write_problems
    from osteon.runtime import Settings, read_settings

    cases, problems = stored.of_records(stored.on_the_bus(connect_as(read_settings(Settings))))
    described = stored.DESCRIPTION
    if table is not None:
        cases, labels, more = stored.with_labels(cases, read_tabular(table), table.name)
        problems += more
        described = replace(described, labels=FEMUR_LABELS if set(labels) <= set(FEMUR_LABELS) else labels)
    for name in ("cohort.parquet", "cohort.csv"):
        write_cohort(cases, out / name, described)
    write_problems(problems, out / "problems.csv")
    Console().print(f"{len(cases):,} cases in {out / 'cohort.parquet'}; {len(problems):,} remarks", highlight=False)


@cohort.command("check", no_args_is_help=True)
def check(
    at: CohortAt,
    files: Annotated[bool, typer.Option(help="open and decode every file, too")] = True,
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
    from osteon.cohort.measure import file_bytes
    from osteon.cohort.table import collected, open_cohort
    from osteon.cohort.take_in import write_problems

    opened = open_cohort(at)
    rows, name = collected(opened.frame), "cohort.csv" if at.is_dir() else at.name
    labels = _positive(positive, opened.description.labels)
    # Where nothing says which label is positive, each is compared with the rest.
    classes: list[tuple[str, ...]] = [labels] if labels else [(label,) for label in opened.description.labels] or [()]
    problems = checks.checked_table(rows, opened.description, name)
    known = variables or opened.folder / "variables.parquet"
    further = pl.read_parquet(known) if variables is not None or known.is_file() else None
    for one in classes:
        problems += checks.checked_variables(rows, None, name, one)
        problems += checks.checked_variables(rows, further, known.name, one) if further is not None else []
    problems = list(dict.fromkeys(problems))
    is_local = ~pl.col("path").str.contains("://")
    if files:
        with progress() as bar:
            task = bar.add_task("reading", total=len(rows))
            local = rows.filter(is_local.fill_null(value=True))
            problems += checks.checked_files(
                local, file_bytes(opened.folder), name, lambda done: bar.update(task, completed=done)
            )
    screen = Console()
    said = " and ".join(labels) if labels else "each label in turn"
    screen.print(f"positive, where variables are compared with the outcome: {said}", highlight=False, markup=False)
    _show_problems(screen, problems, most=10**9 if show_all else SHOWN_OF_A_KIND)
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


@cohort.command("split", no_args_is_help=True)
def split(
    at: CohortAt,
    out: Annotated[Path, typer.Argument(help="the split is saved here, as Parquet with its digest")],
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

    opened = open_cohort(at)
    rows = collected(opened.frame)
    labels = _positive(positive, opened.description.labels)
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
        Console().print(f"positive: {' and '.join(labels)}", highlight=False, markup=False)
        made = splits.hold_out(rows, by, n_groups=groups or None, positive=labels, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    splits.write_split(made, out)
    table = Table(title=made.rule)
    for heading in ("fold", "train", "test"):
        table.add_column(heading, justify="right")
    for fold in made.folds:
        table.add_row(fold.name, f"{len(fold.train):,}", f"{len(fold.test):,}")
    screen = Console()
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
    write_cohort(table, path, opened.description)
    screen = Console()
    counts = table.group_by("node").agg(images=pl.len(), sites=pl.col("site").n_unique()).sort("node")
    for node, images, sites in counts.iter_rows():
        screen.print(f"{node}: {images:,} images of {sites} sites", highlight=False)


@cohort.command("prepare", no_args_is_help=True)
def prepare(
    at: CohortAt,
    out: Annotated[str, typer.Argument(help="a folder, or s3://bucket/prefix in the store of OSTEON_STORE_ENDPOINT")],
    spacing: Annotated[float, typer.Option(min=0.05, help="of the crops, in mm")] = 0.5,
    rows: Annotated[int, typer.Option(min=16, help="of the crops")] = 640,
    columns: Annotated[int, typer.Option(min=16, help="of the crops")] = 384,
    shard: Annotated[int, typer.Option(min=1, help="images a shard")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="of the order")] = 0,
    processes: Annotated[int, typer.Option(min=0, help="how many; 0: one for each core")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be written")] = False,
) -> None:
    """Write aligned 16-bit crops, each picture once, in WebDataset shards; a run that was ended goes on.

    Each crop has the bone's long axis upright, as in training and serving (osteon.imaging.geometry).

    Example: osteon cohort prepare cohorts/mine shards/mine --spacing 0.4 --rows 512 --columns 512
    """
    import polars as pl

    from osteon.cohort.prepare import FolderBytes, shelf
    from osteon.cohort.prepare import prepare as prepared
    from osteon.cohort.readers.stored import object_bytes
    from osteon.cohort.table import collected, open_cohort
    from osteon.imaging.geometry import Geometry
    from osteon.runtime import Settings, read_settings
    from osteon.store.s3 import connect_as

    opened = open_cohort(at)
    table = collected(opened.frame)
    screen = Console()
    if dry_run:
        copies = table["pixels_sha256"].drop_nulls().is_duplicated().sum()
        n_bytes = len(table) * rows * columns  # a crop of 16 bits compresses to about half
        screen.print(
            f"up to {len(table):,} crops ({copies:,} share pixels), about {n_bytes / 2**30:.2f} GiB", highlight=False
        )
        return
    is_stored = table["path"].str.starts_with("s3://").fill_null(value=False)
    if is_stored.any() and not is_stored.all():
        raise OsteonError("some images are files and some lie in the store: prepare them apart")
    read = (
        object_bytes(connect_as(read_settings(Settings))) if is_stored.any() else FolderBytes(opened.folder.resolve())
    )
    with progress() as bar:
        task = bar.add_task("preparing", total=len(table))
        came = prepared(
            table.filter(pl.col("path").is_not_null()), read,
            shelf(out, lambda: connect_as(read_settings(Settings))),
            geometry=Geometry(spacing, rows, columns), images_per_shard=shard, seed=seed, processes=processes,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    screen.print(
        f"{came.images:,} crops in {came.shards:,} shards ({came.made:,} made now); {came.copies:,} copies and "
        f"{came.left_out:,} unreadable images left out, told in the shards' notes",
        highlight=False,
    )


@cohort.command("send", no_args_is_help=True)
def send(
    at: CohortAt,
    to: Annotated[str, typer.Option(help="dimse://AET@host:port, or the http address of STOW-RS up to /studies")],
    rate: Annotated[float, typer.Option(min=0, help="images a second; 0: as fast as they are taken")] = 0.0,
    limit: Annotated[int, typer.Option(min=0, help="send no more than so many; 0: all")] = 0,
    token_file: Annotated[Path | None, typer.Option(help="a file with the token of a locked STOW-RS")] = None,
    ca: Annotated[Path | None, typer.Option(help="authorities of its certificate, PEM")] = None,
    aet: Annotated[str, typer.Option(help="our own AE title")] = "OSTEON-SEND",
) -> None:
    """Stream a cohort's DICOM files into a running Osteon by C-STORE or STOW-RS.

    Exit code 1 where a file was not taken; what the door said is printed.

    Example: osteon cohort send cohorts/mine --to dimse://OSTEON@127.0.0.1:11112 --rate 5
    """
    from collections import Counter
    from urllib.parse import urlsplit

    from osteon.cohort.send import Parcel, at_rate, send_by_c_store, send_by_stow
    from osteon.cohort.table import collected, image_path, open_cohort

    opened = open_cohort(at)
    paths = collected(opened.frame.select("path"))["path"].drop_nulls().to_list()[: limit or None]
    address = urlsplit(to)
    if address.scheme == "dimse" and address.hostname and address.port and address.username:
        parcels = [Parcel(image_path(opened, path), "dimse") for path in paths]
        answers = send_by_c_store(parcels, address.hostname, address.port, address.username, aet)
    elif address.scheme in ("http", "https"):
        token = token_file.read_text().strip() if token_file else ""
        answers = send_by_stow([Parcel(image_path(opened, path), "stow") for path in paths], to, token, ca)
    else:
        raise OsteonError("an address reads dimse://AET@host:port or https://host:port/dicomweb/studies")
    said: Counter[str] = Counter()
    with progress() as bar:
        task = bar.add_task("sending", total=len(paths))
        for answer in at_rate(answers, rate):
            said[answer.text] += 1
            bar.advance(task)
    screen = Console()
    screen.print(f"{said.pop('', 0):,} of {len(paths):,} images were taken", highlight=False)
    for text, count in said.most_common():
        screen.print(f"{count:,} not: {text}", highlight=False, markup=False)
    if said:
        raise typer.Exit(1)


def _pair(text: str) -> tuple[str, str]:
    ours, mark, theirs = text.partition("=")
    if not mark:
        raise OsteonError("a column is mapped as ours=theirs, for instance --map site=klinik")
    return ours.strip(), theirs.strip()


def _positive(named: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    """The labels that count as positive: those named, else the atypical fractures; empty where neither tells."""
    from osteon.cohort.split import AFF

    stated = tuple(label.strip() for label in named.split(",") if label.strip())
    if unknown := [label for label in stated if labels and label not in labels]:
        raise OsteonError(f"there is no label {unknown[0]}; there are {', '.join(labels)}")
    return stated or (AFF if set(AFF) & set(labels) else ())


def _show_map(screen: Console, name: str, table: "pl.DataFrame", understood_as: str, known: "ColumnMap") -> None:
    from osteon.cohort.column_map import identifies, preview

    shown = Table(title=f"{name}: {understood_as}, {len(table):,} rows")
    for heading in ("here it is", "in the table", "for instance", "empty"):
        shown.add_column(heading)
    for ours, theirs, values, empty in preview(table, known):
        shown.add_row(ours, theirs, values, f"{empty:,}" if empty else "")
    screen.print(shown)
    if renamed := {theirs: ours for theirs, ours in known.labels.items() if theirs != ours}:
        screen.print("labels: " + ", ".join(f"{theirs} is {ours}" for theirs, ours in renamed.items()), highlight=False)
    kept = [column for column in table.columns if column not in known.columns.values()]
    named = [column for column in kept if identifies(table[column])]
    kept = [column for column in kept if column not in named]
    if named:
        screen.print(f"left out, since they would name a person: {', '.join(named)}", highlight=False, markup=False)
    if kept:
        screen.print(f"kept as they are: {', '.join(kept)}", highlight=False, markup=False)


def _show_problems(screen: Console, problems: "list[Problem]", most: int = SHOWN_OF_A_KIND) -> None:
    by_kind: dict[str, list[Problem]] = {}
    for problem in sorted(problems):
        by_kind.setdefault(problem.kind, []).append(problem)
    for kind, own in by_kind.items():
        style = "bold red" if own[0].is_grave else "bold yellow"
        screen.print(f"[{style}]{kind}[/] ({len(own):,})")
        for problem in own[:most]:
            screen.print(f"  {problem}", highlight=False, markup=False, soft_wrap=True)
        if len(own) > most:
            screen.print(f"  … and {len(own) - most:,} more: --all, or --out problems.csv", highlight=False)

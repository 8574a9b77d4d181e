"""`osteon cohort import` and `from-store`: images and tables become a cohort."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from osteon.cohort.commands.app import cohort
from osteon.cohort.commands.printed import show_map, show_problems
from osteon.cohort.progress import progress
from osteon.errors import OsteonError

__all__: list[str] = []

LabelValues = Annotated[
    list[str] | None,
    typer.Option(help="what a value of the label column means, as fractured=typical_fracture; repeat it"),
]
MAPPED, MEANT = "--map site=klinik", "--label-values fractured=typical_fracture"


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
    label_values: LabelValues = None,
    spacing: Annotated[
        str, typer.Option(help="where no file tells: 0.14 (mm a pixel), width:430 (mm an image), or dpi")
    ] = "",
    key: Annotated[
        Path | None, typer.Option(help="the key of the pseudonyms; without it OUT.key is used, or made")
    ] = None,
    as_they_are: Annotated[
        bool, typer.Option("--keep-names", help="patients, studies and cases are pseudonyms already: keep them")
    ] = False,
    hashes: Annotated[bool, typer.Option(help="decode each image, to find the same one under another name")] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask whether the columns are understood")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show how the table is understood")] = False,
) -> None:
    """Make a cohort of the images and tables that you have. Nothing in FOLDER is changed.

    Knows MURA, FracAtlas, GRAZPEDWRI-DX, BraTS, FeTS and MAMA-MIA by their layout; takes any folder of DICOM, PNG,
    TIFF, JPEG or NIfTI with a table. Columns are guessed by their names and shown first; --map corrects a guess.
    OUT gets cohort.parquet, cohort.csv and problems.csv. Patients, studies and cases of a folder of your own get
    pseudonyms by a key, which lies beside OUT: keep it, and keep it at home.

    Example: osteon cohort import ~/femurs cohorts/mine --table ~/femurs/patients.xlsx --map site=klinik --spacing 0.14
    """
    from osteon.cohort import take_in
    from osteon.cohort.column_map import guess

    screen = Console()
    columns, values = _pairs(column, MAPPED), _pairs(label_values, MEANT)
    opened = take_in.opened_table(folder, reader, table, sheet) if folder.is_dir() else None
    if opened is not None:
        path, tabular = opened
        known = guess(tabular.table, columns, values)
        show_map(screen, path.name, tabular.table, tabular.understood_as, known, keeps_names=as_they_are)
        if not (yes or dry_run) and screen.is_terminal and not typer.confirm("Is that so?", default=True):
            raise typer.Exit(1)
    elif columns or values:
        raise OsteonError("--map and --label-values speak of a table, and there is none that is mapped: name --table")
    if dry_run:
        return
    with progress() as bar:
        task = bar.add_task("reading", total=None)
        taken = take_in.take_in(
            folder, out, reader=reader, table=table, columns=columns or None, label_values=values or None,
            spacing_rule=spacing, sheet=sheet, key=key, keeps_names=as_they_are, has_pixels_read=hashes,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    show_problems(screen, taken.problems, f"all are in {out / 'problems.csv'}")
    screen.print(f"{len(taken.table):,} cases in {out / 'cohort.parquet'}; {taken.description.source}", highlight=False)
    if taken.key is not None:
        screen.print(f"patients, studies and cases have pseudonyms by the key {taken.key}: keep it", highlight=False)
    screen.print(f"{len(taken.problems):,} remarks in {out / 'problems.csv'}", highlight=False)
    screen.print(f"next: osteon cohort check {out}", highlight=False)


@cohort.command("from-store", no_args_is_help=True)
def from_store(
    out: Annotated[Path, typer.Argument(help="where the table goes")],
    table: Annotated[Path | None, typer.Option(help="labels, by image id (case) or by the patient's pseudonym")] = None,
    column: Annotated[
        list[str] | None, typer.Option("--map", help="ours=theirs, as case=bild; ours= leaves one out; repeat it")
    ] = None,
    label_values: LabelValues = None,
) -> None:
    """Make a cohort of what this site's ingest has stored; images stay in the store, and are not opened.

    Reads Kafka by OSTEON_KAFKA_SERVERS; `check` and `prepare` read the images by OSTEON_STORE_ENDPOINT and its keys.

    Example: osteon cohort from-store cohorts/stored --table labels.csv
    """
    from dataclasses import replace

    from osteon.bus.kafka import connect_as
    from osteon.cohort.column_map import guess
    from osteon.cohort.readers import stored
    from osteon.cohort.table import write_cohort
    from osteon.cohort.tabular import read_tabular
    from osteon.cohort.take_in import write_problems
    from osteon.runtime import Settings, read_settings

    columns, values = _pairs(column, MAPPED), _pairs(label_values, MEANT)
    screen = Console()
    cases, problems = stored.of_records(stored.on_the_bus(connect_as(read_settings(Settings))))
    described = stored.DESCRIPTION
    if table is not None:
        tabular = read_tabular(table)
        known = guess(tabular.table, columns, values)
        show_map(screen, table.name, tabular.table, tabular.understood_as, known)
        cases, labels, more = stored.with_labels(cases, tabular, table.name, known)
        problems += more
        described = replace(described, labels=labels)
    if not len(cases):
        raise OsteonError("this site's ingest has stored no image yet")
    for name in ("cohort.parquet", "cohort.csv"):
        write_cohort(cases, out / name, described)
    write_problems(problems, out / "problems.csv")
    show_problems(screen, problems, f"all are in {out / 'problems.csv'}")
    screen.print(f"{len(cases):,} cases in {out / 'cohort.parquet'}; {len(problems):,} remarks", highlight=False)


def _pairs(texts: list[str] | None, example: str) -> dict[str, str]:
    pairs = {}
    for text in texts or []:
        first, mark, second = text.partition("=")
        if not mark:
            raise OsteonError(f"two words with = between them, for instance {example}")
        pairs[first.strip()] = second.strip()
    return pairs

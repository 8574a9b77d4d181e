"""`osteon cohort prepare` and `send`: images as shards for training, and into a running Osteon."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from osteon.cohort.commands.app import CohortAt, cohort
from osteon.cohort.progress import progress
from osteon.errors import OsteonError

__all__: list[str] = []


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

    Each crop has the bone's long axis upright, as in training and serving (osteon.imaging.geometry). Exit code 1 where
    no image at all can be read.

    Example: osteon cohort prepare cohorts/mine shards/mine --spacing 0.4 --rows 512 --columns 512
    """
    import polars as pl

    from osteon.cohort.prepare import prepare as prepared
    from osteon.cohort.prepare import shelf
    from osteon.cohort.stored_bytes import bytes_of
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
    with progress() as bar:
        task = bar.add_task("preparing", total=len(table))
        came = prepared(
            table.filter(pl.col("path").is_not_null()), bytes_of(table["path"], opened.folder.resolve()),
            shelf(out, lambda: connect_as(read_settings(Settings))),
            geometry=Geometry(spacing, rows, columns), images_per_shard=shard, seed=seed, processes=processes,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    screen.print(
        f"{came.images:,} crops in {came.shards:,} shards ({came.made:,} made now); left out: {came.copies:,} copies, "
        f"{came.contradicted:,} whose labels contradict each other, and {came.left_out:,} that can't be read, named in "
        "the shards' notes",
        highlight=False,
    )
    if not came.images:
        raise OsteonError(f"no image could be prepared; the first trouble: {came.first_trouble}")


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

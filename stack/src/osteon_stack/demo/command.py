"""The main job, start to finish: `osteon demo`."""

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from osteon.bus.login import Brokers
from osteon.cohort.send import Parcel, choose_doors
from osteon.errors import Fatal
from osteon.phantom.cohort import Expected, demo_cohort, read_manifest
from osteon.runtime import audit, logs
from osteon.store import connect as connect_store
from osteon_ingest.identity import Keys
from osteon_stack.commands import STATE, Folder, up
from osteon_stack.demo.follow import Doors, Shipment, bars, n_unread, outcomes, send, shipments, states, wait
from osteon_stack.demo.planted import found_planted
from osteon_stack.demo.report import Row, write_report
from osteon_stack.ports import HOST, Ports, ports_from
from osteon_stack.secrets import ADMIN, identity, kafka_login, site_key
from osteon_stack.services import SITE, connect_bus
from osteon_stack.stack import Stack

__all__ = ["demo"]

demo = typer.Typer()
SCREEN = Console()


@demo.callback(invoke_without_command=True)
def run(
    images: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="A folder of your own DICOM files; else phantoms are made."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the phantoms. Another seed gives other patients.")] = 0,
    n_images: Annotated[int, typer.Option(min=12, help="How many phantom files.")] = 24,
    folder: Folder = STATE,
    report: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
) -> None:
    """Send radiographs through the whole path and show what came out of each.

    Exit code 0 only if every file had the outcome it should have.

    Example: osteon demo --images ~/radiographs
    """
    began = time.monotonic()
    stack = Stack(folder, ports_from())
    up(None, folder)
    files = {} if images else _phantoms(folder / f"demo-{seed}-{n_images}", seed, n_images)
    parcels = [Parcel(path, one.door) for path, one in files.items()] if files else choose_doors(_paths(images))
    keys = Keys.from_site_key(site_key(stack.folder))
    wanted = {path: (one.site, one.outcome) for path, one in files.items()}
    rows, n_before = _send_and_wait(shipments(parcels, keys, wanted), stack)
    admin = identity(stack.folder, "admin")
    store = connect_store(f"{HOST}:{stack.ports.seaweedfs_s3}", admin.access_key, admin.secret_key)
    planted = {text for one in files.values() for text in one.planted}
    leaks = found_planted(planted, connect_bus(stack.folder, stack.ports), store, stack.folder)
    facts = [
        ("files sent", str(len(rows))),
        ("seen in an earlier run", str(n_before)),
        ("outcomes", ", ".join(f"{n} {state}" for state, n in Counter(row.state for row in rows).most_common())),
        ("not as it should be" if files else "without an outcome", str(sum(not row.is_as_expected for row in rows))),
        *([_leaked(leaks, planted)] if planted else []),
        ("time", f"{time.monotonic() - began:.0f} s"),
    ]
    report.write_text(write_report(rows, facts, store))
    _audit(rows, report, stack.folder)
    _show(rows, facts, leaks)
    SCREEN.print(_HOW_TO_GO_ON.format(report=report, console=_doors(stack.ports).console_url))
    if leaks or not all(row.is_as_expected for row in rows):
        raise typer.Exit(1)


def _audit(rows: Sequence[Row], report: Path, folder: Path) -> None:
    """Tell audit which images left the system: the page is there to be mailed."""
    with (folder / "logs" / "demo.log").open("a") as log:
        logs.start("demo", to=log)
        for row in rows:
            if row.probability is not None:  # those that the page has pictures of
                audit.exported(SITE, audit.here(), report.name, row.image_id)


def _paths(folder: Path | None) -> list[Path]:
    paths = sorted(path for path in (folder or Path()).rglob("*") if path.is_file() and not path.name.startswith("."))
    if not paths:
        raise Fatal(f"there are no files in {folder}")
    return paths


def _phantoms(folder: Path, seed: int, n_images: int) -> dict[Path, Expected]:
    """Made once for a seed; a second demonstration sends the same files."""
    if not (folder / "manifest.json").exists():
        with bars(SCREEN) as progress:
            bar = progress.add_task("making phantoms", total=n_images)
            demo_cohort(folder, n_images=n_images, seed=seed, progress=lambda n, _: progress.update(bar, completed=n))
    return {folder / one.path: one for one in read_manifest(folder).files}


def _send_and_wait(sent: Sequence[Shipment], stack: Stack) -> tuple[list[Row], int]:
    """Rows, and how many of the files had been received before."""
    ports = stack.ports
    doors = _doors(ports)
    before = states(doors.console_url, [one.image_id for one in sent])
    # What was seen before must end as it did; all else as the manifest says.
    sent = [dataclasses.replace(one, expected="seen-before") if one.image_id in before else one for one in sent]
    n_conflicts = sum(one.expected == "set-aside:conflict" for one in sent)
    with bars(SCREEN) as progress:
        answers = send(sent, doors, progress)
        taken = [one.image_id for one in sent if answers[one.parcel.path].is_taken]
        brokers = Brokers((f"{HOST}:{ports.kafka}",), kafka_login(stack.folder, ADMIN))
        known = wait(taken, n_conflicts, doors.console_url, lambda: n_unread(brokers), progress)
    return outcomes(sent, answers, known, set(before)), sum(one.image_id in before for one in sent)


def _doors(ports: Ports) -> Doors:
    return Doors(
        dimse_host=HOST,
        dimse_port=ports.dimse,
        aet="OSTEON",
        stow_url=f"http://{HOST}:{ports.stow}/dicomweb/studies",
        console_url=f"http://{HOST}:{ports.console}",
    )


def _leaked(leaks: Sequence[str], planted: Set[str]) -> tuple[str, str]:
    return "planted identifiers found behind the door", f"{len(leaks)} places, of {len(planted)} strings planted"


def _show(rows: Sequence[Row], facts: Sequence[tuple[str, str]], leaks: Sequence[str]) -> None:
    table = Table(title="What came out", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("file", overflow="fold")
    for name in ("image", "site", "door", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("why", overflow="fold")
    for name in ("atypical", "s"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.name,
            row.image_id[:6],
            row.site,
            row.door,
            row.state,
            (row.reason or row.explanation)
            + ("" if row.is_as_expected else f" [bold red]expected: {row.expected or 'an outcome'}[/]"),
            "" if row.probability is None else f"{row.probability:.2f}",
            "" if row.seconds is None else f"{row.seconds:.1f}",
        )
    SCREEN.print(table)
    for name, value in facts:
        SCREEN.print(f"{name}: [bold]{value}[/]", highlight=False)
    for leak in leaks:
        SCREEN.print(f"[bold red]{leak}[/]")


_HOW_TO_GO_ON = """
Look at [bold]{report}[/]. The stack runs on:

  .venv/bin/osteon track              the state of every image
  .venv/bin/osteon track <image id>   one image through all stages
  .venv/bin/osteon doctor             what is wrong, and what to do
  make demo                           again: it recognises what it has seen
  make down                           stop all parts

The same as JSON: {console}/api/images"""

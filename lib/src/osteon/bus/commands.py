"""`osteon dead-letters`, `osteon stage`, `osteon topics`."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.table import Column
from rich.table import Table as Grid

from osteon.bus import dead_letters as letters
from osteon.bus.dead_letters import Selection
from osteon.bus.kafka import KafkaBus, connect_as
from osteon.bus.produce import TOO_LARGE
from osteon.bus.table import Table
from osteon.contracts import Brake, DeadLetter
from osteon.contracts.topic_rights import RIGHTS, rights_at
from osteon.contracts.topics import STAGE_BRAKED, topics_at
from osteon.errors import Fatal, Passing
from osteon.runtime import Settings, read_settings

__all__ = ["dead_letters", "stage", "topics"]

PIPE_COLUMNS = 240

dead_letters = typer.Typer(no_args_is_help=True, help="Records that no stage could work, and their way back.")
stage = typer.Typer(no_args_is_help=True, help="Stages that braked.")
topics = typer.Typer(no_args_is_help=True, help="The topics on Kafka.")

StageName = Annotated[str, typer.Option("--stage", help="only those of this stage")]
Reason = Annotated[str, typer.Option("--reason", help="only those with this reason")]
LetterId = Annotated[str, typer.Option("--id", help="only this one")]
Image = Annotated[str, typer.Option("--image", help="only those of this image id")]


@dead_letters.command("list")
def list_letters(stage: StageName = "", reason: Reason = "", image: Image = "") -> None:
    """List dead letters and whether they were replayed. Example: osteon dead-letters list --stage harmonize."""
    bus, selection = _bus(), Selection(stage, reason, image=image)
    waiting = {letter.id for letter in letters.waiting(bus, selection)}
    grid = _grid("id", "reason", "attempts", "image", "at", "replayed")
    for letter in letters.list_all(bus, selection):
        at = letter.at.ToDatetime().isoformat(" ", "seconds")
        replayed = "can't be" if letter.reason == TOO_LARGE else "" if letter.id in waiting else "yes"
        grid.add_row(letter.id, letter.reason, str(letter.attempts), letter.image_id, at, replayed)
    _wide().print(grid)


@dead_letters.command("show")
def show_letter(letter_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show one dead letter. Example: osteon dead-letters show harmonize/osteon.image.deidentified/3/17."""
    Console().print_json(json.dumps(_spelled(letters.find(_bus(), letter_id))))


@dead_letters.command("replay")
def replay_letters(
    stage: StageName = "",
    reason: Reason = "",
    letter_id: LetterId = "",
    image: Image = "",
    every: Annotated[bool, typer.Option("--all", help="every one, of all stages")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be replayed")] = False,
) -> None:
    """Send dead letters back to their stage. Example: osteon dead-letters replay --reason triton-fails --dry-run."""
    settings = read_settings(Settings)
    selection = Selection(stage, reason, letter_id, image)
    if every == (selection != Selection()):
        raise Fatal("say which: --stage, --reason, --id or --image; or --all alone")
    bus = connect_as(settings)
    found = letters.waiting(bus, selection) if dry_run else letters.replay(bus, settings.site, selection)
    for letter in found:
        Console().print(letter.id, highlight=False, soft_wrap=True)
    Console().print(f"{len(found)} {'would be ' if dry_run else ''}replayed")


@stage.command("list")
def list_stages() -> None:
    """List the stages that braked, and why. Example: osteon stage list."""
    grid = _grid("stage", "reason", "explanation", "since")
    for name, found in sorted(_braked(_bus()).items()):
        grid.add_row(name, found.reason, found.explanation, found.since.ToDatetime().isoformat(" ", "seconds"))
    _wide().print(grid)


@stage.command("resume")
def resume_stage(name: str) -> None:
    """Release the brake of a stage, which goes on within seconds. Example: osteon stage resume harmonize."""
    bus = _bus()
    if name not in _braked(bus):
        raise Fatal(f"stage {name} did not brake; see `osteon stage list`")
    publisher = bus.publisher()
    publisher.remove(STAGE_BRAKED, name)
    publisher.close()
    Console().print(f"{name} resumes")


@topics.command("provision")
def provision_topics(
    replication: Annotated[int, typer.Option(help="copies of each partition; 3 on a cluster")] = 1,
) -> None:
    """Create the topics that are missing, with their readers' offsets. Example: osteon topics provision."""
    settings = read_settings(Settings)
    wanted = topics_at(is_hub_alone=settings.is_hub_alone)
    connect_as(settings).provision(wanted, replication)
    Console().print(f"{len(wanted)} topics stand")


@topics.command("claim")
def claim_topics() -> None:
    """Write down that this Kafka is the site's of OSTEON_SITE; refuses another's. Example: osteon topics claim."""
    site = read_settings(Settings).site
    _bus().claim(site)
    Console().print(f"this Kafka is that of the site {site}")


@topics.command("check")
def check_topics(
    replication: Annotated[int, typer.Option(min=1, help="brokers that each topic must lie on, at least")] = 1,
) -> None:
    """Compare Kafka with the table of topics; exit code 1 if something differs. Example: osteon topics check."""
    settings = read_settings(Settings)
    differences = connect_as(settings).check(topics_at(is_hub_alone=settings.is_hub_alone), replication)
    for difference in differences:
        Console().print(difference, highlight=False, soft_wrap=True)
    if differences:
        raise typer.Exit(1)
    Console().print("all topics are as they should be")


@topics.command("grant")
def grant_rights(
    passwords: Annotated[Path, typer.Argument(help="a folder with a file for each user, which holds its password")],
) -> None:
    """Make the services' users at Kafka, with their rights. Example: osteon topics grant passwords/."""
    settings = read_settings(Settings)
    rights = rights_at(is_hub_alone=settings.is_hub_alone)
    found = {name: passwords / name for name in rights if (passwords / name).is_file()}
    if not found:
        raise Fatal(f"{passwords} holds no password of {', '.join(rights)}: write each into a file of that name")
    connect_as(settings).grant({name: file.read_text().strip() for name, file in found.items()}, rights, settings.site)
    Console().print(f"{len(found)} users have their rights: {', '.join(found)}")
    if left := rights.keys() - found.keys():
        Console().print(f"no file, and so nothing was done for: {', '.join(sorted(left))}")


@topics.command("wait")
def wait_for_topics(
    service: Annotated[str, typer.Argument(help=", ".join(RIGHTS))],
    within_s: Annotated[float, typer.Option("--within-s", help="how long to wait (s)")] = 600.0,
) -> None:
    """Wait until a service finds what it needs on Kafka; refuses another site's. Example: osteon topics wait accept."""
    if service not in RIGHTS:
        raise Fatal(f"there is no service {service}; there are {', '.join(RIGHTS)}")
    settings = read_settings(Settings)
    bus, deadline, why = connect_as(settings), time.monotonic() + within_s, ""
    while True:
        try:
            missing = bus.missing_for(RIGHTS[service])
            if not settings.is_hub_alone:  # asked last: whose it is is written down before any topic is made
                bus.refuse_others(settings.site)
        except Passing as error:
            missing = [str(error)]
        if not missing:
            return Console().print(f"{service} finds its topics")
        if missing[0] != why:
            why = missing[0]
            Console().print(f"waiting: {why}", highlight=False, soft_wrap=True)
        if time.monotonic() > deadline:
            raise Fatal(f"{service} waited for {within_s:.0f} s: {why}; see `osteon topics provision`")
        time.sleep(2)


def _grid(*names: str) -> Grid:
    """A table that cuts nothing off: an id is there to be copied."""
    return Grid(*(Column(name, overflow="fold") for name in names), box=None)


def _wide() -> Console:
    """The terminal; or, for a file or a pipe, lines of any length."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_COLUMNS)


def _bus() -> KafkaBus:
    return connect_as(read_settings(Settings))


def _braked(bus: KafkaBus) -> dict[str, Brake]:
    table = Table(bus, STAGE_BRAKED)
    table.refresh()
    table.close()
    return {name: found for name, found in table.items() if isinstance(found, Brake)}


def _spelled(letter: DeadLetter) -> dict[str, object]:
    spelled: dict[str, object] = MessageToDict(letter)
    return spelled

"""`osteon inbox …`: what a site does about its sealed originals. Needs the settings of the ingest service."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console

from osteon import bus, store
from osteon.errors import Fatal
from osteon.runtime import logs, read_settings
from osteon_ingest.needs import WHYS
from osteon_ingest.prune import prune
from osteon_ingest.settings import IngestSettings

__all__ = ["inbox"]

AGE = re.compile(r"(\d{1,6})([dhm])")
UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}

inbox = typer.Typer(no_args_is_help=True, help="The sealed originals of this site.")


@inbox.callback()
def _inbox() -> None:
    """Keeps `prune` a command of its own, though it is the only one."""


@inbox.command("prune")
def prune_inbox(
    older_than: Annotated[str, typer.Option("--older-than", help="Their least age, e.g. 90d, 12h or 30m.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
) -> None:
    """Delete old originals that accept has finished with and that no dead letter needs; say what is kept and why.

    For example: osteon inbox prune --older-than 90d --dry-run
    """
    age = _age(older_than)
    settings = read_settings(IngestSettings)
    logs.start("inbox-prune", settings.log_level)
    here, objects = bus.connect_as(settings), store.connect_as(settings)
    pruned = prune(here, objects, settings.keys(), age, now=datetime.now(UTC), is_dry=dry_run)
    console = Console()
    done = "would be deleted" if dry_run else "deleted"
    console.print(f"{pruned.n} originals {done}, {pruned.size_bytes / 1e6:.1f} MB", highlight=False)
    for why, n in sorted(pruned.kept.items()):
        console.print(f"{n} kept: {WHYS[why]}", highlight=False, soft_wrap=True)


def _age(text: str) -> timedelta:
    found = AGE.fullmatch(text.strip())
    if found is None:
        raise Fatal("--older-than is a number and d, h or m: 90d, 12h, 30m")
    return int(found[1]) * UNITS[found[2]]

"""`osteon patient …`: what a site does about one patient. Needs the settings of the ingest service."""

from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from osteon import bus, store
from osteon.errors import Fatal
from osteon.runtime import logs, read_settings
from osteon.runtime.audit_repository import sending_audits
from osteon_ingest.forget import Place, forget, would_forget
from osteon_ingest.settings import IngestSettings
from osteon_ingest.traces import Traces, find, pseudonyms

__all__ = ["patient"]

patient = typer.Typer(no_args_is_help=True, help="One patient at this site.")
PIPE_COLUMNS = 200


@patient.callback()
def _patient() -> None:
    """Keeps `forget` a command of its own, though it is the only one."""


@patient.command("forget")
def forget_patient(
    pseudonym: Annotated[
        str, typer.Option(help="32 hexadecimal digits; without it, PatientID and issuer are asked.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be forgotten.")] = False,
) -> None:
    """Delete a patient's images and all that tells of them; say for each place when it is gone. It can't be undone.

    PatientID and issuer are read from standard input, so that they stay out of the shell's history.
    For example: osteon patient forget --dry-run
    """
    settings = read_settings(IngestSettings)
    logs.start("patient-forget", settings.log_level)  # the vault is opened, which is told to audit
    keys = settings.keys()
    names = frozenset([pseudonym]) if pseudonym else _asked(settings)
    here = bus.connect_as(settings)
    objects = store.connect_as(settings)

    def search(names: frozenset[str]) -> Traces:
        return find(here, objects, keys, settings.site, names)

    with sending_audits(settings, "patient-forget"):
        found = search(names)
        console = Console()
        for bucket, n in found.n_unknown.items():
            told = "can't be opened or read, so nobody can tell whose they are; are all OSTEON_FORMER_SITE_KEYS given?"
            console.print(f"{n} objects in the bucket {bucket} {told}", soft_wrap=True)
        if found.is_empty:
            console.print("nothing is known of this patient")
            return
        say = partial(Console(stderr=True).print, soft_wrap=True, highlight=False)
        _print(would_forget(found) if dry_run else forget(found, search, here, objects, settings.site, say=say))
    if settings.folder is not None:
        console.print(f"not looked at: done/ and refused/ in {settings.folder}; empty them yourself", soft_wrap=True)


def _asked(settings: IngestSettings) -> frozenset[str]:
    patient_id = typer.prompt("PatientID", err=True)
    issuer = typer.prompt("Issuer of PatientID (empty: none)", default="", show_default=False, err=True)
    names = pseudonyms(settings.keys(), issuer.strip() or settings.site, patient_id)
    if not names:
        raise Fatal("a PatientID is needed: images without one belong to nobody that could be named")
    return names


def _print(places: list[Place]) -> None:
    table = Table("place", "n", "outcome", box=None)
    for place in places:
        table.add_row(place.name, str(place.n), place.outcome)
    console = Console()
    (console if console.is_terminal else Console(width=PIPE_COLUMNS)).print(table)

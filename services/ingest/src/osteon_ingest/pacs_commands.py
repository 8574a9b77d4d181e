"""`osteon pacs …`: what a site asks of those whom it calls back."""

from functools import partial
from typing import Annotated

import typer

from osteon.errors import Fatal
from osteon.runtime import read_settings
from osteon.runtime.findings import checked, tell
from osteon_ingest.call_pacs import echo
from osteon_ingest.settings import IngestSettings

__all__ = ["pacs"]

pacs = typer.Typer(no_args_is_help=True, help="PACS and modalities that are called.")


@pacs.callback()
def _pacs() -> None:
    """Keeps `echo` a command of its own, though it is the only one."""


@pacs.command("echo")
def echo_each(
    peers: Annotated[
        list[str] | None, typer.Argument(help="AET=host:port; OSTEON_COMMIT_ADDRESSES by default.")
    ] = None,
) -> None:
    """Ask each whether it is there, by C-ECHO, as it is called for storage commitment; exit code 1 if one is not.

    For example: osteon pacs echo PACS=10.20.30.40:104
    """
    given: dict[str, object] = {"commit_addresses": ",".join(peers)} if peers else {}
    settings = read_settings(IngestSettings, None, **given, site_key="")  # no key is needed for this
    if not settings.commit_addresses:
        raise Fatal("whom? osteon pacs echo AET=host:port, or set OSTEON_COMMIT_ADDRESSES")
    addresses = settings.commit_addresses.items()
    tell([checked(f"{aet} at {at[0]}:{at[1]}", partial(echo, settings, aet, at)) for aet, at in addresses])

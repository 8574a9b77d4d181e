"""`osteon buckets`."""

import typer
from rich.console import Console

from osteon.contracts.buckets import buckets_at
from osteon.runtime import Settings, read_settings
from osteon.store.s3 import connect_as

__all__ = ["buckets"]

buckets = typer.Typer(no_args_is_help=True, help="The buckets of the object store.")


@buckets.command()
def provision() -> None:
    """Make the buckets that are missing, with the administrator's keys. Example: osteon buckets provision."""
    settings = read_settings(Settings)
    wanted = buckets_at(is_hub_alone=settings.is_hub_alone)
    connect_as(settings).provision(wanted)
    Console().print(f"{len(wanted)} buckets stand")


@buckets.command()
def claim() -> None:
    """Write down that this store is the site's of OSTEON_SITE; refuses another's. Example: osteon buckets claim."""
    settings = read_settings(Settings)
    connect_as(settings).claim("models", settings.site)
    Console().print(f"this store is that of the site {settings.site}")

"""`osteon register build`: long dated tables become variables."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from osteon.errors import OsteonError

if TYPE_CHECKING:  # what weighs is imported by the command that needs it
    from osteon.cohort.register import Window

__all__ = ["register"]

register = typer.Typer(no_args_is_help=True, help="Registers: variables from long dated tables.")


@register.callback()
def _group() -> None:
    """With one command alone, typer would leave its name out."""


@register.command("build", no_args_is_help=True)
def build(
    long: Annotated[Path, typer.Argument(help="the long table: patient, date, kind, code, amount; Parquet or CSV")],
    at: Annotated[Path, typer.Argument(help="the cohort, which tells each patient's index date")],
    out: Annotated[Path | None, typer.Option(help="folder to write to; else beside the cohort's table")] = None,
    window: Annotated[
        list[str] | None, typer.Option(help="name:from:to in days before the index date, as 2y:730:1; repeat it")
    ] = None,
    least: Annotated[int, typer.Option(min=1, help="patients that must have a code for it to become a variable")] = 10,
) -> None:
    """Turn long dated tables into variables in windows before the index date, with a dictionary.

    Entries on the index date or later never enter. Writes variables.parquet (a row a patient) and dictionary.csv.

    Example: osteon register build cohorts/digital/register.parquet cohorts/digital
    """
    import polars as pl

    from osteon.cohort import register as registers
    from osteon.cohort.table import collected, open_cohort
    from osteon.cohort.tabular import read_tabular

    opened = open_cohort(at)
    entries = pl.scan_parquet(long) if long.suffix == ".parquet" and long.is_file() else read_tabular(long).table.lazy()
    windows = [_window(text) for text in window or []] or list(registers.WINDOWS)
    index = registers.index_dates(collected(opened.frame))
    built = registers.build(entries, index, windows=windows, least_patients=least)
    folder = out or opened.folder
    folder.mkdir(parents=True, exist_ok=True)
    built.variables.write_parquet(folder / "variables.parquet", metadata={"osteon.digest": built.digest})
    built.dictionary.write_csv(folder / "dictionary.csv")
    screen = Console()
    screen.print(
        f"{len(built.dictionary):,} variables of {len(built.variables):,} patients in {folder / 'variables.parquet'}; "
        f"{built.n_later:,} entries on the index date or later stayed out",
        highlight=False,
    )
    screen.print(f"digest {built.digest}", highlight=False)


def _window(text: str) -> "Window":
    from osteon.cohort.register import Window

    try:
        name, start, end = text.split(":")
        return Window(name, int(start), int(end))
    except ValueError:
        raise OsteonError("a window reads name:from:to in days before the index date, for instance 2y:730:1") from None

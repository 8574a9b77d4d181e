"""`osteon register build`: long dated tables become variables."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from osteon.errors import OsteonError

if TYPE_CHECKING:  # what weighs is imported by the command that needs it
    import polars as pl

    from osteon.cohort.register import Window
    from osteon.cohort.table import Cohort

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
    key: Annotated[
        Path | None, typer.Option(help="of the cohort's pseudonyms; without it the one beside the cohort's folder")
    ] = None,
    least: Annotated[int, typer.Option(min=1, help="patients that must have a code for it to become a variable")] = 10,
) -> None:
    """Turn long dated tables into variables in windows before the index date, with a dictionary.

    Entries on the index date or later never enter. Writes variables.parquet (a row a patient) and dictionary.csv.
    Where the cohort has pseudonyms of `osteon cohort import`, the register's patients get the same by the same key.

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
    if opened.description.keyed_by:
        entries = _with_pseudonyms(entries, index["patient"], opened, key)
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
    for why, count in built.left_out.items():
        screen.print(f"{count:,} entries left out: {why}", highlight=False, markup=False)
    screen.print(f"digest {built.digest}", highlight=False)


def _with_pseudonyms(entries: "pl.LazyFrame", known: "pl.Series", opened: "Cohort", key: Path | None) -> "pl.LazyFrame":
    """Entries under the cohort's pseudonyms, unless they have them already. Raises OsteonError for another key."""
    import polars as pl

    from osteon.cohort.pseudonyms import fingerprint, key_beside, opened_key, pseudonym
    from osteon.cohort.values import as_text

    if "patient" not in entries.collect_schema():
        return entries  # which the builder refuses in its own words
    numbers = entries.select("patient").unique().collect()["patient"].drop_nulls()
    names = as_text(numbers)  # 17.0 is the patient 17
    if names.is_in(known.implode()).any():
        return entries
    secret = opened_key(key or key_beside(opened.folder))
    if fingerprint(secret) != opened.description.keyed_by:
        raise OsteonError("this key is not the one that made the cohort's pseudonyms: name that one with --key")
    own = [None if name is None else pseudonym(secret, "patient", name) for name in names]
    named = pl.col("patient").replace_strict(
        numbers, pl.Series(own, dtype=pl.String), default=None, return_dtype=pl.String
    )
    return entries.with_columns(named)


def _window(text: str) -> "Window":
    from osteon.cohort.register import Window

    try:
        name, start, end = text.split(":")
        return Window(name, int(start), int(end))
    except ValueError:
        raise OsteonError("a window reads name:from:to in days before the index date, for instance 2y:730:1") from None

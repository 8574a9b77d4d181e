"""A cohort that Osteon wrote: the digital one, or any that was imported."""

from pathlib import Path

from osteon.cohort.readers.found import Found, NotThisDataSet
from osteon.cohort.table import NotACohort, collected, open_cohort

__all__ = ["is_here", "read"]


def is_here(folder: Path) -> bool:
    """Whether cohort.parquet lies in the folder."""
    return (folder / "cohort.parquet").is_file()


def read(folder: Path, table: Path | None = None) -> Found:
    """The cohort in a folder; raises NotThisDataSet where its table can't be read."""
    try:
        cohort = open_cohort(table or folder)
        return Found(collected(cohort.frame), cohort.description, cohort.folder)
    except NotACohort as error:
        raise NotThisDataSet(str(error)) from None

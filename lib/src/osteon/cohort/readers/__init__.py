"""One data set a file: from its folder to a table, and what is wrong with it; no image is opened.

mura.py            MURA v1.1
fracatlas.py       FracAtlas
grazpedwri.py      GRAZPEDWRI-DX
brats.py           BraTS 2021 to 2023, and FeTS with its institutions
mama_mia.py        MAMA-MIA
nifti.py           any folder of NIfTI files with a table
dicom.py           a folder of DICOM files, with a table where there is one
manifest.py        a table that names its files
digital.py         a cohort that Osteon wrote, the digital one above all
stored.py          what the site's ingest has stored

Where a documented layout is not met a reader says so, and goes on with what it can read.
"""

import importlib
from collections.abc import Callable
from pathlib import Path

from osteon.cohort.readers.found import Found, NotThisDataSet

__all__ = ["READERS", "Found", "NotThisDataSet", "read_data_set", "recognized"]

READERS = {  # in the order in which a folder is tried; the general ones last
    "digital": "a cohort that Osteon wrote",
    "mura": "MURA v1.1",
    "fracatlas": "FracAtlas",
    "grazpedwri": "GRAZPEDWRI-DX",
    "mama_mia": "MAMA-MIA",
    "brats": "BraTS 2021 to 2023, FeTS",
    "nifti": "NIfTI files with a table",
    "dicom": "DICOM files, with a table where there is one",
    "manifest": "a table that names its files",
}


def read_data_set(folder: Path, reader: str = "", table: Path | None = None) -> Found:
    """The data set in a folder; `reader` is one of `READERS`, or whichever recognizes the folder.

    `table` is the reader's own table where it does not lie in the folder. Raises NotThisDataSet.
    """
    name = reader or recognized(folder)
    if name not in READERS:
        raise NotThisDataSet(f"there is no reader {name}; there are {', '.join(READERS)}")
    read: Callable[[Path, Path | None], Found] = importlib.import_module(f"osteon.cohort.readers.{name}").read
    return read(folder, table)


def recognized(folder: Path) -> str:
    """The reader whose layout this folder has; raises NotThisDataSet where none has."""
    if not folder.is_dir():
        raise NotThisDataSet(f"there is no folder {folder.name}")
    for name in READERS:
        if importlib.import_module(f"osteon.cohort.readers.{name}").is_here(folder):
            return name
    raise NotThisDataSet(
        f"{folder.name} has the layout of no data set that is known: name one with --reader, or bring a table that "
        "names the files (`osteon cohort import --help`)"
    )

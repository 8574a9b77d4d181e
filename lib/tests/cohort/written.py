"""Small files as data sets hold them, what a reader said of them, and the commands run on them."""

import csv
from pathlib import Path

import nibabel
import numpy as np
import openpyxl
import PIL.Image
from typer.testing import CliRunner

from osteon.cohort.commands import cohort as commands
from osteon.cohort.readers import Found

__all__ = ["column", "kinds", "picture", "run", "sheet", "volume", "write_csv"]


def picture(path: Path, value: int = 0, *, bits: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.arange(value, value + 48).reshape(8, 6)
    PIL.Image.fromarray(pixels.astype(np.uint16 if bits == 16 else np.uint8)).save(path)


def volume(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.full((4, 5, 6), value, np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1.0, 1.5, 2.0, 1])), path)  # type: ignore[no-untyped-call]


def write_csv(path: Path, *rows: tuple[object, ...], separator: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)


def run(*words: object, code: int = 0, app: object = commands) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])  # type: ignore[arg-type]
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def sheet(path: Path, title: str, *rows: tuple[object, ...]) -> None:
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    book.save(path)


def column(found: Found, name: str) -> list[object]:
    return found.table.sort("case")[name].to_list()


def kinds(found: Found) -> list[tuple[str, str, int]]:
    return sorted((problem.kind, problem.where, problem.line) for problem in found.problems)

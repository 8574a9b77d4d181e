"""Boxes that came with the images, in YOLO's text files: class and, relative to width and height, middle and size.

A file `x.txt` belongs to the image of the same name, in whatever folder it lies. They are kept in the column `boxes` as
JSON, `[[class, x, y, width, height], …]`; a file that is empty says that there is none.
"""

import json
from pathlib import Path

import polars as pl

from osteon.cohort.problem import Problem
from osteon.cohort.readers.found import files_below

__all__ = ["with_boxes"]


def with_boxes(table: pl.DataFrame, folder: Path) -> tuple[pl.DataFrame, list[Problem]]:
    """The table with its boxes where there are any; what else stands in such a file is a problem."""
    stems = {Path(path).stem for path in table["path"].drop_nulls()}
    files = [path for path in files_below(folder, ".txt") if Path(path).stem in stems]
    boxes: dict[str, str] = {}
    problems = []
    for path in files:
        try:
            boxes[Path(path).stem] = json.dumps(_boxes((folder / path).read_text()))
        except (ValueError, OSError):
            says, way_out = (
                "it holds no boxes as YOLO writes them",
                "write class, x, y, width, height in parts of the image",
            )
            problems.append(Problem("unreadable", path, says=says, way_out=way_out))
    if not boxes:
        return table, problems
    column = [boxes.get(Path(path).stem) if path else None for path in table["path"]]
    return table.with_columns(boxes=pl.Series(column, dtype=pl.String)), problems


def _boxes(text: str) -> list[list[float]]:
    boxes = []
    for line in text.splitlines():
        numbers = [float(value) for value in line.split()]
        if not numbers:
            continue
        if len(numbers) < 5 or not all(-0.01 <= number <= 1.01 for number in numbers[1:]):
            raise ValueError(line)
        # More than five numbers are an outline; its box is what surrounds it.
        if len(numbers) > 5:
            x, y = numbers[1::2], numbers[2::2]
            numbers = [numbers[0], (min(x) + max(x)) / 2, (min(y) + max(y)) / 2, max(x) - min(x), max(y) - min(y)]
        boxes.append([int(numbers[0]), *numbers[1:]])
    return boxes

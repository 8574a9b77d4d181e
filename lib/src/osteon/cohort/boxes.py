"""Boxes that came with the images, in YOLO's text files: class and, relative to width and height, middle and size.

A text file belongs to the image at the same path, each seen without its first folder where that is needed
(`labels/train/x.txt`, `images/train/x.png`); else to the only image of its name. Where several images fit, or two files
of one image differ, they are named and none is taken. Boxes are kept in the column `boxes` as JSON,
`[[class, x, y, width, height], …]`; a file that is empty says that there is none.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from osteon.cohort.problem import Problem
from osteon.cohort.readers.found import files_below

__all__ = ["with_boxes"]


def with_boxes(table: pl.DataFrame, folder: Path) -> tuple[pl.DataFrame, list[Problem]]:
    """The table with its boxes where there are any; what else stands in such a file is a problem."""
    images = _by_place(table["path"].drop_nulls().unique())
    told: dict[str, dict[str, list[str]]] = {}  # image → boxes → the files that say so
    problems = []
    for path in files_below(folder, ".txt"):
        fitting = _fitting(path, images)
        if not fitting:
            continue
        if len(fitting) > 1:
            says = f"{len(fitting)} images have the name of this file, in several folders"
            way_out = "lay it out as the images are: labels/a/x.txt for images/a/x.png"
            problems.append(Problem("contradiction", path, says=says, way_out=way_out))
            continue
        try:
            boxes = json.dumps(_boxes((folder / path).read_text()))
        except (ValueError, OSError):
            says = "it holds no boxes as YOLO writes them"
            way_out = "write class, x, y, width, height in parts of the image, and no confidence"
            problems.append(Problem("unreadable", path, says=says, way_out=way_out))
            continue
        told.setdefault(fitting[0], {}).setdefault(boxes, []).append(path)
    for contents in told.values():
        files = sorted(path for paths in contents.values() for path in paths)
        for path in files if len(contents) > 1 else ():
            says = f"{len(files)} files hold different boxes of one image; none is taken"
            problems.append(Problem("contradiction", path, says=says, way_out="keep the one that is right"))
    agreed = {image: next(iter(contents)) for image, contents in told.items() if len(contents) == 1}
    if not agreed:
        return table, problems
    return table.with_columns(boxes=pl.Series([agreed.get(path) for path in table["path"]], dtype=pl.String)), problems


def _places(path: str) -> tuple[str, str, str]:
    """What a file is known by: its path, its path without the first folder, its name alone; none with its ending."""
    whole = Path(path).with_suffix("")
    return whole.as_posix(), Path(*(whole.parts[1:] or whole.parts)).as_posix(), whole.name


def _by_place(paths: Iterable[str]) -> tuple[dict[str, list[str]], ...]:
    by_place: tuple[dict[str, list[str]], ...] = ({}, {}, {})
    for path in paths:
        for known, place in zip(by_place, _places(path), strict=True):
            known.setdefault(place, []).append(path)
    return by_place


def _fitting(path: str, images: tuple[dict[str, list[str]], ...]) -> list[str]:
    """The images that a text file may belong to, by the first of these that any fits."""
    whole, rest, name = _places(path)
    by_whole, by_rest, by_name = images
    return by_whole.get(whole) or by_rest.get(rest) or by_whole.get(rest) or by_name.get(name) or []


def _boxes(text: str) -> list[list[float]]:
    boxes = []
    for line in text.splitlines():
        numbers = [float(value) for value in line.split()]
        if not numbers:
            continue
        is_outline = len(numbers) >= 7 and len(numbers) % 2 == 1  # class, then points; six are a box and its confidence
        if not (len(numbers) == 5 or is_outline) or not all(-0.01 <= number <= 1.01 for number in numbers[1:]):
            raise ValueError(line)
        if is_outline:  # its box is what surrounds it
            x, y = numbers[1::2], numbers[2::2]
            numbers = [numbers[0], (min(x) + max(x)) / 2, (min(y) + max(y)) / 2, max(x) - min(x), max(y) - min(y)]
        boxes.append([int(numbers[0]), *numbers[1:]])
    return boxes

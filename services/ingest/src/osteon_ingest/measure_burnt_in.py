"""How much burnt-in text is found, and how many images are set aside for nothing.

Every image of the folder (DICOM, JPEG, PNG) is searched as it is. In those that pass, made-up words are planted, one
at a time: in the middle, where the anatomy is, and at the margin; upright and turned; at five sizes. A planted text is
hidden if the image is set aside, or if nine tenths of its pixels are masked.
"""

import argparse
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from osteon.errors import SetAside
from osteon.imaging.dicom import decode, read_dataset
from osteon_ingest.burnt_in import find_text, mask_text

__all__ = ["hides", "main", "planted"]

Stored = npt.NDArray[np.integer[Any]]
WORDS = ("PLANTED ANNA", "1950-01-31", "ID 4711/08", "Planted^Otto", "31.01.1950", "0471108")
HEIGHTS = (0.01, 0.015, 0.02, 0.03, 0.05)  # of a letter, as a share of the image's longer side
PLACES = ("middle", "margin")
N_TURNS = 4


@dataclass(frozen=True)
class Case:
    """What is planted: a word, its letters' height in pixels, where, and by how many quarter turns."""

    word: str
    height: int
    place: str
    n_turns: int


def main() -> None:
    """Prints the share of planted texts that end hidden, and the images that are set aside as they are."""
    parser = argparse.ArgumentParser(prog="python -m osteon_ingest.measure_burnt_in", description=__doc__)
    parser.add_argument("folder", type=Path, help="images, none of which holds text")
    parser.add_argument("n_images", type=int, nargs="?", help="only the first so many (all)")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    hidden: Counter[tuple[str, float]] = Counter()
    tried: Counter[tuple[str, float]] = Counter()
    set_aside, seconds, names = [], 0.0, _names(given.folder)[: given.n_images]
    if not names:
        parser.error(f"{given.folder} holds no .dcm, .jpg, .jpeg or .png")
    for name in names:
        stored = _read(name)
        begun = time.process_time()
        if _is_set_aside(stored):
            set_aside.append(name.name)
        seconds += time.process_time() - begun
        if set_aside and set_aside[-1] == name.name:
            continue
        for share in HEIGHTS:
            for place in PLACES:
                case = Case(str(rng.choice(WORDS)), round(share * max(stored.shape)), place, int(rng.integers(N_TURNS)))
                tried[place, share] += 1
                hidden[place, share] += hides(stored, planted(stored, case, rng))
    _print(hidden, tried)
    Console().print(f"{len(set_aside)} of {len(names)} set aside as they are: {', '.join(set_aside) or 'none'}")
    Console().print(f"{1000 * seconds / len(names):.0f} ms of CPU an image")


def planted(stored: Stored, case: Case, rng: np.random.Generator) -> Stored:
    """A copy of `stored` (y, x) with a text in the image's brightest or darkest value, whichever stands out more."""
    import cv2  # it writes and reads pictures here; the service itself has no use for it

    face, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(1, case.height // 8)
    scale = cv2.getFontScaleFromHeight(face, case.height, thickness)
    (width, height), below = cv2.getTextSize(case.word, face, scale, thickness)
    drawn = np.zeros((height + below + thickness, width + thickness), np.uint8)
    cv2.putText(drawn, case.word, (0, height + thickness // 2), face, scale, (255,), thickness, cv2.LINE_AA)
    drawn = np.rot90(drawn, case.n_turns)[: stored.shape[0], : stored.shape[1]]
    place = tuple(_start(total, size, case.place, rng) for total, size in zip(stored.shape, drawn.shape, strict=True))
    inside = tuple(slice(start, start + size) for start, size in zip(place, drawn.shape, strict=True))
    low, high = (float(each) for each in np.percentile(stored, [0.1, 99.9]))
    value = high if np.median(stored[inside]) < (low + high) / 2 else low
    canvas = stored.copy()
    opacity = drawn / 255
    canvas[inside] = (opacity * value + (1 - opacity) * canvas[inside]).astype(stored.dtype)
    return canvas


def hides(stored: Stored, canvas: Stored) -> bool:
    """Whether the text that was planted in `stored` to give `canvas` ends hidden."""
    try:
        cleaned = mask_text(canvas, find_text(canvas))
    except SetAside:
        return True
    changed = np.abs(canvas.astype(np.float64) - stored) > 0.1 * np.ptp(stored)
    return bool((cleaned != canvas)[changed].mean() > 0.9)


def _is_set_aside(stored: Stored) -> bool:
    try:
        mask_text(stored, find_text(stored))
    except SetAside:
        return True
    return False


def _start(total: int, size: int, place: str, rng: np.random.Generator) -> int:
    """Where a text begins along an axis: about the middle third, or within a tenth of either end."""
    room = total - size
    if place == "middle":
        return int(rng.uniform(0.33, 0.67) * room)
    return int(rng.uniform(0, 0.1) * room if rng.random() < 0.5 else rng.uniform(0.9, 1) * room)


def _names(folder: Path) -> list[Path]:
    return sorted(name for name in folder.iterdir() if name.suffix in (".dcm", ".jpg", ".jpeg", ".png"))


def _read(name: Path) -> Stored:
    """The stored values of a file (y, x)."""
    if name.suffix == ".dcm":
        return decode(read_dataset(name.read_bytes()))
    import cv2  # as above

    gray = cv2.imread(str(name), cv2.IMREAD_GRAYSCALE)
    if gray is None:
        raise SystemExit(f"{name} is no image")
    return gray.astype(np.uint8)


def _print(hidden: Counter[tuple[str, float]], tried: Counter[tuple[str, float]]) -> None:
    table = Table("letter height", *PLACES, title="planted texts that end hidden")
    for share in HEIGHTS:
        cells = (f"{hidden[place, share]} of {tried[place, share]}" for place in PLACES)
        table.add_row(f"{100 * share:g} %", *cells)
    Console().print(table)


if __name__ == "__main__":
    main()

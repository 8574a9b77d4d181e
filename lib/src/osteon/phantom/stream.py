"""The digital cohort without files: images made as they are asked for, the same ones that `osteon cohort make` writes.

    plan = plan_of(Design("foundation"))
    for sample in stream(plan, part=(worker, n_workers), shuffle=epoch):
        sample.image.pixels   # float32 (y, x), bone bright

A sample costs tens of milliseconds on a core: what asks for more than its cores make reads from disk instead.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from osteon.imaging.dicom import read_image
from osteon.imaging.image import Image
from osteon.phantom.plan import Row
from osteon.phantom.projection import Truth
from osteon.phantom.render import Size, render

__all__ = ["Sample", "sample", "stream"]

SPAN, SPANS = 512, 8  # rows that follow each other, about a block; and spans whose rows are shuffled together


@dataclass(frozen=True)
class Sample:
    """An image as a reader of its file would have it, with its row of the plan and what is true of it: masks over the
    same field, turned as the image is."""

    row: Row
    image: Image
    truth: Truth


def sample(row: Row, size: Size = "crop") -> Sample:
    """The sample of one row, whatever was asked for before."""
    made = render(row, size)
    return Sample(row, read_image(made.dataset), made.truth)


def stream(
    rows: Sequence[Row], *, size: Size = "crop", part: tuple[int, int] = (0, 1), shuffle: int | None = None
) -> Iterator[Sample]:
    """Samples of the rows one by one, in their order or, with a number as `shuffle`, in one that follows from it.

    `part` is (which, of how many): parts are disjoint and together all rows, so that each of n workers asks for its
    own. Nothing is made ahead. Shuffled are spans of rows and, among some thousand that are next, the rows: so each
    block of the plan is drawn once or twice, and not for each of its rows. Raises ValueError for a part that is none.
    """
    which, n_parts = part
    if not 0 <= which < n_parts:
        raise ValueError(f"part is (which, of how many) from 0, not {part}")
    ordered = (rows[number] for number in range(len(rows))) if shuffle is None else _shuffled(rows, shuffle)
    for row in islice(ordered, which, None, n_parts):
        yield sample(row, size)


def _shuffled(rows: Sequence[Row], seed: int) -> Iterator[Row]:
    rng = np.random.default_rng(seed)
    starts = rng.permutation(np.arange(0, len(rows), SPAN))
    for first in range(0, len(starts), SPANS):
        held = [row for start in starts[first : first + SPANS] for row in rows[int(start) : int(start) + SPAN]]
        yield from (held[place] for place in rng.permutation(len(held)))

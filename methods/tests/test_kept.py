"""What is made of a plan's rows is made once, and made anew for other rows."""

from pathlib import Path

import numpy as np

from osteon.imaging.geometry import Geometry
from osteon_methods.training_set import plan_for, rendered


def test_images_are_rendered_once_and_come_in_the_order_of_their_rows(tmp_path: Path) -> None:
    rows = plan_for("fit", 0, 24)[:2]
    done: list[tuple[int, int]] = []

    def progress(n_done: int, n_all: int) -> None:
        done.append((n_done, n_all))

    first = rendered(rows, tmp_path, progress=progress)
    again = rendered(rows, tmp_path, progress=progress)
    turned = rendered(rows[::-1], tmp_path, progress=progress)

    assert done == [(1, 2), (2, 2)] * 2
    assert first.images.shape == (2, Geometry().rows, Geometry().columns)
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.images, turned.images[::-1])
    assert np.array_equal(first.place, turned.place[::-1], equal_nan=True)
    assert not np.array_equal(first.images[0], first.images[1])

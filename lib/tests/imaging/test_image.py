"""An Image can't be made of what is no image."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from osteon.imaging.image import Image

GOOD = np.zeros((2, 3), np.float32)


def test_the_size_is_pixels_times_spacing() -> None:
    assert Image(GOOD, (0.5, 0.2)).size_mm == pytest.approx((1.0, 0.6))


@pytest.mark.parametrize(
    ("pixels", "spacing_mm", "said"),
    [
        (GOOD[0], (1, 1), "axes"),
        (GOOD[:0], (1, 1), "empty"),
        (GOOD.astype(np.float64), (1, 1), "float32"),
        (np.full((2, 2), np.nan, np.float32), (1, 1), "finite"),
        (np.array([[np.inf, -np.inf]], np.float32), (1, 1), "finite"),
        (GOOD, (0, 1), "positive"),
        (GOOD, (1, float("nan")), "positive"),
        (GOOD, (1,), "spacing_mm"),
    ],
)
def test_what_is_wrong_is_said(pixels: npt.NDArray[Any], spacing_mm: tuple[float, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Image(pixels, spacing_mm)

"""Foreground and histogram landmarks: the measurements behind intensity standardisation.

Nyúl and Udupa, "On standardizing the MR image intensity scale", Magn Reson Med 42 (1999) 1072-1081, and
Nyúl, Udupa and Zhang, "New variants of a method of MRI scale standardization", IEEE TMI 19 (2000) 143-150:
landmarks are percentiles of the foreground; a piecewise linear map takes an image's landmarks to those of a
cohort. Here bone bright radiographs take the place of MR images.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["DECILES", "changed_share", "foreground", "landmarks", "standard_scale", "standardize"]

Pixels = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

# L4 of the 2000 paper: the ends (pc1, pc2) of the intensity range of interest, and the deciles between.
DECILES = (1.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 99.0)


def foreground(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """True where `pixels` (y, x) are brighter than their mean (the 1999 paper's rule), so not air or padding.

    All False where every pixel has the same value.
    """
    return np.asarray(pixels > pixels.mean(dtype=np.float64))


def landmarks(pixels: Pixels, percentiles: Sequence[float] = DECILES) -> Values:
    """The `percentiles` (0 to 100, increasing) of the foreground of `pixels` (y, x), in its own units.

    Percentiles are linearly interpolated (type 7 of Hyndman and Fan 1996). Of an image without foreground
    they are all its one value.
    """
    inside = pixels[foreground(pixels)]
    return np.asarray(np.percentile(inside if inside.size else pixels, percentiles), np.float64)


def standard_scale(cohort: Iterable[Values], low: float = 0.0, high: float = 1.0) -> Values:
    """The standard landmarks of a `cohort` of images' landmarks: the mean of each, in [`low`, `high`].

    Each image's landmarks are first mapped linearly so that its ends fall on `low` and `high` (step 1 of the
    training in the 1999 paper), then averaged (step 2). Raises ValueError for an empty cohort, or one in
    which an image's landmarks have no extent.
    """
    rows = []
    for values in cohort:
        if not values[-1] > values[0]:
            raise ValueError("landmarks have no extent: the image has one value")
        rows.append(low + (values - values[0]) * (high - low) / (values[-1] - values[0]))
    if not rows:
        raise ValueError("a standard scale needs at least one image")
    return np.asarray(np.mean(rows, axis=0))


def standardize(pixels: Pixels, source: Values, target: Values) -> Pixels:
    """`pixels` mapped piecewise linearly from landmarks `source` to landmarks `target`; ends are clipped.

    Both increase (weakly). The second variant of the 2000 paper extends the outer pieces instead of clipping;
    a model's input has a stated range, so clipping is chosen.
    """
    # Equal neighbors (a saturated image) would make the map ambiguous; the smallest step keeps it a function.
    span = max(float(source[-1] - source[0]), 1e-6)
    strictly = np.maximum.accumulate(source) + np.arange(source.size) * span * 1e-9
    return np.interp(pixels, strictly, target).astype(np.float32)


def changed_share(before: Pixels, after: Pixels) -> float:
    """How much harmonization changed an image beyond brightness and contrast: a share of the scale, 0 to 1.

    `before` (y, x), in any linear unit, is stretched so that the ends of its foreground (`landmarks`) are 0 and 1;
    `after` (y, x) is in [0, 1]. The result is their mean absolute difference, at each fourth row and column.
    """
    some = before[::4, ::4]
    low, *_, high = landmarks(some)
    stretched = np.clip((some - low) / max(high - low, 1e-6), 0.0, 1.0)
    return float(np.abs(stretched - after[::4, ::4]).mean())

"""Images at another size, for the networks that find and read text."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture

__all__ = ["resized"]


def resized(pixels: npt.NDArray[Any], height: int, width: int) -> npt.NDArray[Any]:
    """`pixels` (y, x), uint8 or float32, as `height` x `width` of the same type, whole and perhaps stretched.

    Averaged over a window as wide as what a new pixel covers where it shrinks, interpolated where it grows. The
    window's edges are soft (Hamming): with hard ones thin strokes would become uneven.
    """
    is_shrunken = height < pixels.shape[0]
    window = Picture.Resampling.HAMMING if is_shrunken else Picture.Resampling.BILINEAR
    return np.asarray(Picture.fromarray(pixels).resize((width, height), window))

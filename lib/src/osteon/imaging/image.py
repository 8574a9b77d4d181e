"""What an image is: the one place that says axes, dtype, units and polarity."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Image"]


@dataclass(frozen=True)
class Image:
    """A radiograph in memory.

    `pixels` are float32 with axes (y, x): rows from top to bottom, columns from left to right. Bone is
    bright: a larger value means more attenuation, whatever the file's photometric interpretation was.
    Units are arbitrary and linear in what the file stores; every value is finite.
    `spacing_mm` is in the order of the axes: (between rows, between columns), in millimeters.
    """

    pixels: npt.NDArray[np.float32]
    spacing_mm: tuple[float, float]

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.size == 0:
            raise ValueError(f"pixels have axes (y, x) and are not empty; got the shape {self.pixels.shape}")
        if self.pixels.dtype != np.float32:
            raise ValueError(f"pixels are float32, not {self.pixels.dtype}")
        # Both ends are finite only if all values are: NaN is passed on. This needs no mask of the image's size.
        if not (np.isfinite(self.pixels.min()) and np.isfinite(self.pixels.max())):
            raise ValueError("pixels hold values that are not finite")
        if len(self.spacing_mm) != 2 or not all(0 < s < np.inf for s in self.spacing_mm):
            raise ValueError(f"spacing_mm is (row, column), both positive; got {self.spacing_mm}")

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width of the field, in millimeters."""
        height, width = self.pixels.shape
        return height * self.spacing_mm[0], width * self.spacing_mm[1]

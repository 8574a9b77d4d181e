"""Which pixels a display shutter hides (PS3.3 C.7.6.11)."""

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

__all__ = ["outside_shutter"]

MAX_CORNERS = 1000  # a person draws a dozen; a million would hold a thread for hours

Mask = npt.NDArray[np.bool_]


def outside_shutter(dataset: Dataset, shape: tuple[int, ...]) -> Mask | None:
    """True where any of the image's shutters hides a pixel, axes (y, x); None if it has no shutter.

    Positions in DICOM count from 1 and are inclusive. A shutter may be of several shapes at once; what is
    shown is what all of them leave open.
    """
    shapes = dataset.get("ShutterShape")
    if not shapes:
        return None
    names = [shapes] if isinstance(shapes, str) else list(shapes)
    row, column = np.ogrid[1 : shape[0] + 1, 1 : shape[1] + 1]
    outside = np.zeros(shape, bool)
    if "RECTANGULAR" in names:
        outside |= (column < dataset.ShutterLeftVerticalEdge) | (column > dataset.ShutterRightVerticalEdge)
        outside |= (row < dataset.ShutterUpperHorizontalEdge) | (row > dataset.ShutterLowerHorizontalEdge)
    if "CIRCULAR" in names:
        center_row, center_column = (int(value) for value in dataset.CenterOfCircularShutter)
        radius = int(dataset.RadiusOfCircularShutter)
        outside |= (row - center_row) ** 2 + (column - center_column) ** 2 > radius**2
    if "POLYGONAL" in names:
        outside |= ~_inside_polygon([int(value) for value in dataset.VerticesOfThePolygonalShutter], shape)
    return outside


def _inside_polygon(vertices: list[int], shape: tuple[int, ...]) -> Mask:
    """Even-odd rule, row by row; `vertices` are pairs (row, column) counted from 1."""
    corners = np.array(vertices, float).reshape(-1, 2)
    if len(corners) < 3:
        raise ValueError("a polygon has at least three corners")
    if len(corners) > MAX_CORNERS:
        raise ValueError(f"a polygonal shutter has at most {MAX_CORNERS} corners")
    inside = np.zeros(shape, bool)
    columns = np.arange(1, shape[1] + 1)
    for row in range(1, shape[0] + 1):
        for (r0, c0), (r1, c1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if min(r0, r1) <= row < max(r0, r1):
                inside[row - 1] ^= columns >= c0 + (row - r0) * (c1 - c0) / (r1 - r0)
    return inside

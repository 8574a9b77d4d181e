"""One reference geometry: the bone's long axis vertical, one spacing, one size.

Training and serving both call `to_reference`, so a model sees the same geometry in both. The card of a
model holds the `Geometry` it was trained on.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from osteon.imaging.image import Image

__all__ = ["Axis", "Geometry", "block_mean", "long_axis", "place_in_reference", "to_reference"]

Pixels = npt.NDArray[np.float32]

COARSE_MM = 2.0  # a shaft is about 30 mm wide: 15 samples, and a whole film is no more than 50 000 pixels
RIDGE_MM = 7.0  # half a shaft's half width: a thigh is too broad for it, trabeculae and muscle are too fine
BLACK = 0.02  # of the range: what is darker is taken as outside of the field
MARGIN_MM = 20.0  # three times RIDGE_MM, as far as the edge of a field reaches
CONFIDENT = 0.4  # coherence from which the axis is believed: a shaft gives 0.6 to 1, noise 0.1


@dataclass(frozen=True)
class Geometry:
    """A grid of `rows` x `columns` square pixels of `spacing_mm` millimeters."""

    spacing_mm: float = 0.5
    rows: int = 640
    columns: int = 384

    def __post_init__(self) -> None:
        if not 0 < self.spacing_mm < math.inf:
            raise ValueError(f"spacing_mm is a positive length; got {self.spacing_mm}")
        if self.rows < 1 or self.columns < 1:
            raise ValueError(f"a grid has at least one row and column; got {self.rows} x {self.columns}")


@dataclass(frozen=True)
class Axis:
    """Where a bone lies: `angle` in radians from vertical, in (-pi/2, pi/2], positive when its top leans to
    the right; `center_mm` (row, column) from the image's top left corner; `coherence` in [0, 1]."""

    angle: float
    center_mm: tuple[float, float]
    coherence: float


def to_reference(image: Image, geometry: Geometry) -> Image:
    """`image` turned so that the long axis of its bone is vertical, resampled, and cut or padded around it.

    It is turned only where the axis is clear (`Axis.coherence`), by the smaller of the two angles; which
    end is up is not decided. What lies outside the field gets the image's smallest value. The result has
    the shape and spacing of `geometry` and the same linear units.
    """
    # 1. Anti-alias: average whole blocks as long as they stay finer than the target.
    fine = _averaged(image, geometry)
    # 2. Find the bone.
    rotation, center_mm = _window(fine, geometry)
    # 3. One affine map takes each reference pixel, in mm from the grid's center, to a place in the image.
    spacing = np.array(fine.spacing_mm)
    matrix = rotation * geometry.spacing_mm / spacing[:, None]
    grid_center = (np.array([geometry.rows, geometry.columns]) - 1) / 2
    offset = center_mm / spacing - 0.5 - matrix @ grid_center
    pixels = ndimage.affine_transform(
        fine.pixels,
        matrix,
        offset,
        (geometry.rows, geometry.columns),
        order=1,
        mode="grid-constant",  # "constant" drops edge pixels that rounding moves out by 1e-14
        cval=float(fine.pixels.min()),
    )
    return Image(pixels, (geometry.spacing_mm, geometry.spacing_mm))


def place_in_reference(image: Image, geometry: Geometry, place_mm: tuple[float, float]) -> tuple[float, float]:
    """Where `to_reference` puts a place of `image`: (row, column) in pixels of the result, which may lie outside it.

    `place_mm` is (row, column) from the image's top left corner.
    """
    rotation, center_mm = _window(_averaged(image, geometry), geometry)
    grid_center = (np.array([geometry.rows, geometry.columns]) - 1) / 2
    row, column = grid_center + rotation.T @ (np.array(place_mm) - center_mm) / geometry.spacing_mm
    return float(row), float(column)


def long_axis(image: Image) -> Axis:
    """The direction along which a bone runs, and its center.

    A shaft is a ridge: brightness falls to both its sides and not along it. Each place counts by how much of a ridge
    as wide as a shaft it is; a joint is round, soft tissue too broad, and edges of the field are left out. The
    coherence says how much the ridges agree on a direction.
    """
    factors = [max(1, round(COARSE_MM / spacing)) for spacing in image.spacing_mm]
    coarse = block_mean(image, (factors[0], factors[1]))
    # 1. The second derivatives of the smoothed image, and their eigenvalues (half the trace -/+ `half`).
    spacing = np.array(coarse.spacing_mm)
    pixels = coarse.pixels.astype(np.float64) / max(float(np.ptp(coarse.pixels)), 1e-30)
    yy, xx, xy = (
        ndimage.gaussian_filter(pixels, RIDGE_MM / spacing, order, mode="nearest") / np.prod(spacing**order)
        for order in ((2, 0), (0, 2), (1, 1))
    )
    half = np.hypot(xx - yy, 2 * xy) / 2
    # 2. A ridge is bent down across, and little along: the strength is by how much more.
    across, along = (xx + yy) / 2 - half, (xx + yy) / 2 + half
    ridge = np.maximum(-across - np.abs(along), 0) * _inside_field(coarse)
    total = float(ridge.sum())
    if total <= 0:
        height_mm, width_mm = coarse.size_mm
        return Axis(0.0, (height_mm / 2, width_mm / 2), 0.0)
    # 3. The mean direction, by doubled angles since a line has no sense. A ridge runs along the eigenvector of the
    # larger eigenvalue, 0.5 atan2(2xy, xx - yy) from the x axis (y down), which is a right angle from vertical.
    share = ridge / (2 * np.maximum(half, 1e-30) * total)
    cos, sin = float((share * (xx - yy)).sum()), float((share * 2 * xy).sum())
    return Axis(0.5 * math.atan2(-sin, -cos), _center_mm(ridge, coarse.spacing_mm), math.hypot(cos, sin))


def _center_mm(weight: npt.NDArray[np.float64], spacing_mm: tuple[float, float]) -> tuple[float, float]:
    """Center (row, column) in mm."""
    rows, columns = ((weight.sum(1 - axis) * (np.arange(n) + 0.5)).sum() for axis, n in enumerate(weight.shape))
    total = weight.sum()
    return float(rows / total) * spacing_mm[0], float(columns / total) * spacing_mm[1]


def block_mean(image: Image, factors: tuple[int, int]) -> Image:
    """`image` averaged over blocks of `factors` (rows, columns) pixels; a remainder at the end is cut off."""
    height, width = image.pixels.shape
    down, right = min(factors[0], height), min(factors[1], width)
    if (down, right) == (1, 1):
        return image
    cut = image.pixels[: height // down * down, : width // right * right]
    # Adding strided views touches the image once and never makes a copy of its size.
    rows = cut[::down].copy()
    for i in range(1, down):
        rows += cut[i::down]
    mean = rows[:, ::right].copy()
    for j in range(1, right):
        mean += rows[:, j::right]
    mean /= down * right
    return Image(mean, (image.spacing_mm[0] * down, image.spacing_mm[1] * right))


def _inside_field(coarse: Image) -> npt.NDArray[np.bool_]:
    """Where the picture is, some millimeters away from the black around it and from its ends: edges of a collimated or
    pasted field are the longest and strongest lines of an image, and say nothing about a bone."""
    low, high = np.percentile(coarse.pixels, [0, 99])
    black = np.pad(coarse.pixels <= low + BLACK * (high - low), 1, constant_values=True)
    distances_mm: npt.NDArray[np.float64] = ndimage.distance_transform_edt(~black, sampling=coarse.spacing_mm)
    return np.asarray(distances_mm[1:-1, 1:-1] > MARGIN_MM)


def _averaged(image: Image, geometry: Geometry) -> Image:
    factors = [max(1, int(geometry.spacing_mm / spacing)) for spacing in image.spacing_mm]
    return block_mean(image, (factors[0], factors[1]))


def _window(fine: Image, geometry: Geometry) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The rotation from the reference grid to the image, and the grid's center in the image in mm."""
    axis = long_axis(fine)
    angle = axis.angle if axis.coherence >= CONFIDENT else 0.0
    rotation = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return rotation, _window_center_mm(fine, geometry, rotation, np.array(axis.center_mm))


def _window_center_mm(
    image: Image, geometry: Geometry, rotation: npt.NDArray[np.float64], bone_mm: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The window's center: on the bone, moved no further out of the field than the window is larger than it."""
    field = np.array(image.size_mm)
    turned = np.abs(rotation.T) @ field  # height and width of the turned field's bounding box
    window = np.array([geometry.rows, geometry.columns]) * geometry.spacing_mm
    slack = np.maximum(turned - window, 0) / 2
    from_middle = np.clip(rotation.T @ (bone_mm - field / 2), -slack, slack)
    middle: npt.NDArray[np.float64] = field / 2 + rotation @ from_middle
    return middle

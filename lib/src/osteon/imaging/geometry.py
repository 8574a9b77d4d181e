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

__all__ = ["Axis", "Geometry", "block_mean", "long_axis", "to_reference"]

Pixels = npt.NDArray[np.float32]

COARSE_MM = 2.0  # a shaft is about 30 mm wide: 15 samples, and a whole film is no more than 50 000 pixels
EDGE_MM = 3.0  # scale of the gradients: above trabeculae and noise, below the width of a cortex pair
BACKGROUND_MM = 25.0  # what varies more slowly than this is soft tissue, scatter or a field edge
BLACK = 0.02  # of the range: what is darker is taken as outside of the field
MARGIN_MM = 10.0  # three times EDGE_MM, as far as a smoothed edge reaches
CONFIDENT = 0.3  # coherence from which the axis is believed; lines give 1, a round or cluttered field near 0
LONG = 0.8  # elongation from which the mass is believed: an axis ratio of 3; a pelvis, hip or knee stays below


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
    factors = [max(1, int(geometry.spacing_mm / spacing)) for spacing in image.spacing_mm]
    fine = block_mean(image, (factors[0], factors[1]))
    # 2. Find the bone.
    axis = long_axis(fine)
    angle = axis.angle if axis.coherence >= CONFIDENT else 0.0
    # 3. One affine map takes each reference pixel, in mm from the grid's center, to a place in the image.
    rotation = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    center_mm = _window_center_mm(fine, geometry, rotation, np.array(axis.center_mm))
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


def long_axis(image: Image) -> Axis:
    """The direction along which a bone runs, and its center.

    Each place counts by how much brighter it is than its surroundings, so that soft tissue and collimation,
    which are broad, count little. The edges tell the direction where they agree; where noise or a displaced
    fracture hides that, the bone's mass does, if it is long and narrow.
    """
    factors = [max(1, round(COARSE_MM / spacing)) for spacing in image.spacing_mm]
    coarse = block_mean(image, (factors[0], factors[1]))
    bone = _brighter_than_surroundings(coarse) * _inside_field(coarse)
    total = float(bone.sum())
    if total <= 0:
        height_mm, width_mm = coarse.size_mm
        return Axis(0.0, (height_mm / 2, width_mm / 2), 0.0)
    center_mm = _moments_mm(bone, coarse.spacing_mm)[0]
    angle, coherence = _edges(coarse, bone)
    if coherence < CONFIDENT:
        by_mass, elongation = _mass(bone, coarse.spacing_mm)
        if elongation >= LONG:
            return Axis(by_mass, center_mm, elongation)
    return Axis(angle, center_mm, coherence)


def _edges(coarse: Image, bone: Pixels) -> tuple[float, float]:
    """Angle from vertical, and coherence, of the edges in and around `bone`.

    The structure tensor (Bigün and Granlund 1987) averages gradients g g^T over the image: its weaker
    eigenvector runs along edges, and the coherence (l1 - l2) / (l1 + l2) says how much they agree.
    """
    spacing = np.array(coarse.spacing_mm)
    smooth = ndimage.gaussian_filter(coarse.pixels, EDGE_MM / spacing, mode="nearest")
    down, right = (ndimage.sobel(smooth, axis) / spacing[axis] for axis in (0, 1))
    weight = ndimage.gaussian_filter(bone, 2 * EDGE_MM / spacing)
    yy, xx, xy = (float((weight * product).sum()) for product in (down * down, right * right, down * right))
    energy = yy + xx
    # The dominant gradient has the angle 0.5 atan2(2xy, xx - yy) from the x axis (y down); the edge runs
    # at a right angle to it, so the same angle leads from vertical to the edge, counted to the right.
    return 0.5 * math.atan2(2 * xy, xx - yy), math.hypot(xx - yy, 2 * xy) / energy if energy > 0 else 0.0


def _mass(bone: Pixels, spacing_mm: tuple[float, float]) -> tuple[float, float]:
    """Angle from vertical, and elongation (l1 - l2) / (l1 + l2), of the second moments of the brightest bone."""
    smooth = ndimage.gaussian_filter(bone, COARSE_MM / np.array(spacing_mm))
    bright = np.where(smooth > np.percentile(smooth[smooth > 0], 60), smooth, 0)
    _, (yy, xx, xy) = _moments_mm(bright, spacing_mm)
    spread = yy + xx
    return 0.5 * math.atan2(-2 * xy, yy - xx), math.hypot(yy - xx, 2 * xy) / spread if spread > 0 else 0.0


def _moments_mm(
    weight: Pixels, spacing_mm: tuple[float, float]
) -> tuple[tuple[float, float], tuple[float, float, float]]:
    """Center (row, column) in mm, and central second moments (yy, xx, xy) in mm²."""
    rows, columns = np.indices(weight.shape, sparse=True)
    y, x = (rows + 0.5) * spacing_mm[0], (columns + 0.5) * spacing_mm[1]
    total = float(weight.sum())
    middle_y, middle_x = float((weight * y).sum()) / total, float((weight * x).sum()) / total
    y, x = y - middle_y, x - middle_x
    products = (y * y, x * x, y * x)
    yy, xx, xy = (float((weight * product).sum()) / total for product in products)
    return (middle_y, middle_x), (yy, xx, xy)


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


def _brighter_than_surroundings(coarse: Image) -> Pixels:
    """How much each pixel exceeds the Gaussian mean around it; never negative."""
    sigma = BACKGROUND_MM / np.array(coarse.spacing_mm)
    surroundings: Pixels = ndimage.gaussian_filter(coarse.pixels, sigma, mode="nearest")
    excess: Pixels = np.maximum(coarse.pixels - surroundings, 0)
    return excess


def _inside_field(coarse: Image) -> npt.NDArray[np.bool_]:
    """Where the picture is, some millimeters away from the black around it: edges of a collimated or
    pasted field are the longest and strongest lines of an image, and say nothing about a bone."""
    low, high = np.percentile(coarse.pixels, [0, 99])
    black = coarse.pixels <= low + BLACK * (high - low)
    distances_mm: npt.NDArray[np.float64] = ndimage.distance_transform_edt(~black, sampling=coarse.spacing_mm)
    return np.asarray(distances_mm > MARGIN_MM) if black.any() else np.ones(black.shape, bool)


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

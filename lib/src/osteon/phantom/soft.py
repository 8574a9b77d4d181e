"""Soft tissue on each ray: muscle and fat in mm, on a grid of about a millimeter made finer; folds of skin, casts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Picture

from osteon.phantom.femur import Femur
from osteon.phantom.mimics import Fold
from osteon.phantom.population import View
from osteon.phantom.solids import FloatArray, Plane, Solid, Sweep
from osteon.phantom.texture import Texture
from osteon.phantom.tissue import Thigh, flesh

__all__ = ["Course", "cast_mm", "folded_mm", "soft_tissue"]

COARSE_MM = 1.2  # soft tissue has no finer edge but the skin, which is met at a slant
BEND_MM = 45.0  # to each side of a fracture, over which the thigh bends
# Fine structure of flesh, a choice each, set so that its gradients come near those of real films (`cohort likeness`):
MARBLING = 0.5  # of what is not lean lies in streaks between bundles of muscle
PLANES_MM = 24.0  # of fat on a ray along a plane between muscles
SEPTA = 0.15  # of the fat below the skin is the walls of its lobules
SKIN_MM = 1.8  # of dermis, as dense as muscle (1.5 to 2.5 mm on thighs)
RELIEF_MM = 2.6  # how uneven the surface is: creases, and what the limb lies on
# A mm of plaster stops as much as 0.45 mm of cortical bone: gypsum of 1.1 to 1.3 g/cm3 with calcium; estimated.
PLASTER, PLASTER_MM = 0.45, 6.0


@dataclass(frozen=True)
class Course:
    """How the leg runs: as `upper` lies, and below the fracture at `level_mm` as `lower` does, with a bend between."""

    upper: Plane
    lower: Plane
    level_mm: float

    def points(self, factor: int) -> tuple[FloatArray, FloatArray]:
        """(s, u) of each pixel of a grid coarser by a factor."""
        upper = self.upper.coarser(factor)
        window = (slice(0, upper.shape[0]), slice(0, upper.shape[1]))
        s, u = upper.points(window)
        if self.lower is self.upper:
            return s, u
        below = np.clip((s - np.float32(self.level_mm - BEND_MM)) / np.float32(2 * BEND_MM), 0, 1)
        below *= below * (3 - 2 * below)
        lower_s, lower_u = self.lower.coarser(factor).points(window)
        return s + below * (lower_s - s), u + below * (lower_u - u)


def soft_tissue(
    thigh: Thigh, femur: Femur, view: View, course: Course, turn: float, texture: Texture, spacing_mm: float
) -> tuple[FloatArray, FloatArray]:
    """(muscle, fat) in mm on each ray, as if there were no bone in it."""
    solids = flesh(thigh, femur, view)
    factor = max(1, round(COARSE_MM / spacing_mm))
    s, u = course.points(factor)
    whole = _within(solids.skin, s, u, turn)
    lean = np.minimum(_within(solids.lean, s, u, turn), whole)
    skin = np.maximum(whole - _within((_shrunk(solids.thigh), *solids.skin[1:]), s, u, turn), 0)
    filled = np.zeros_like(s)
    for belly in _in_field(solids.bellies, s, u, turn):
        lo, hi = belly.chord(s, u, turn)
        filled += np.maximum(hi - lo, 0)
    muscle = np.float32(thigh.lean) * lean + np.float32(1 - thigh.lean) * np.minimum(filled, lean)
    muscle *= 1 - np.float32(MARBLING * (1 - thigh.lean)) * np.maximum(1 + _bundles(s, u, texture), 0)
    muscle -= np.minimum(np.float32(PLANES_MM) * _planes(s, u, texture), np.float32(0.3) * muscle)
    whole = np.maximum(whole + _relief_mm(s, u, whole, texture), 0)
    fat = np.maximum(whole - muscle, 0)
    walls = np.minimum(np.float32(SEPTA) * fat * np.maximum(1 + _lobules(s, u, texture), 0) + skin, fat)
    muscle, fat = muscle + walls, fat - walls
    return _finer(muscle, factor, course.upper.shape), _finer(fat, factor, course.upper.shape)


def _bundles(s: FloatArray, u: FloatArray, texture: Texture) -> FloatArray:
    """Streaks of fat between bundles of muscle, of deviation 1: two layers that run to either side of the leg's axis,
    fine ones and coarse ones."""
    fine = texture.between(s * np.float32(0.03), u * np.float32(0.5) + np.float32(0.07) * s)
    coarse = texture.between(s * np.float32(0.016) + np.float32(61), u * np.float32(0.15) - np.float32(0.02) * s)
    return np.asarray(np.float32(0.6) * fine + np.float32(0.8) * coarse, dtype=np.float32)


def _planes(s: FloatArray, u: FloatArray, texture: Texture) -> FloatArray:
    """Planes of fat between muscles that the ray meets edge on, 0 to 1: two families of lines some 3 mm wide that run
    along the leg, part and meet."""
    one = texture.between(s * np.float32(0.010) + np.float32(19), u * np.float32(0.07) + np.float32(0.008) * s)
    other = texture.between(s * np.float32(0.012) + np.float32(113), u * np.float32(0.06) - np.float32(0.010) * s)
    return np.asarray(np.maximum(np.exp(-((one / np.float32(0.14)) ** 2)), np.exp(-((other / np.float32(0.1)) ** 2))))


def _lobules(s: FloatArray, u: FloatArray, texture: Texture) -> FloatArray:
    """The walls of fat lobules, of deviation 1."""
    return texture.between(s * np.float32(0.10) + np.float32(97), u * np.float32(0.16) + np.float32(41))


def _relief_mm(s: FloatArray, u: FloatArray, whole: FloatArray, texture: Texture) -> FloatArray:
    """What creases and the surface beneath add to the way through the limb or take off it."""
    waves = texture.between(s * np.float32(0.055) + np.float32(131), u * np.float32(0.05) + np.float32(67))
    return np.asarray(np.float32(RELIEF_MM) * waves * np.minimum(whole * np.float32(1 / 20), 1), dtype=np.float32)


def _shrunk(thigh: Sweep) -> Sweep:
    """All of the thigh below its skin."""
    return Sweep(thigh.start, thigh.x, thigh.z, thigh.a - np.float32(SKIN_MM), thigh.b - np.float32(SKIN_MM))


def _within(solids: tuple[Solid, ...], s: FloatArray, u: FloatArray, turn: float) -> FloatArray:
    """How much of each ray lies in any of the solids, by their chords in the order in which the ray meets them."""
    met = _in_field(solids, s, u, turn)
    if not met:
        return np.zeros_like(s)
    lo, hi = (np.stack(ends) for ends in zip(*(solid.chord(s, u, turn) for solid in met), strict=True))
    order = np.argsort(lo, axis=0)
    lo, hi = np.take_along_axis(lo, order, axis=0), np.take_along_axis(hi, order, axis=0)
    length, reached = np.maximum(hi[0] - lo[0], 0), hi[0]
    for low, high in zip(lo[1:], hi[1:], strict=True):
        length += np.maximum(high - np.maximum(low, reached), 0)
        reached = np.maximum(reached, high)
    return np.asarray(length, dtype=np.float32)


def _in_field(solids: Sequence[Solid], s: FloatArray, u: FloatArray, turn: float) -> list[Solid]:
    """Those of the solids that any ray can meet."""
    top, bottom, left, right = s.min(), s.max(), u.min(), u.max()
    boxes = [solid.box(turn) for solid in solids]
    return [
        solid
        for solid, box in zip(solids, boxes, strict=True)
        if box[0] < bottom and box[1] > top and box[2] < right and box[3] > left
    ]


def folded_mm(fold: Fold, plane: Plane, fat: FloatArray) -> FloatArray:
    """What a fold adds to the fat: most at its line, where it ends, and less and less above."""
    s, u = plane.points((slice(0, plane.shape[0]), slice(0, plane.shape[1])))
    line = np.float32(fold.level_mm) + np.float32(fold.slope) * u + np.float32(fold.curve_per_mm) * u * u
    above = line - s
    depth = np.exp(-np.maximum(above, 0) / np.float32(22)) * np.clip(above + np.float32(0.5), 0, 1)
    return np.asarray(np.float32(fold.thickness_mm) * depth * (fat > 4), dtype=np.float32)


def cast_mm(thigh: Sweep, course: Course, turn: float, texture: Texture) -> FloatArray:
    """A plaster cast in mm of cortical bone: a shell about the thigh, uneven from its bandages."""
    s, u = course.points(1)
    grown = Sweep(thigh.start, thigh.x, thigh.z, thigh.a + np.float32(PLASTER_MM), thigh.b + np.float32(PLASTER_MM))
    (out_lo, out_hi), (lo, hi) = grown.chord(s, u, turn), thigh.chord(s, u, turn)
    shell = np.maximum(out_hi - out_lo, 0) - np.maximum(hi - lo, 0)
    uneven = 1 + np.float32(0.07) * texture.at((s + u) * np.float32(0.12), (s - u) * np.float32(0.12))
    return np.asarray(np.float32(PLASTER) * shell * uneven, dtype=np.float32)


def _finer(array: FloatArray, factor: int, shape: tuple[int, int]) -> FloatArray:
    if factor == 1:
        return array
    size = (array.shape[1] * factor, array.shape[0] * factor)
    finer = np.asarray(Picture.fromarray(array).resize(size, Picture.Resampling.BICUBIC), dtype=np.float32)
    return np.maximum(finer[: shape[0], : shape[1]], 0)

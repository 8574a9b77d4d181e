"""Soft tissue on each ray: muscle and fat in mm, on a grid of about a millimeter made finer; folds of skin, casts."""

import numpy as np
from PIL import Image as Picture

from osteon.phantom.femur import Femur
from osteon.phantom.mimics import Fold
from osteon.phantom.population import View
from osteon.phantom.solids import FloatArray, Plane, Sweep, length_mm, union
from osteon.phantom.texture import Texture
from osteon.phantom.tissue import Flesh, Thigh, flesh

__all__ = ["cast_mm", "folded_mm", "soft_tissue"]

COARSE_MM = 1.0  # soft tissue has no finer edge but the skin, which is met at a slant
MARBLING = 0.05  # of the muscle: streaks of fat between its bundles
# A mm of plaster stops as much as 0.45 mm of cortical bone: gypsum of 1.1 to 1.3 g/cm3 with calcium; estimated.
PLASTER, PLASTER_MM = 0.45, 6.0


def soft_tissue(
    thigh: Thigh, femur: Femur, view: View, plane: Plane, turn: float, texture: Texture, spacing_mm: float
) -> tuple[FloatArray, FloatArray]:
    """(muscle, fat) in mm on each ray, as if there were no bone in it."""
    solids = flesh(thigh, femur, view)
    factor = max(1, round(COARSE_MM / spacing_mm))
    coarse = plane.coarser(factor)
    window = (slice(0, coarse.shape[0]), slice(0, coarse.shape[1]))
    whole = length_mm(*union(solids.skin, coarse, window, turn))
    lean = np.minimum(length_mm(*union(solids.lean, coarse, window, turn)), whole)
    filled = np.minimum(_bellies_mm(solids, coarse, turn), lean)
    muscle = np.float32(thigh.lean) * lean + np.float32(1 - thigh.lean) * filled
    s, u = coarse.points(window)
    muscle *= 1 - np.float32(MARBLING) * (1 + texture.at(s * np.float32(0.12), u * np.float32(0.5)))
    fat = np.maximum(whole - muscle, 0)
    return _finer(muscle, factor, plane.shape), _finer(fat, factor, plane.shape)


def folded_mm(fold: Fold, plane: Plane, fat: FloatArray) -> FloatArray:
    """What a fold adds to the fat: most at its line, where it ends, and less and less above."""
    s, u = plane.points((slice(0, plane.shape[0]), slice(0, plane.shape[1])))
    line = np.float32(fold.level_mm) + np.float32(fold.slope) * u + np.float32(fold.curve_per_mm) * u * u
    above = line - s
    depth = np.exp(-np.maximum(above, 0) / np.float32(22)) * np.clip(above + np.float32(0.5), 0, 1)
    return np.asarray(np.float32(fold.thickness_mm) * depth * (fat > 4), dtype=np.float32)


def cast_mm(thigh: Sweep, plane: Plane, turn: float, texture: Texture) -> FloatArray:
    """A plaster cast in mm of cortical bone: a shell about the thigh, uneven from its bandages."""
    window = (slice(0, plane.shape[0]), slice(0, plane.shape[1]))
    grown = Sweep(thigh.start, thigh.x, thigh.z, thigh.a + np.float32(PLASTER_MM), thigh.b + np.float32(PLASTER_MM))
    shell = length_mm(*union((grown,), plane, window, turn)) - length_mm(*union((thigh,), plane, window, turn))
    s, u = plane.points(window)
    uneven = 1 + np.float32(0.07) * texture.at((s + u) * np.float32(0.12), (s - u) * np.float32(0.12))
    return np.asarray(np.float32(PLASTER) * shell * uneven, dtype=np.float32)


def _bellies_mm(solids: Flesh, plane: Plane, turn: float) -> FloatArray:
    total = np.zeros(plane.shape, dtype=np.float32)
    for belly in solids.bellies:
        window = plane.window(belly.box(turn))
        if all(one.start < one.stop for one in window):
            lo, hi = belly.chord(*plane.points(window), turn)
            total[window] += np.maximum(hi - lo, 0)
    return total


def _finer(array: FloatArray, factor: int, shape: tuple[int, int]) -> FloatArray:
    if factor == 1:
        return array
    size = (array.shape[1] * factor, array.shape[0] * factor)
    finer = np.asarray(Picture.fromarray(array).resize(size, Picture.Resampling.BICUBIC), dtype=np.float32)
    return np.maximum(finer[: shape[0], : shape[1]], 0)

"""Femur, fracture and pose → thickness maps: how many mm of each tissue lie on the ray to a point of the detector."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, zoom

from osteon.phantom.projection import Thickness
from osteon.phantom.shaft.femur import Femur, Thigh, bone_half_depths_mm, spongy_fraction
from osteon.phantom.shaft.fracture import BACK, FRONT, Fracture, Fragment, Line

__all__ = ["Pose", "draw_pose", "project"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pose:
    """How the leg lies on the detector. `center_s_mm` of the bone's axis is shown in the middle of the field."""

    center_s_mm: float
    offset_x_mm: float
    rotation_rad: float
    is_left: bool


def draw_pose(femur: Femur, fracture: Fracture, rng: np.random.Generator) -> Pose:
    """An AP view with the fracture within the field, off-centre and turned by a few degrees as in practice."""
    center_s_mm = fracture.level_mm + float(rng.normal(0, 45))
    return Pose(
        center_s_mm=float(np.clip(center_s_mm, 0.30 * femur.length_mm, 0.60 * femur.length_mm)),
        offset_x_mm=float(rng.normal(0, 7)),
        rotation_rad=float(np.radians(rng.normal(0, 3.5))),
        is_left=bool(rng.random() < 0.5),
    )


def project(
    femur: Femur,
    thigh: Thigh,
    fracture: Fracture,
    pose: Pose,
    *,
    field_mm: tuple[float, float],
    spacing_mm: float,
    rng: np.random.Generator,
) -> Thickness:
    """Thickness maps over a field of (height, width) in mm. `rng` draws only the texture, on a grid of 2 mm that is
    the same for every `spacing_mm`."""
    s, x = _bone_coordinates(pose, field_mm, spacing_mm)
    cortex_mm, spongy_mm = _broken_bone(femur, fracture, s, x, spacing_mm)
    muscle_texture = _texture(field_mm, s, rng, along_mm=22.0)
    spongy_mm = spongy_mm * np.clip(1 + 0.25 * _texture(field_mm, s, rng, along_mm=2.5), 0, None)

    narrowing = 1 - thigh.taper * np.clip((s - 60) / femur.length_mm, -0.2, 1)
    axis_x = -thigh.medial_offset_mm * narrowing
    whole_mm = _chord_mm(x - axis_x, thigh.half_width_mm * narrowing, thigh.half_depth_mm * narrowing)
    lean = narrowing * thigh.half_width_mm - thigh.fat_mm
    lean_depth = narrowing * thigh.half_depth_mm - thigh.fat_mm
    lean_mm = np.minimum(_chord_mm(x - axis_x, lean, lean_depth), whole_mm)
    bone_mm = cortex_mm + spongy_mm
    # bundles of muscle with fat between them: a few percent of the lean thickness is fat, unevenly
    marbling = np.clip(0.06 + 0.05 * muscle_texture, 0, 0.3)
    muscle_mm = np.clip(lean_mm * (1 - marbling) - bone_mm, 0, None)
    fat_mm = whole_mm - lean_mm + lean_mm * marbling
    density = np.float32(femur.bone_density)
    return Thickness(
        cortex_mm=cortex_mm * density,
        spongy_mm=(spongy_mm * density).astype(np.float32),
        muscle_mm=muscle_mm.astype(np.float32),
        fat_mm=fat_mm.astype(np.float32),
        metal_mm=np.zeros_like(fat_mm, dtype=np.float32),
        spacing_mm=spacing_mm,
    )


def _bone_coordinates(pose: Pose, field_mm: tuple[float, float], spacing_mm: float) -> tuple[FloatArray, FloatArray]:
    """(s, x) in mm of each pixel; x lateral, which is to the right of the image in a left leg seen from the front."""
    n_rows, n_columns = (round(side_mm / spacing_mm) for side_mm in field_mm)
    v = ((np.arange(n_rows, dtype=np.float32) + 0.5) * spacing_mm - field_mm[0] / 2)[:, None]
    u = ((np.arange(n_columns, dtype=np.float32) + 0.5) * spacing_mm - field_mm[1] / 2)[None, :]
    cos, sin = np.float32(np.cos(pose.rotation_rad)), np.float32(np.sin(pose.rotation_rad))
    s = cos * v + sin * u + np.float32(pose.center_s_mm)
    across = -sin * v + cos * u + np.float32(pose.offset_x_mm)
    return s, across if pose.is_left else -across


def _broken_bone(
    femur: Femur, fracture: Fracture, s: FloatArray, x: FloatArray, spacing_mm: float
) -> tuple[FloatArray, FloatArray]:
    """Cortex and spongy bone in mm, summed over the fragments, each where it has moved to."""
    whole = Fragment(above=None, below=None)
    cortex_mm = np.zeros_like(s)
    spongy_mm = np.zeros_like(s)
    for fragment in fracture.fragments or (whole,):
        rows = _rows_within_reach(fragment, s)
        fragment_s, fragment_x = _moved_back(fragment, fracture.level_mm, s[rows], x[rows])
        outer, inner = bone_half_depths_mm(femur, fragment_s, fragment_x)
        share = _share(fragment, fracture, fragment_s, fragment_x, spacing_mm)
        cortex_mm[rows] += (outer - inner) * share
        spongy_mm[rows] += inner * spongy_fraction(femur, fragment_s) * share
    return cortex_mm, spongy_mm


def _rows_within_reach(fragment: Fragment, s: FloatArray) -> slice:
    """The rows in which a fragment may lie, so that a splinter doesn't cost a whole image."""
    reach_mm = 90.0  # more than any slope, spike and shift together
    top = fragment.above.level_mm - reach_mm if fragment.above else -np.inf
    bottom = fragment.below.level_mm + reach_mm if fragment.below else np.inf
    hit = np.flatnonzero((s.max(axis=1) >= top) & (s.min(axis=1) <= bottom))
    return slice(int(hit[0]), int(hit[-1]) + 1) if hit.size else slice(0, 0)


def _moved_back(fragment: Fragment, level_mm: float, s: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Where in the unbroken bone the points of a moved fragment come from."""
    ds, dx = s - level_mm - fragment.shift_mm[0], x - fragment.shift_mm[1]
    cos, sin = np.float32(np.cos(fragment.turn_rad)), np.float32(np.sin(fragment.turn_rad))
    return cos * ds + sin * dx + np.float32(level_mm), -sin * ds + cos * dx


def _share(fragment: Fragment, fracture: Fracture, s: FloatArray, x: FloatArray, spacing_mm: float) -> FloatArray:
    """How many of the two walls that a ray meets belong to the fragment, 0 to 2; edges are shared over one pixel."""
    share = np.zeros_like(s)
    for wall in (FRONT, BACK):
        inside = np.ones_like(s)
        if fragment.above is not None:
            inside *= _beyond(s - fragment.above.at(x, wall), spacing_mm)
        if fragment.below is not None:
            inside *= _beyond(fragment.below.at(x, wall) - s, spacing_mm)
        if fracture.crack is not None:
            inside *= 1 - _crack(fracture, fracture.crack, s, x, wall, spacing_mm)
        share += inside
    left, right = fragment.x_mm
    return share * _beyond(x - left, spacing_mm) * _beyond(right - x, spacing_mm)


def _crack(fracture: Fracture, line: Line, s: FloatArray, x: FloatArray, wall: float, spacing_mm: float) -> FloatArray:
    """The share of a pixel that lies in a crack, which narrows from the lateral edge to its end."""
    opened = np.clip((x - fracture.crack_end_mm) / line.radius_mm, 0, 1) ** 0.5 * fracture.crack_width_mm
    return np.asarray(_beyond(opened / 2 - np.abs(s - line.at(x, wall)), spacing_mm) * (opened > 0), dtype=np.float32)


def _beyond(distance_mm: FloatArray, spacing_mm: float) -> FloatArray:
    return np.asarray(np.clip(distance_mm / spacing_mm + 0.5, 0, 1), dtype=np.float32)


def _chord_mm(x: FloatArray, half_width_mm: FloatArray, half_depth_mm: FloatArray) -> FloatArray:
    """Length of the ray at x through an elliptic cylinder."""
    inside = 1 - np.square(x / np.maximum(half_width_mm, 1))
    return np.asarray(2 * np.clip(half_depth_mm, 0, None) * np.sqrt(np.clip(inside, 0, None)), dtype=np.float32)


def _texture(
    field_mm: tuple[float, float], like: FloatArray, rng: np.random.Generator, *, along_mm: float
) -> FloatArray:
    """Smooth noise of unit variance, `along_mm` long and a third of that wide, on a grid of 2 mm made finer."""
    n_rows, n_columns = (round(side_mm / 2) for side_mm in field_mm)
    noise = gaussian_filter(rng.standard_normal((n_rows, n_columns), dtype=np.float32), (along_mm / 2, along_mm / 6))
    noise /= noise.std()
    scale = like.shape[0] / n_rows, like.shape[1] / n_columns
    return np.asarray(zoom(noise, scale, order=1, grid_mode=True, mode="nearest"), dtype=np.float32)

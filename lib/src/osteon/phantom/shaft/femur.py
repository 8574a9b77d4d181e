"""A patient's femur and thigh in mm, as sections across the bone's axis.

The bone's frame: `s` runs down the axis from the tip of the greater trochanter, `x` is lateral, `z` anterior.
All solids are symmetric about the frontal plane z = 0, so a section is known by the half depth of bone and of
its inside along z at each (s, x). That makes every chord length analytic.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Femur", "Thigh", "bone_half_depths_mm", "draw_femur", "draw_thigh", "spongy_fraction"]

FloatArray = npt.NDArray[np.float32]

HEAD_RADIUS_RATIO = 1.62  # head radius 22 to 25 mm beside a shaft radius of 13.5 to 15.5 mm
BEAK_WIDTH_MM = 7.0  # half width of a focal periosteal reaction along the shaft; larger looks like a callus


@dataclass(frozen=True)
class Femur:
    """Shape of one femur. Lengths in mm.

    `lateral_thickening` multiplies the lateral cortex along the whole shaft (a minor ASBMR feature); `beak_mm` is
    the height of a focal periosteal reaction on the lateral cortex at `beak_level_mm`.
    """

    length_mm: float
    radius_mm: float
    cortex_mm: float
    bow_mm: float
    depth_ratio: float
    bone_density: float
    lateral_thickening: float = 1.0
    beak_mm: float = 0.0
    beak_level_mm: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.cortex_mm < self.radius_mm:
            raise ValueError(f"a cortex of {self.cortex_mm} mm must be thinner than the radius {self.radius_mm} mm")


@dataclass(frozen=True)
class Thigh:
    """The soft tissue round the bone: an elliptic cylinder that narrows towards the knee. Lengths in mm."""

    half_width_mm: float
    half_depth_mm: float
    fat_mm: float
    medial_offset_mm: float
    taper: float


def draw_femur(rng: np.random.Generator) -> Femur:
    """A femur of an old adult: shaft 27 to 31 mm wide, lateral cortex 4.5 to 8 mm, bowed by up to a centimetre."""
    return Femur(
        length_mm=float(rng.normal(430, 20)),
        radius_mm=float(rng.normal(14.5, 1.0)),
        cortex_mm=float(np.clip(rng.normal(5.9, 1.0), 3.5, 8.5)),
        bow_mm=float(np.clip(rng.normal(4.0, 3.0), -1.0, 12.0)),
        depth_ratio=float(rng.normal(1.0, 0.05)),
        bone_density=float(np.clip(rng.normal(0.93, 0.07), 0.7, 1.1)),
    )


def draw_thigh(rng: np.random.Generator) -> Thigh:
    """A thigh of slim to heavy build."""
    build = float(np.clip(rng.normal(1.0, 0.14), 0.72, 1.4))
    return Thigh(
        half_width_mm=76.0 * build,
        half_depth_mm=70.0 * build,
        fat_mm=float(rng.uniform(6, 22)) * build,
        medial_offset_mm=float(rng.normal(14, 4)),
        taper=float(rng.uniform(0.15, 0.35)),
    )


def bone_half_depths_mm(femur: Femur, s: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Half depth along z of the whole bone, and of what lies inside its cortex, at points (s, x) in mm.

    Both are zero outside the bone. Shaft, neck and head are united by the larger half depth.
    """
    x = x - femur.bow_mm * np.sin(np.pi * np.clip(s / femur.length_mm, 0, 1))
    lateral, medial, cortex = _shaft_radii_mm(femur, s)
    outer_radius = np.where(x > 0, lateral, medial)
    depth_mm = femur.depth_ratio * np.minimum(lateral, medial)
    lateral_cortex = cortex * femur.lateral_thickening
    lateral_cortex = lateral_cortex + 1.3 * _beak_mm(femur, s)  # the beak outside, and a third of it endosteal
    inner_radius = outer_radius - np.where(x > 0, np.minimum(lateral_cortex, 0.85 * lateral), cortex)
    outer = _ellipse(x, outer_radius, depth_mm)
    inner = _ellipse(x, inner_radius, depth_mm - cortex)

    head_radius = HEAD_RADIUS_RATIO * femur.radius_mm
    head_s, head_x = 16.0, -3.4 * femur.radius_mm
    head = np.hypot(s - head_s, x - head_x)
    along, across = _capsule(s, x, (58.0, 0.0), (head_s, head_x))
    neck_radius = (0.72 + 0.25 * np.abs(along - 0.45)) * head_radius
    for distance, radius, wall_mm in ((head, head_radius, 1.6), (across, neck_radius, 2.6)):
        outer = np.maximum(outer, _ellipse(distance, radius, radius))
        inner = np.maximum(inner, _ellipse(distance, radius - wall_mm, radius - wall_mm))
    return outer.astype(np.float32), np.minimum(inner, outer).astype(np.float32)


def spongy_fraction(femur: Femur, s: FloatArray) -> FloatArray:
    """Share of the volume inside the cortex that is bone: next to none in the shaft, a quarter at the ends."""
    proximal = np.exp(-np.clip(s, 0, None) / 55.0)
    distal = 1 / (1 + np.exp(-(s - 0.84 * femur.length_mm) / 12.0))
    return np.asarray(0.02 + 0.2 * np.clip(proximal + distal, 0, 1), dtype=np.float32)


def _shaft_radii_mm(femur: Femur, s: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lateral and medial radius and thickness of the cortex at each s."""
    supracondylar = 1 / (1 + np.exp(-(s - 0.885 * femur.length_mm) / 17.0))
    trochanter = np.exp(-((s - 26.0) ** 2) / (2 * 24.0**2))
    subtrochanteric = 1 / (1 + np.exp((s - 70.0) / 16.0))
    lesser = 0.55 * np.exp(-((s - 78.0) ** 2) / (2 * 10.0**2))
    tip = np.sqrt(np.clip(s / 18.0, 0, 1))
    lateral = femur.radius_mm * (1 + 0.75 * trochanter + 1.5 * supracondylar) * tip
    medial = femur.radius_mm * (1 + 0.5 * subtrochanteric + lesser + 1.6 * supracondylar) * tip
    middle = np.exp(-(((s - 0.47 * femur.length_mm) / (0.34 * femur.length_mm)) ** 4))
    cortex = 1.5 + (femur.cortex_mm - 1.5) * middle
    return lateral + _beak_mm(femur, s), medial, np.minimum(cortex, 0.8 * np.minimum(lateral, medial))


def _beak_mm(femur: Femur, s: FloatArray) -> FloatArray:
    distance = (s - femur.beak_level_mm) / BEAK_WIDTH_MM
    return np.asarray(femur.beak_mm * np.exp(-(np.abs(distance) ** 1.5)), dtype=np.float32)


def _ellipse(x: FloatArray, radius: FloatArray | float, depth: FloatArray | float) -> FloatArray:
    """Half depth at x of an ellipse with these half axes; zero outside it."""
    inside = 1 - np.square(x / np.maximum(radius, 1e-3))
    return np.asarray(np.maximum(depth, 0) * np.sqrt(np.clip(inside, 0, None)), dtype=np.float32)


def _capsule(
    s: FloatArray, x: FloatArray, start: tuple[float, float], end: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Position along a segment, 0 to 1, and distance to it in mm, of points (s, x)."""
    ds, dx = end[0] - start[0], end[1] - start[1]
    along = np.clip(((s - start[0]) * ds + (x - start[1]) * dx) / (ds * ds + dx * dx), 0, 1)
    return along, np.hypot(s - start[0] - along * ds, x - start[1] - along * dx)

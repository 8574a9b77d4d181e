"""What a fracture is in space: surfaces that cut the bone, and pieces that move as rigid bodies."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["JAG_MM", "N_JAGS", "WHOLE", "Crack", "FloatArray", "Fracture", "Piece", "Surface"]

FloatArray = npt.NDArray[np.float32]
JAG_MM = 0.5  # step of the roughness
N_JAGS = 160


@dataclass(frozen=True, eq=False)
class Surface:
    """A fracture surface: its level s in mm over (x, z).

    `slopes` tilt it along x and z; `spike_mm` is the height of a spike at the medial edge; a `pitch_mm` other than
    zero winds it about the shaft from the angle `start_rad`, where it ends in a split along the bone. `jags_mm` (2, n)
    roughen it along x and z. `center` and `radius_mm` are those of the shaft.
    """

    level_mm: float
    center: tuple[float, float]
    radius_mm: float
    slopes: tuple[float, float]
    jags_mm: FloatArray
    spike_mm: float = 0.0
    pitch_mm: float = 0.0
    start_rad: float = 0.0

    def at(self, x: FloatArray, z: FloatArray) -> FloatArray:
        """Level of the surface in mm."""
        x, z = x - np.float32(self.center[0]), z - np.float32(self.center[1])
        level = np.float32(self.level_mm) + np.float32(self.slopes[0]) * x + np.float32(self.slopes[1]) * z
        for jags, where in zip(self.jags_mm, (x, z), strict=True):
            level += jags[np.clip(where * np.float32(1 / JAG_MM) + N_JAGS // 2, 0, N_JAGS - 1).astype(np.int32)]
        if self.spike_mm:
            medial = np.clip(-x / np.float32(self.radius_mm) - 0.1, 0, 1.2)
            level += np.float32(self.spike_mm) * medial * medial
        if self.pitch_mm:
            angle = np.mod(np.arctan2(z, x) - np.float32(self.start_rad), np.float32(2 * math.pi))
            level += np.float32(self.pitch_mm / (2 * math.pi)) * (angle - np.float32(math.pi))
        return np.asarray(level, dtype=np.float32)


@dataclass(frozen=True)
class Piece:
    """The bone between two surfaces, and between two planes along it; moved as a rigid body.

    `cut` is (direction in the x-z plane in radians, least, largest) in mm from the shaft's axis. `shift_mm` is (s, x,
    z); `varus_rad` turns in the frontal plane, `flexion_rad` in the sagittal one, `torsion_rad` about the axis.
    """

    above: Surface | None = None  # the surface that ends it towards the hip; None: it reaches to the hip
    below: Surface | None = None
    cut: tuple[float, float, float] | None = None
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    varus_rad: float = 0.0
    flexion_rad: float = 0.0
    torsion_rad: float = 0.0


@dataclass(frozen=True)
class Crack:
    """A gap that opens at the lateral edge, `width_mm` wide, and ends `depth_mm` further in."""

    surface: Surface
    edge_mm: float  # x of the lateral edge
    depth_mm: float
    width_mm: float

    def share(self, s: FloatArray, x: FloatArray, z: FloatArray, pixel_mm: float) -> FloatArray:
        """How much of a pixel at (s, x, z) lies in the gap, 0 to 1: also where it is narrower than the pixel."""
        opened = np.clip((x - np.float32(self.edge_mm - self.depth_mm)) / np.float32(self.depth_mm), 0, 1)
        half, off = np.float32(self.width_mm / 2) * np.sqrt(opened), s - self.surface.at(x, z)
        pixel = np.float32(pixel_mm / 2)
        overlap = np.minimum(off + pixel, half) - np.maximum(off - pixel, -half)
        return np.asarray(np.clip(overlap / np.float32(pixel_mm), 0, 1), dtype=np.float32)


WHOLE = Piece()


@dataclass(frozen=True)
class Fracture:
    """The pieces of a bone, or a crack in it. `level_mm` is its middle; without a fracture, what the image is about."""

    level_mm: float
    pieces: tuple[Piece, ...] = (WHOLE,)
    crack: Crack | None = None
    reach_mm: float = 0.0  # how far from the level a surface may lie

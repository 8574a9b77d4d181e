"""A femur as solids: what its measures come to in space. Outer solids less inner ones are cortex."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from osteon.phantom.femur import Femur
from osteon.phantom.solids import STEP_MM, Ball, Solid, Sweep, Tube, sweep

__all__ = ["Bone", "Reaction", "femur_solids", "head_center", "neck_base", "without_hip"]


@dataclass(frozen=True)
class Reaction:
    """What the shaft has built around a level: a beak or flare of the lateral cortex `beak_mm` high and `beak_span_mm`
    long to each side, thickened inside by `inner_mm`; a callus all round; and cortices thickened as a whole."""

    level_mm: float = 0.0
    beak_mm: float = 0.0
    beak_span_mm: float = 6.0
    inner_mm: float = 0.0
    callus_mm: float = 0.0
    callus_span_mm: float = 25.0
    thickening: float = 1.0


@dataclass(frozen=True)
class Bone:
    """Outer and inner solids of one bone, and the sweeps of its shaft."""

    outer: tuple[Solid, ...]
    inner: tuple[Solid, ...]
    shaft: Sweep
    canal: Sweep


# The shaft of a femur 430 mm long and 27 x 27 mm at midshaft, by the medial, lateral, posterior and anterior edges in
# mm from its axis, drawn after anatomical plates; widths scale with the patient's own.
PROXIMAL = (  # mm below the tip of the greater trochanter
    (0, (3.0, 9.0, -10.0, -3.0)),
    (2, (-0.5, 12.5, -13.0, 0.5)),
    (8, (-4.0, 17.5, -16.0, 7.0)),
    (18, (-9.0, 21.5, -18.0, 12.0)),
    (30, (-15.0, 22.5, -19.0, 15.5)),
    (42, (-20.0, 20.5, -19.0, 16.5)),
    (56, (-20.0, 17.5, -18.0, 16.0)),
    (72, (-17.0, 15.6, -16.0, 15.0)),
    (95, (-14.8, 14.3, -14.3, 14.0)),
)
DISTAL = (  # share of the length
    (0.42, (-13.5, 13.5, -13.5, 13.5)),
    (0.56, (-13.5, 13.5, -13.7, 13.3)),
    (0.68, (-15.0, 14.6, -14.5, 13.5)),
    (0.77, (-18.5, 17.5, -16.0, 14.0)),
    (0.84, (-23.5, 22.0, -18.0, 15.0)),
    (0.885, (-30.0, 28.0, -23.0, 17.0)),
    (0.92, (-36.0, 34.0, -29.0, 21.0)),
    (0.945, (-37.5, 35.5, -31.0, 25.0)),
    (0.958, (-36.5, 34.5, -27.0, 26.0)),
    (0.97, (-29.0, 27.0, -12.0, 25.0)),
    (0.979, (-20.0, 18.0, -2.0, 22.0)),
    (0.984, (-6.0, 5.0, 6.0, 17.0)),
)
# Cortex by share of the length, as a share of the midshaft's: medial, lateral, posterior and anterior.
WALLS = (
    (0.0, (0.10, 0.12, 0.10, 0.10)),
    (0.06, (0.16, 0.16, 0.14, 0.14)),
    (0.12, (0.45, 0.24, 0.25, 0.25)),
    (0.17, (0.85, 0.55, 0.60, 0.60)),
    (0.24, (0.97, 0.88, 0.95, 0.85)),
    (0.34, (1.0, 1.0, 1.1, 0.92)),
    (0.58, (1.0, 1.0, 1.1, 0.9)),
    (0.70, (0.72, 0.72, 0.8, 0.65)),
    (0.78, (0.42, 0.40, 0.45, 0.40)),
    (0.86, (0.22, 0.20, 0.22, 0.22)),
    (1.0, (0.16, 0.16, 0.16, 0.16)),
)
THINNEST_MM = 0.9  # subchondral and metaphyseal shell


def head_center(femur: Femur) -> tuple[float, float, float]:
    """Middle of the head (s, x, z)."""
    turn = math.radians(femur.anteversion_deg)
    return femur.head_mm / 2, -femur.offset_mm * math.cos(turn), femur.offset_mm * math.sin(turn)


def neck_base(femur: Femur) -> tuple[float, float, float]:
    """Where the axis of the neck meets that of the shaft."""
    rise_mm = femur.offset_mm / math.tan(math.radians(180 - femur.neck_shaft_deg))
    return femur.head_mm / 2 + rise_mm, 2.0, 0.0


@lru_cache(maxsize=8)
def femur_solids(femur: Femur, reaction: Reaction) -> Bone:
    """The femur as solids, with the reaction of its shaft."""
    shaft = _shaft(femur)
    canal = _canal(femur, shaft, reaction)
    shaft = _reacted(shaft, reaction)
    ridge = _linea_aspera(femur, shaft)
    outer: list[Solid] = [shaft, ridge]
    inner: list[Solid] = [canal]
    for solid, within in _ends(femur):
        outer.append(solid)
        inner.append(within)
    return Bone(tuple(outer), tuple(inner), shaft, canal)


def without_hip(bone: Bone) -> Bone:
    """The femur once head and neck are taken out for a prosthesis."""
    return Bone(bone.outer[:2] + bone.outer[4:], bone.inner[:1] + bone.inner[3:], bone.shaft, bone.canal)


def _shaft(femur: Femur) -> Sweep:
    along = femur.length_mm / 430
    wide, deep, knee = femur.width_mm / 27, femur.depth_mm / 27, femur.condyles_mm / 75
    levels, edges = [], []
    for below, (medial, lateral, posterior, anterior) in PROXIMAL:
        s = femur.trochanter_mm + below * along
        dx, dz = femur.bows_mm(s)
        levels.append(s)
        edges.append((medial * wide + dx, lateral * wide + dx, posterior * deep + dz, anterior * deep + dz))
    for share, (medial, lateral, posterior, anterior) in DISTAL:
        s = share * femur.length_mm
        dx, dz = femur.bows_mm(s)
        part = np.clip((share - 0.68) / 0.2, 0, 1)  # from the shaft's width to that of the condyles
        x_scale, z_scale = wide + part * (knee - wide), deep + part * (knee - deep)
        levels.append(s)
        edges.append((medial * x_scale + dx, lateral * x_scale + dx, posterior * z_scale + dz, anterior * z_scale + dz))
    return sweep(levels, edges)


def _canal(femur: Femur, shaft: Sweep, reaction: Reaction) -> Sweep:
    """What lies inside the cortex: thickened inward by the reaction, and a little uneven as in everyone."""
    s = shaft.start + STEP_MM * np.arange(shaft.x.size)
    shares = np.array([row for _, row in WALLS])
    levels = np.array([level for level, _ in WALLS]) * femur.length_mm
    medial, lateral, posterior, anterior = (np.interp(s, levels, shares[:, n]) for n in range(4))
    mean_mm = (femur.lateral_mm + femur.medial_mm) / 2 * reaction.thickening
    medial, lateral = medial * femur.medial_mm * reaction.thickening, lateral * femur.lateral_mm * reaction.thickening
    posterior, anterior = posterior * mean_mm, anterior * mean_mm
    middle = np.exp(-(((s / femur.length_mm - 0.45) / 0.3) ** 4))
    for n, wall in enumerate((medial, lateral, posterior, anterior)):
        for wave, period_mm in enumerate((61.0, 23.0, 9.0)):
            phase = femur.waviness[3 * n + wave]
            wall += 0.05 * middle * wall * np.sin(2 * np.pi * s / period_mm + phase) / (1 + wave)
    lateral += reaction.inner_mm * _peak(s, reaction.level_mm, 2.2 * reaction.beak_span_mm)
    walls = [np.maximum(wall, THINNEST_MM) for wall in (medial, lateral, posterior, anterior)]
    left, right = shaft.x - shaft.a + walls[0], shaft.x + shaft.a - walls[1]
    back, front = shaft.z - shaft.b + walls[2], shaft.z + shaft.b - walls[3]
    a, b = np.maximum((right - left) / 2, 0.3), np.maximum((front - back) / 2, 0.3)
    x, z = (left + right) / 2, (back + front) / 2
    return Sweep(shaft.start, *(table.astype(np.float32) for table in (x, z, a, b)))


def _reacted(shaft: Sweep, reaction: Reaction) -> Sweep:
    s = shaft.start + STEP_MM * np.arange(shaft.x.size)
    beak = reaction.beak_mm * _peak(s, reaction.level_mm, reaction.beak_span_mm)
    callus = reaction.callus_mm * np.exp(-(((s - reaction.level_mm) / reaction.callus_span_mm) ** 2))
    x, a, b = shaft.x + beak / 2, shaft.a + beak / 2 + callus, shaft.b + callus
    return Sweep(shaft.start, x.astype(np.float32), shaft.z, a.astype(np.float32), b.astype(np.float32))


def _peak(s: npt.NDArray[np.float64], level_mm: float, span_mm: float) -> npt.NDArray[np.float64]:
    """A beak: pointed at the level, with slopes that run out."""
    distance = np.sqrt(((s - level_mm) / span_mm) ** 2 + 0.04)
    return np.asarray(np.exp(-(distance**1.3)), dtype=np.float64)


def _linea_aspera(femur: Femur, shaft: Sweep) -> Sweep:
    """The rough ridge behind the shaft."""
    levels = [share * femur.length_mm for share in (0.24, 0.3, 0.4, 0.55, 0.66, 0.72)]
    height = (0.1, 1.6, 2.8, 2.6, 1.2, 0.1)
    edges = []
    for s, high in zip(levels, height, strict=True):
        x, z, _, b = shaft.at(s)
        edges.append((x - 3.2, x + 3.2, z - b - high, z - b + 4.0))
    return sweep(levels, edges)


def _ends(femur: Femur) -> tuple[tuple[Ball | Tube, Ball | Tube], ...]:
    """Head, neck, lesser trochanter and condyles, each with its inside."""
    head, base, radius = head_center(femur), neck_base(femur), femur.head_mm / 2
    along, wide, knee = femur.length_mm / 430, femur.width_mm / 27, femur.condyles_mm / 75
    ball = Ball(head, (radius, radius, radius))
    # waist of the neck 0.66 of the head: 29 mm neck width beside a head of 44
    neck = Tube(head, base, (0.86 * radius, 0.66 * radius, 0.84 * radius))
    lesser_s = femur.trochanter_mm + 60 * along
    lesser = Ball((lesser_s, -12.5 * wide, -5.0 * wide), (17 * along, 9.5 * wide, 9 * wide))
    lesser_inside = Ball((lesser_s, -17.0 * wide, -5.0 * wide), (12 * along, 3.8 * wide, 6 * wide))
    lateral = Ball((femur.length_mm - 24.5 * knee, 19.5 * knee, -6.0 * knee), (22.5 * knee, 16.5 * knee, 30.0 * knee))
    medial = Ball((femur.length_mm - 23.5 * knee, -21.0 * knee, -6.5 * knee), (23.5 * knee, 17.0 * knee, 30.0 * knee))
    return (
        (ball, _shrunk(ball, 1.1)),
        (neck, _shrunk(neck, 1.8)),
        (lesser, lesser_inside),
        (lateral, _shrunk(lateral, 1.2)),
        (medial, _shrunk(medial, 1.2)),
    )


def _shrunk(solid: Ball | Tube, wall_mm: float) -> Ball | Tube:
    if isinstance(solid, Ball):
        s, x, z = solid.half
        return Ball(solid.center, (s - wall_mm, x - wall_mm, z - wall_mm))
    first, middle, last = solid.radii
    return Tube(solid.start, solid.end, (first - wall_mm, middle - wall_mm, last - wall_mm))

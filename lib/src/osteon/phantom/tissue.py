"""The soft tissue of a thigh: skin, fat, bellies of muscle with fat between them; hip and the other leg beside it."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from osteon.phantom.femur import Femur
from osteon.phantom.population import Person, View
from osteon.phantom.solids import Ball, Solid, Sweep, sweep

__all__ = ["Flesh", "Thigh", "draw_thigh", "flesh"]

Edges = tuple[float, float, float, float]

# Skin of a thigh of average build with a femur of 430 mm, by share of the femur's length: medial, lateral, posterior,
# anterior edges in mm from the axis of the bone. 53 cm round at the upper third; proportions by eye from films.
SKIN: tuple[tuple[float, Edges], ...] = (
    (-0.35, (-120, 70, -98, 72)),
    (0.0, (-118, 74, -100, 74)),
    (0.13, (-112, 77, -98, 74)),
    (0.25, (-106, 71, -92, 71)),
    (0.40, (-96, 63, -84, 67)),
    (0.55, (-84, 57, -76, 62)),
    (0.70, (-71, 52, -66, 57)),
    (0.82, (-61, 48, -58, 52)),
    (0.93, (-57, 50, -54, 55)),
    (1.02, (-54, 49, -52, 50)),
    (1.12, (-52, 46, -60, 40)),
    (1.30, (-51, 46, -64, 36)),
    (1.70, (-38, 36, -44, 30)),
)
# Bellies of muscle by share of length (from, to) and of the lean section: center (x, z) and half axes (x, z).
BELLIES = (
    ((0.16, 0.92), (0.48, 0.15), (0.46, 0.70)),  # vastus lateralis
    ((0.35, 0.99), (-0.20, 0.42), (0.42, 0.44)),  # vastus medialis
    ((0.02, 0.86), (0.12, 0.74), (0.30, 0.22)),  # rectus femoris
    ((0.00, 0.72), (-0.55, -0.05), (0.38, 0.55)),  # adductors
    ((0.14, 1.06), (0.28, -0.60), (0.34, 0.34)),  # biceps femoris
    ((0.12, 1.06), (-0.30, -0.62), (0.36, 0.32)),  # semimembranosus and semitendinosus
    ((-0.30, 0.30), (0.35, -0.45), (0.55, 0.50)),  # gluteus maximus
)


@dataclass(frozen=True)
class Thigh:
    """Shape of the soft tissue: scale, fat below the skin in mm, lean share between bellies, phases of its unevenness,
    and how far the midline of the body lies from the bone in mm."""

    build: float
    fat_mm: float
    lean: float
    waviness: tuple[float, ...]
    midline_mm: float


@dataclass(frozen=True)
class Flesh:
    """Solids of the soft tissue: all within the skin, what is lean, and the bellies."""

    skin: tuple[Solid, ...]
    lean: tuple[Solid, ...]
    bellies: tuple[Sweep, ...]
    thigh: Sweep


def draw_thigh(person: Person, femur: Femur, rng: np.random.Generator) -> Thigh:
    """The thigh of a person: women have about twice the fat below the skin."""
    fat_mm = float(rng.gamma(7.0, 2.2 if person.sex == "F" else 1.2)) * person.build**2
    return Thigh(
        build=person.build,
        fat_mm=float(np.clip(fat_mm, 3.0, 36.0)),
        lean=float(np.clip(0.72 - 0.16 * person.bone_loss + rng.normal(0, 0.06), 0.45, 0.9)),
        waviness=tuple(float(phase) for phase in rng.uniform(0, 2 * np.pi, 8)),
        midline_mm=float(rng.normal(92, 6)) + femur.offset_mm,
    )


@lru_cache(maxsize=8)
def flesh(thigh: Thigh, femur: Femur, view: View) -> Flesh:
    """The thigh as solids in the frame of the femur. For a lateral view the other leg is out of the way, and the hip
    turned so that less of the trunk lies on the ray."""
    skin = _skin(thigh, femur)
    lean = _lean(thigh, skin)
    is_ap = view == "AP"
    deep = (112 if is_ap else 104) * thigh.build
    width = thigh.midline_mm * (1.36 if is_ap else 0.7) * thigh.build
    center = (-120.0, -thigh.midline_mm, -12.0) if is_ap else (-128.0, -0.5 * thigh.midline_mm, -8.0)
    trunk = Ball(center, (178.0, width, deep))
    core = Ball(center, (160.0, width - 1.4 * thigh.fat_mm, deep - 1.4 * thigh.fat_mm))
    own = [math.sin(phase) for phase in thigh.waviness[4:]]
    buttock = Ball(
        (-8.0 + 16 * own[0], (-0.5 + 0.12 * own[1]) * thigh.midline_mm, -68.0),
        (100.0, 82 * thigh.build, (44 + 14 * own[2]) * thigh.build),
    )
    others = (_mirrored(skin, thigh.midline_mm),) if is_ap else ()
    other_leans = (_mirrored(lean, thigh.midline_mm),) if is_ap else ()
    return Flesh(
        (skin, trunk, buttock, *others),
        (lean, core, *other_leans),
        tuple(_belly(femur, lean, *belly) for belly in BELLIES),
        skin,
    )


def _skin(thigh: Thigh, femur: Femur) -> Sweep:
    levels, edges = [], []
    for n, (share, row) in enumerate(SKIN):
        wave = 1 + 0.025 * np.sin(1.7 * n + np.array(thigh.waviness[:4]))
        grown = [edge * thigh.build * float(one) for edge, one in zip(row, wave, strict=True)]
        dx, dz = (0.5 * bow for bow in femur.bows_mm(share * femur.length_mm))
        levels.append(share * femur.length_mm)
        edges.append((grown[0] + dx, grown[1] + dx, grown[2] + dz, grown[3] + dz))
    return sweep(levels, edges)


def _lean(thigh: Thigh, skin: Sweep) -> Sweep:
    """What lies below the fat, which is thickest medially and behind."""
    medial, lateral, behind, front = (thigh.fat_mm * share for share in (1.25, 0.85, 1.15, 0.75))
    x, z = skin.x + np.float32((medial - lateral) / 2), skin.z + np.float32((behind - front) / 2)
    a = np.maximum(skin.a - np.float32((medial + lateral) / 2), 8)
    b = np.maximum(skin.b - np.float32((behind + front) / 2), 8)
    return Sweep(skin.start, x, z, a, b)


def _mirrored(one: Sweep, midline_mm: float) -> Sweep:
    return Sweep(one.start, np.float32(-2 * midline_mm) - one.x, one.z, one.a, one.b)


def _belly(
    femur: Femur, lean: Sweep, shares: tuple[float, float], center: tuple[float, float], half: tuple[float, float]
) -> Sweep:
    first, last = (round((share * femur.length_mm - lean.start) / 0.1) for share in shares)
    first, last = max(0, first), min(lean.x.size, last)
    t = np.linspace(0, 1, last - first, dtype=np.float32)
    swell = np.maximum(np.maximum(np.sin(np.pi * t), 0) ** np.float32(0.4), 0.02)
    part = slice(first, last)
    x, z = lean.x[part] + center[0] * lean.a[part], lean.z[part] + center[1] * lean.b[part]
    a, b = half[0] * lean.a[part] * swell, half[1] * lean.b[part] * swell
    start = lean.start + 0.1 * first
    return Sweep(start, *(np.asarray(table, dtype=np.float32) for table in (x, z, a, b)))

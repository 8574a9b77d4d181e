"""What looks like a fracture and is none, or lies in the way: canals of vessels, healed callus, folds, casts, metal.

How often each occurs is a choice.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.ndimage import uniform_filter1d

from osteon.phantom.bone import Bone, Reaction, head_center
from osteon.phantom.femur import Femur
from osteon.phantom.population import Label
from osteon.phantom.solids import STEP_MM, Ball, Solid, Sweep, Tube

__all__ = ["TITANIUM", "Fold", "Hardware", "Mimics", "Part", "draw_mimics", "hardware_parts", "with_callus"]

Hardware = Literal["none", "nail", "plate", "prosthesis"]
Part = tuple[Solid, Solid | None, float]  # a solid, what is hollow in it, what a mm of it counts in mm of titanium

TITANIUM = 1.0
# Steel and cobalt-chromium stop as much as 2.7 times the titanium: 0.595 x 7.9 over 0.405 x 4.43 per cm at 80 keV
# (NIST tables of Hubbell and Seltzer, iron and titanium).
STEEL = 2.7


@dataclass(frozen=True)
class Fold:
    """A fold of skin across the thigh: tissue that ends in a line at `level_mm`, tilted and curved."""

    level_mm: float
    slope: float
    curve_per_mm: float
    thickness_mm: float


@dataclass(frozen=True)
class Mimics:
    """All that a patient has beside the fracture. `canal` is the channel of the nutrient artery."""

    canal: Tube
    fold: Fold | None
    has_cast: bool
    hardware: Hardware
    is_steel: bool
    callus_level_mm: float | None


def draw_mimics(femur: Femur, label: Label, level_mm: float, rng: np.random.Generator) -> Mimics:
    """Everyone has a nutrient canal; the rest is rarer, and implants stand where a fracture leaves room for them."""
    s = femur.length_mm * float(rng.uniform(0.36, 0.52))
    rise_mm, radius_mm = float(rng.uniform(14, 30)), float(rng.uniform(0.45, 0.8))
    depth = -femur.depth_mm / 2
    x = float(rng.normal(-2, 4))
    canal = Tube((s, x, depth), (s - rise_mm, x + float(rng.normal(2, 3)), depth + 6.0), (radius_mm,) * 3)
    fold = None
    if rng.random() < 0.22:
        fold = Fold(
            level_mm=float(rng.uniform(0.10, 0.34)) * femur.length_mm,
            slope=float(rng.normal(0, 0.18)),
            curve_per_mm=float(rng.normal(0, 0.0015)),
            thickness_mm=float(rng.uniform(3, 16)),
        )
    hardware: Hardware = "none"
    luck = rng.random()
    if label == "no_fracture":
        hardware = "nail" if luck < 0.05 else "plate" if luck < 0.08 else "prosthesis" if luck < 0.15 else "none"
    elif label == "typical_fracture" and level_mm > 0.36 * femur.length_mm:
        hardware = "prosthesis" if luck < 0.06 else "none"
    has_callus = rng.random() < {"no_fracture": 0.10, "typical_fracture": 0.03}.get(label, 0.01)
    callus_mm = femur.length_mm * float(rng.uniform(0.28, 0.68)) if has_callus else None
    has_cast = bool(rng.random() < (0.01 if label == "no_fracture" else 0.03))
    return Mimics(canal, fold, has_cast, hardware, bool(rng.random() < 0.4), callus_mm)


def with_callus(reaction: Reaction, mimics: Mimics, rng: np.random.Generator) -> Reaction:
    """A bone that healed long ago: thicker all round about the level of the old fracture."""
    if mimics.callus_level_mm is None or reaction.beak_mm > 0:
        return reaction
    return replace(
        reaction,
        level_mm=mimics.callus_level_mm,
        callus_mm=float(rng.uniform(1.0, 4.5)),
        callus_span_mm=float(rng.uniform(12, 32)),
    )


def hardware_parts(femur: Femur, bone: Bone, mimics: Mimics) -> tuple[Part, ...]:
    """The parts of the implant."""
    metal = STEEL if mimics.is_steel else TITANIUM
    if mimics.hardware == "nail":
        return _nail(femur, bone, metal)
    if mimics.hardware == "plate":
        return _plate(femur, bone, metal)
    if mimics.hardware == "prosthesis":
        return _prosthesis(femur, bone)
    return ()


def _along(bone: Bone, first_mm: float, last_mm: float) -> tuple[int, int]:
    first = round((first_mm - bone.canal.start) / STEP_MM)
    return max(0, first), min(bone.canal.x.size, round((last_mm - bone.canal.start) / STEP_MM))


def _rod(bone: Bone, first_mm: float, last_mm: float, radius_mm: float) -> Sweep:
    """A round rod that follows the middle of the canal."""
    first, last = _along(bone, first_mm, last_mm)
    like = np.full(last - first, radius_mm, dtype=np.float32)
    x, z = bone.canal.x[first:last].copy(), bone.canal.z[first:last].copy()
    n = round(110 / STEP_MM)  # above, it goes straight on towards the tip of the trochanter
    for axis in (x, z):
        axis[:] = uniform_filter1d(axis, round(50 / STEP_MM), mode="nearest")  # it is straighter than the canal
        axis[:n] = axis[n] + (axis[n] - axis[2 * n]) / n * np.arange(n, 0, -1)
    return Sweep(bone.canal.start + first * STEP_MM, x, z, like, like)


def _nail(femur: Femur, bone: Bone, metal: float) -> tuple[Part, ...]:
    """A hollow nail from the trochanter to the flare, a screw into the head, two locking screws."""
    first, last = femur.trochanter_mm - 3, 0.9 * femur.length_mm
    head = head_center(femur)
    entry = (femur.trochanter_mm + 58, femur.width_mm * 0.62, 0.0)
    parts: list[Part] = [(_rod(bone, first, last, 5.2), _rod(bone, first, last, 2.4), metal)]
    parts.append((Tube(entry, (head[0] + 1, head[1] * 1.12, head[2]), (5.2, 5.2, 5.2)), None, metal))
    for s in (0.85 * femur.length_mm, 0.88 * femur.length_mm):
        x, z, a, _ = bone.shaft.at(s)
        parts.append((Tube((s, x - a - 1, z), (s, x + a + 2, z), (2.5, 2.5, 2.5)), None, metal))
    return tuple(parts)


def _plate(femur: Femur, bone: Bone, metal: float) -> tuple[Part, ...]:
    """A plate on the lateral side with screws through both cortices."""
    middle, length = 0.5 * femur.length_mm, 190.0
    first, last = _along(bone, middle - length / 2, middle + length / 2)
    part = slice(first, last)
    x = bone.shaft.x[part] + bone.shaft.a[part] + np.float32(2.6)
    a, b = np.full(x.size, 2.4, dtype=np.float32), np.full(x.size, 8.0, dtype=np.float32)
    plate = Sweep(bone.shaft.start + first * STEP_MM, x, bone.shaft.z[part], a, b)
    parts: list[Part] = [(plate, None, metal)]
    for n in range(10):
        if n in (4, 5):
            continue
        s = middle - length / 2 + (n + 0.5) * length / 10
        x0, z0, a0, _ = bone.shaft.at(s)
        parts.append((Tube((s, x0 - a0 - 1.5, z0), (s, x0 + a0 + 4, z0), (2.2, 2.2, 2.2)), None, metal))
    return tuple(parts)


def _prosthesis(femur: Femur, bone: Bone) -> tuple[Part, ...]:
    """A titanium stem that fills most of the canal, a hard head, a cup."""
    head = head_center(femur)
    first, last = _along(bone, femur.trochanter_mm + 22, femur.trochanter_mm + 150)
    part = slice(first, last)
    taper = np.linspace(1, 0.45, last - first, dtype=np.float32)
    width = np.minimum(0.86 * bone.canal.a[part], 16 * taper)
    depth = np.minimum(0.8 * bone.canal.b[part], 8 * taper)
    stem = Sweep(bone.canal.start + first * STEP_MM, bone.canal.x[part], bone.canal.z[part], width, depth)
    base = (femur.trochanter_mm + 28, float(bone.canal.x[first]) - 6, 0.0)
    cup = femur.head_mm / 2 + 3
    deep = (head[0] - 2.6, head[1] - 2.2, head[2])
    return (
        (stem, None, TITANIUM),
        (Tube(base, head, (6.5, 6.0, 6.0)), None, TITANIUM),
        (Ball(head, (16.0, 16.0, 16.0)), None, 0.6 * STEEL),
        # a shell that runs out below and laterally
        (Ball(deep, (cup, cup, cup)), Ball(head, (cup - 0.8, cup - 0.8, cup)), 0.8 * TITANIUM),
    )

"""Atypical and typical fractures of the femoral shaft, as changes of geometry before projection.

Atypical ones follow the case definition of the ASBMR task force (Shane et al., J Bone Miner Res 2014;29:1-23): between
lesser trochanter and supracondylar flare; a transverse line from the lateral cortex that may turn oblique medially;
at most minimal comminution; complete (often with a medial spike) or incomplete in the lateral cortex only; focal
periosteal reaction ("beaking") of the lateral cortex; as a minor feature, thick cortices. Typical ones are spiral,
oblique, comminuted, wedge-shaped, sometimes transverse. The features of both classes overlap, as in practice: no
single sign decides. How often each occurs is a plausible choice, not fitted to patients.
"""

import itertools
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from osteon.phantom.shaft.femur import Femur

__all__ = ["BACK", "FRONT", "LABELS", "Fracture", "Fragment", "Label", "Line", "break_femur"]

FloatArray = npt.NDArray[np.float32]
Label = Literal["atypical", "typical"]
LABELS: tuple[Label, Label] = ("typical", "atypical")

FRONT, BACK = 1.0, -1.0  # the two walls that a ray meets


@dataclass(frozen=True)
class Line:
    """Where a fracture surface cuts the bone: level s in mm as a function of x, for each of the two walls.

    `slope` (mm per mm) tilts both walls alike, `twist` tilts them against each other, as a spiral does. `spike_mm` is
    the height of a spike at the medial edge. `jags_mm` are the offsets of a rough line, every millimetre from x = -40.
    """

    level_mm: float
    slope: float
    twist: float
    spike_mm: float
    radius_mm: float
    jags_mm: FloatArray

    def at(self, x: FloatArray, wall: float) -> FloatArray:
        """Level of the surface in mm at each x, on the `FRONT` or the `BACK` wall."""
        medial = np.clip((-x / self.radius_mm - 0.15) / 0.85, 0, 1.3)
        rough = np.interp(x, np.arange(self.jags_mm.size) - 40.0, self.jags_mm)
        tilted = (self.slope + wall * self.twist) * np.clip(x, -40, 40)
        return np.asarray(self.level_mm + tilted + self.spike_mm * medial**2 + rough, dtype=np.float32)


@dataclass(frozen=True)
class Fragment:
    """A piece of bone between two lines and two values of x, moved as a rigid body in the frontal plane."""

    above: Line | None  # the line that ends it towards the hip; None: it reaches to the hip
    below: Line | None
    x_mm: tuple[float, float] = (-1000.0, 1000.0)
    shift_mm: tuple[float, float] = (0.0, 0.0)  # (s, x)
    turn_rad: float = 0.0  # about the fracture


@dataclass(frozen=True)
class Fracture:
    """A fracture: its fragments, or a crack that ends inside the bone. Lengths in mm."""

    label: Label
    kind: str
    level_mm: float
    fragments: tuple[Fragment, ...]
    crack: Line | None = None
    crack_end_mm: float = 0.0
    crack_width_mm: float = 0.0


def break_femur(femur: Femur, label: Label, rng: np.random.Generator) -> tuple[Femur, Fracture]:
    """The femur with the bone's reaction, and its fracture, drawn for a class."""
    level_mm = float(rng.uniform(0.24, 0.76)) * femur.length_mm
    if label == "atypical":
        return _atypical(femur, level_mm, rng)
    return _typical(femur, level_mm, rng)


def _atypical(femur: Femur, level_mm: float, rng: np.random.Generator) -> tuple[Femur, Fracture]:
    has_beak = rng.random() < 0.75
    femur = replace(
        femur,
        lateral_thickening=float(np.clip(rng.normal(1.2, 0.14), 0.95, 1.6)),
        beak_mm=float(rng.gamma(4.0, 0.45)) if has_beak else 0.0,
        beak_level_mm=level_mm,
    )
    spike_mm = float(rng.uniform(3, 16)) * rng.choice([-1, 1]) if rng.random() < 0.55 else 0.0
    line = _draw_line(femur, level_mm, obliquity_deg=float(rng.normal(0, 9)), spike_mm=spike_mm, rng=rng)
    if rng.random() < 0.3:
        depth_mm = float(rng.uniform(0.45, 1.4)) * femur.radius_mm
        crack_width_mm = float(rng.uniform(0.6, 1.8))
        return femur, Fracture("atypical", "incomplete", level_mm, (), line, femur.radius_mm - depth_mm, crack_width_mm)
    fragments = _two_pieces(line, _displacement(rng, scale=0.8), rng)
    if rng.random() < 0.1:  # minimal comminution
        fragments += (_chip(femur, line, rng),)
    return femur, Fracture("atypical", "complete", level_mm, fragments)


def _typical(femur: Femur, level_mm: float, rng: np.random.Generator) -> tuple[Femur, Fracture]:
    kind = str(rng.choice(["spiral", "oblique", "comminuted", "wedge", "transverse"], p=[0.3, 0.25, 0.17, 0.13, 0.15]))
    femur = replace(
        femur,
        lateral_thickening=float(np.clip(rng.normal(1.03, 0.1), 0.85, 1.4)),
        beak_mm=float(rng.gamma(3.0, 0.35)) if rng.random() < 0.08 else 0.0,
        beak_level_mm=level_mm,
    )
    sign = float(rng.choice([-1, 1]))
    obliquity_deg = float(rng.normal(0, 12)) if kind == "transverse" else sign * float(rng.uniform(22, 58))
    twist = sign * float(rng.uniform(0.5, 1.6)) if kind == "spiral" else float(rng.normal(0, 0.08))
    spike_mm = sign * float(rng.uniform(2, 10)) if rng.random() < 0.25 else 0.0
    line = _draw_line(femur, level_mm, obliquity_deg=obliquity_deg, spike_mm=spike_mm, rng=rng, twist=twist)
    moved = _displacement(rng, scale=1.0)
    if kind in ("wedge", "comminuted"):
        return femur, Fracture("typical", kind, level_mm, _several_pieces(femur, line, kind, moved, rng))
    return femur, Fracture("typical", kind, level_mm, _two_pieces(line, moved, rng))


def _draw_line(
    femur: Femur,
    level_mm: float,
    *,
    obliquity_deg: float,
    spike_mm: float,
    rng: np.random.Generator,
    twist: float = 0.0,
) -> Line:
    steps = rng.normal(0, 0.45, 81)
    jags = np.convolve(steps, np.ones(3) / 3, mode="same") + 0.35 * rng.normal(0, 0.6, 81)
    return Line(
        level_mm=level_mm,
        slope=float(np.tan(np.radians(obliquity_deg))),
        twist=twist,
        spike_mm=spike_mm,
        radius_mm=femur.radius_mm,
        jags_mm=jags.astype(np.float32),
    )


def _displacement(rng: np.random.Generator, *, scale: float) -> Fragment:
    """How the distal fragment moves: distraction or shortening, shift, and angulation; small ones are common."""
    apart_mm = float(rng.choice([rng.uniform(0.6, 4.0), -rng.uniform(0.0, 12.0)], p=[0.72, 0.28]))
    across_mm = float(rng.laplace(0, 4.5 * scale))
    turn_rad = float(np.radians(rng.laplace(0, 4.5 * scale)))
    if apart_mm < 0:  # what is shortened must lie side by side
        across_mm += float(np.copysign(9, across_mm))
    return Fragment(None, None, shift_mm=(apart_mm, float(np.clip(across_mm, -28, 28))), turn_rad=turn_rad)


def _two_pieces(line: Line, moved: Fragment, rng: np.random.Generator) -> tuple[Fragment, ...]:
    flexed_rad = float(np.radians(rng.normal(0, 1.5)))
    return (
        Fragment(above=None, below=line, turn_rad=flexed_rad),
        replace(moved, above=line, below=None),
    )


def _several_pieces(
    femur: Femur, line: Line, kind: str, moved: Fragment, rng: np.random.Generator
) -> tuple[Fragment, ...]:
    """A butterfly (`wedge`) or three to four splinters between two lines that diverge to one side."""
    height_mm = float(rng.uniform(18, 45))
    opening = float(rng.choice([-1, 1])) * height_mm / (2 * femur.radius_mm)
    lower = replace(
        line,
        level_mm=line.level_mm + height_mm / 2,
        slope=line.slope * 0.2 + opening,
        jags_mm=rng.permutation(line.jags_mm),
    )
    upper = replace(line, level_mm=line.level_mm - 1.0, slope=0.4 * line.slope)
    n_splinters = 1 if kind == "wedge" else int(rng.integers(2, 5))
    cuts_mm = np.linspace(-1.2, 1.2, n_splinters + 1) * femur.radius_mm
    splinters = tuple(
        Fragment(
            above=upper,
            below=lower,
            x_mm=(float(left), float(right)),
            shift_mm=(float(rng.normal(0, 2.5)), float(np.sign(left + right) * rng.uniform(0.5, 7.0))),
            turn_rad=float(np.radians(rng.normal(0, 9))),
        )
        for left, right in itertools.pairwise(cuts_mm)
    )
    return (Fragment(above=None, below=upper), replace(moved, above=lower, below=None), *splinters)


def _chip(femur: Femur, line: Line, rng: np.random.Generator) -> Fragment:
    """A small loose piece beside the medial end of the line."""
    lower = replace(line, level_mm=line.level_mm + float(rng.uniform(3, 7)))
    edge_mm = -femur.radius_mm + float(rng.uniform(2, 5))
    return Fragment(line, lower, (-2 * femur.radius_mm, edge_mm), (0.0, -float(rng.uniform(1, 4))))

"""A scanner on six axes, one knob each: what makes the same thickness maps look different at two sites.

An axis is a group of parameters. A knob of 0 gives the reference scanner's parameters on that axis, 1 the scanner's
own, 2 goes as far again; so each site effect can be studied alone, and its strength is one number.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np

from osteon.phantom.spectrum import Absorber, Tube

__all__ = [
    "AXES",
    "REFERENCE",
    "Frequency",
    "Geometry",
    "Knobs",
    "Local",
    "Noise",
    "Scanner",
    "Scatter",
    "Tone",
    "spread",
    "turned",
]


@dataclass(frozen=True)
class Tone:
    """The look-up curve. `gamma` bends it; `s_curve` (0 to 1) rounds both its ends; `low_margin` and `high_margin` are
    the shares of the output range left below air and above the densest bone; the file's VOI window has its center and
    width as shares of the range."""

    gamma: float = 1.0
    s_curve: float = 0.0
    low_margin: float = 0.02
    high_margin: float = 0.02
    window_center: float = 0.5
    window_width: float = 1.0


@dataclass(frozen=True)
class Frequency:
    """Sharpness. The detector's point spread is a core of sigma `core_mm` and a share `tail` of sigma `tail_mm`; the
    focal spot is `focus_mm` wide. Enhancement adds `fine` times the detail below 0.8 mm and `middle` times that
    from 0.8 to 6.4 mm."""

    core_mm: float = 0.08
    tail: float = 0.40
    tail_mm: float = 0.25
    focus_mm: float = 0.6
    fine: float = 0.0
    middle: float = 0.0

    def mtf(self, per_mm: np.ndarray[Any, np.dtype[np.floating[Any]]]) -> np.ndarray[Any, np.dtype[Any]]:
        """The detector's modulation transfer at spatial frequencies in 1/mm, without its pixels' aperture."""
        core, tail = (np.exp(-2 * np.square(np.pi * sigma * per_mm)) for sigma in (self.core_mm, self.tail_mm))
        return np.asarray((1 - self.tail) * core + self.tail * tail)


@dataclass(frozen=True)
class Noise:
    """`dose_uGy` is the air kerma at the detector behind the thigh, `statistics` the Swank factor; `electronic` noise
    is a share of the quantum noise behind the thigh. Structure, the same in each image of a room, is relative: `mottle`
    of millimetres, `lines` along the leg. `reduction` (0 to 1) takes out fine detail that may be noise."""

    absorber: str = "caesium-iodide"
    absorber_mm: float = 0.40
    dose_uGy: float = 4.0  # noqa: N815  (the unit is written so)
    statistics: float = 0.80
    electronic: float = 0.05
    mottle: float = 0.0
    lines: float = 0.0
    reduction: float = 0.0


@dataclass(frozen=True)
class Scatter:
    """`ratio` scales the scatter of a thigh (1 as in a wide field without grid); the grid lets `grid_primary` and
    `grid_scatter` of either through, and its lines modulate the image by `lines_contrast` (0 if it moves)."""

    ratio: float = 1.0
    grid_primary: float = 0.70
    grid_scatter: float = 0.10
    lines_per_mm: float = 4.0
    lines_contrast: float = 0.0


@dataclass(frozen=True)
class Local:
    """Processing that looks at the image. `latitude` (0 to 1) of brightness changes slower than 25 mm is taken out;
    `equalization` (0 to 1) mixes in the equalized neighbourhood; `clipped` is the share of pixels lost at either end;
    `window` from the exposed field alone, or from all pixels, which blades and metal mislead; `jpeg_quality` below 100
    compresses before storing."""

    latitude: float = 0.0
    equalization: float = 0.0
    clipped: float = 0.002
    window: Literal["field", "all"] = "field"
    jpeg_quality: float = 100.0


@dataclass(frozen=True)
class Geometry:
    """Geometry and protocol. Lengths in mm in the plane of the detector, which shows the femur `magnification` times
    larger. `height_mm` lies along the leg. `collimation_mm` is how far, at most, blades come in on a side along the
    leg; across it they come in by twice that. `heel` (0 to 1) is the share of the heel effect that flat-fielding left.
    """

    pitch_mm: float = 0.15
    height_mm: float = 350.0
    width_mm: float = 240.0
    magnification: float = 1.10
    distance_mm: float = 1150.0
    kvp: float = 70.0
    aluminium_mm: float = 3.0
    copper_mm: float = 0.0
    anode_deg: int = 12
    heel: float = 0.0
    collimation_mm: float = 0.0
    shutter: bool = True  # what the blades covered is stored as black
    marker: Literal["lead", "burnt-in", "none"] = "none"
    is_annotated: bool = False
    is_crosswise: bool = False  # the detector lies across the leg, and the file keeps it so
    photometric: Literal["MONOCHROME1", "MONOCHROME2"] = "MONOCHROME2"
    bits_stored: int = 16
    transfer_syntax: str = "1.2.840.10008.1.2.1"

    @property
    def tube(self) -> Tube:
        """Voltage to the nearest kV, since spectra are kept."""
        return Tube(round(self.kvp), round(self.aluminium_mm, 1), round(self.copper_mm, 1))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows along the leg and columns across it."""
        return round(self.height_mm / self.pitch_mm), round(self.width_mm / self.pitch_mm)


AXES = ("tone", "frequency", "noise", "scatter", "local", "geometry")
Knobs = dict[str, float]  # a strength for each of `AXES`, 0 to 2; 1 where none is named


@dataclass(frozen=True)
class Scanner:
    """A room's equipment and how it is used."""

    family: str
    manufacturer: str = "Osteon Phantom"
    model: str = "Reference"
    modality: Literal["DX", "CR"] = "DX"
    tone: Tone = field(default_factory=Tone)
    frequency: Frequency = field(default_factory=Frequency)
    noise: Noise = field(default_factory=Noise)
    scatter: Scatter = field(default_factory=Scatter)
    local: Local = field(default_factory=Local)
    geometry: Geometry = field(default_factory=Geometry)

    @property
    def absorber(self) -> Absorber:
        """What takes the X-rays up."""
        return Absorber(self.noise.absorber, round(self.noise.absorber_mm, 2))


# A sharp detector behind a good grid, all of whose processing is a logarithm: what harmonized images should look like.
REFERENCE = Scanner("reference")

# How far the parameters differ from image to image in one room, as the sigma of their logarithm: the radiographer's
# hand, and automatic exposure. Magnification is not among them: how the leg lies is the pose's.
# Calibrated by eye; none moves the image out of what the site looks like.
SPREAD = {
    "tone": {"gamma": 0.05},
    "frequency": {"fine": 0.10, "middle": 0.10, "focus_mm": 0.20},
    "noise": {"dose_uGy": 0.35},
    "scatter": {"ratio": 0.15},
    "local": {"latitude": 0.12, "equalization": 0.12},
}


def turned(scanner: Scanner, knobs: Knobs, reference: Scanner = REFERENCE) -> Scanner:
    """The scanner with each axis as far from the reference as its knob says.

    Numbers move by their ratio where both are positive, else by their difference; what is not a number is the scanner's
    from a knob of 0.5 on. Raises ValueError for an axis that does not exist or a knob outside 0 to 2.
    """
    for axis, knob in knobs.items():
        if axis not in AXES or not 0 <= knob <= 2:
            raise ValueError(f"a knob is one of {', '.join(AXES)} at 0 to 2, not {axis!r} at {knob}")
    groups = {axis: _between(getattr(reference, axis), getattr(scanner, axis), knob) for axis, knob in knobs.items()}
    return replace(scanner, **groups)


def spread(scanner: Scanner, rng: np.random.Generator) -> Scanner:
    """The scanner as it was for one exposure."""
    groups = {}
    for axis, sigmas in SPREAD.items():
        group = getattr(scanner, axis)
        drawn = {name: getattr(group, name) * float(np.exp(rng.normal(0, sigma))) for name, sigma in sigmas.items()}
        groups[axis] = replace(group, **drawn)
    return replace(scanner, **groups)


def _between(low: Any, high: Any, knob: float) -> Any:
    """A group of parameters `knob` times as far from `low` as `high` is."""
    moved: dict[str, Any] = {}
    for one in fields(high):
        a, b = getattr(low, one.name), getattr(high, one.name)
        if not isinstance(b, float):
            moved[one.name] = b if knob >= 0.5 else a
        elif a > 0 and b > 0:
            moved[one.name] = a * (b / a) ** knob
        else:
            moved[one.name] = max(a + (b - a) * knob, 0.0)
    return replace(high, **moved)

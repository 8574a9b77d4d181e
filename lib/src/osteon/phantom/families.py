"""Scanner families: what one vendor's rooms have in common, and how far they differ.

Five families are what a model may be trained on; `selene` lies outside of them on purpose: direct conversion in
selenium, a hard beam without grid, and a look of its own. Values are choices within what such equipment does: the
modulation transfer and absorption of caesium iodide, powder phosphor and selenium, doses of 2 to 8 µGy behind the
thigh, 65 to 80 kV with a grid.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from osteon.phantom.scanner import Frequency, Geometry, Local, Noise, Scanner, Scatter, Tone

__all__ = [
    "EXPLICIT", "FAMILIES", "IMPLICIT", "JPEG_2000_LOSSLESS", "JPEG_LOSSLESS", "OUTSIDE", "RLE", "draw_scanner",
    "lateral",
]  # fmt: skip

OUTSIDE = "selene"

CSI = Frequency(core_mm=0.08, tail=0.40, tail_mm=0.25)  # MTF 0.65, 0.36, 0.19 at 1, 2, 3 per mm
POWDER = Frequency(core_mm=0.10, tail=0.40, tail_mm=0.32)  # 0.55, 0.27, 0.10
SELENIUM = Frequency(core_mm=0.04, tail=0.08, tail_mm=0.20)  # 0.94, 0.81, 0.69
EXPLICIT, IMPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.5"
JPEG_LOSSLESS, JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"

FAMILIES: dict[str, Scanner] = {
    "phantom-optics": Scanner(
        "phantom-optics",
        "Phantom Optics",
        "Clarion",
        "DX",
        Tone(gamma=1.50, s_curve=0.15, low_margin=0.04, high_margin=0.04),
        replace(CSI, focus_mm=0.6, fine=0.35, middle=0.95),
        Noise(dose_uGy=3.0, mottle=0.002, lines=0.001, reduction=0.2),
        Scatter(grid_primary=0.70, grid_scatter=0.12),
        Local(latitude=0.42, clipped=0.008),
        Geometry(pitch_mm=0.143, height_mm=400, width_mm=260, heel=0.1, collimation_mm=14, kvp=73, marker="burnt-in",
                 bits_stored=14, transfer_syntax=JPEG_LOSSLESS),
    ),
    "plate": Scanner(
        "plate",
        "Plate and Sons",
        "Cassette",
        "CR",
        Tone(gamma=1.75, s_curve=0.45, low_margin=0.02, high_margin=0.08),
        replace(POWDER, focus_mm=1.2, fine=0.15, middle=0.7),
        Noise("phosphor", 0.10, dose_uGy=4.0, statistics=0.62, electronic=0.25, mottle=0.006, lines=0.004),
        Scatter(grid_primary=0.66, grid_scatter=0.18, lines_per_mm=4.0, lines_contrast=0.02),
        Local(latitude=0.22, clipped=0.012),
        Geometry(pitch_mm=0.175, height_mm=430, width_mm=350, heel=1.0, collimation_mm=50, kvp=66, aluminium_mm=2.7,
                 shutter=False, marker="lead", photometric="MONOCHROME1", bits_stored=10, transfer_syntax=RLE),
    ),
    "flat-panel": Scanner(
        "flat-panel",
        "Flat Panel Works",
        "Meridian",
        "DX",
        Tone(gamma=1.25, s_curve=0.20, low_margin=0.06, high_margin=0.03),
        replace(CSI, focus_mm=1.0, fine=1.1, middle=1.4),
        Noise(absorber_mm=0.33, dose_uGy=2.2, electronic=0.10, lines=0.002, reduction=0.5),
        Scatter(grid_primary=0.73, grid_scatter=0.10),
        Local(latitude=0.55, clipped=0.006),
        Geometry(pitch_mm=0.148, height_mm=420, width_mm=340, heel=0.15, collimation_mm=55, kvp=77, copper_mm=0.1,
                 marker="burnt-in", bits_stored=12, transfer_syntax=JPEG_LOSSLESS),
    ),
    "northlight": Scanner(
        "northlight",
        "Northlight Imaging",
        "Aurora",
        "DX",
        Tone(gamma=1.85, s_curve=0.30, low_margin=0.02, high_margin=0.02, window_center=0.48, window_width=0.80),
        replace(CSI, core_mm=0.10, tail_mm=0.35, focus_mm=0.6, fine=0.2, middle=1.1),
        Noise(dose_uGy=2.6, mottle=0.003, lines=0.002, reduction=0.6),
        Scatter(ratio=1.1, grid_primary=0.68, grid_scatter=0.15),
        Local(latitude=0.25, equalization=0.40, clipped=0.008, window="all"),
        Geometry(pitch_mm=0.160, height_mm=410, width_mm=280, heel=0.2, collimation_mm=20, kvp=75, copper_mm=0.1,
                 marker="lead", is_annotated=True, bits_stored=16, transfer_syntax=JPEG_2000_LOSSLESS),
    ),
    "alder": Scanner(
        "alder",
        "Alder and Daughters",
        "Needle",
        "CR",
        Tone(gamma=1.45, s_curve=0.60, low_margin=0.03, high_margin=0.10, window_center=0.52, window_width=0.75),
        replace(POWDER, core_mm=0.12, focus_mm=1.2, fine=0.6, middle=0.8),
        Noise("phosphor", 0.13, dose_uGy=2.2, statistics=0.60, electronic=0.35, mottle=0.008, lines=0.005,
              reduction=0.3),
        Scatter(ratio=1.2, grid_primary=0.64, grid_scatter=0.25, lines_per_mm=3.6, lines_contrast=0.05),
        Local(latitude=0.28, clipped=0.015, window="all", jpeg_quality=88),
        Geometry(pitch_mm=0.200, height_mm=430, width_mm=350, heel=1.0, collimation_mm=60, kvp=64, aluminium_mm=2.5,
                 shutter=False, marker="lead", photometric="MONOCHROME1", bits_stored=12, transfer_syntax=IMPLICIT),
    ),
    OUTSIDE: Scanner(
        OUTSIDE,
        "Selene Direct",
        "Perigee",
        "DX",
        Tone(gamma=2.30, s_curve=0.0, low_margin=0.12, high_margin=0.0),
        replace(SELENIUM, focus_mm=0.3, fine=2.2, middle=0.0),
        Noise("selenium", 0.50, dose_uGy=8.0, statistics=0.95, electronic=0.45, lines=0.004),
        Scatter(ratio=1.0, grid_primary=1.0, grid_scatter=1.0),
        Local(latitude=0.45, equalization=0.15, clipped=0.001),
        Geometry(pitch_mm=0.100, height_mm=430, width_mm=350, magnification=1.25, heel=0.5, collimation_mm=40, kvp=90,
                 copper_mm=0.2, marker="burnt-in", photometric="MONOCHROME1", bits_stored=14, transfer_syntax=EXPLICIT),
    ),
}  # fmt: skip

# How far rooms of one family differ: sigma of the logarithm of each parameter that a site sets up for itself.
BETWEEN_SITES = {
    "tone": {"gamma": 0.13, "s_curve": 0.3, "window_width": 0.08},
    "frequency": {"fine": 0.40, "middle": 0.25, "core_mm": 0.15, "tail_mm": 0.12, "focus_mm": 0.25},
    "noise": {"dose_uGy": 0.55, "reduction": 0.4, "mottle": 0.4, "lines": 0.4},
    "scatter": {"ratio": 0.15, "grid_scatter": 0.35, "lines_contrast": 0.5},
    "local": {"latitude": 0.25, "equalization": 0.3, "clipped": 0.5},
    "geometry": {"collimation_mm": 0.3},
}
# Some rooms are in a poor way: an old tube, a plate that has been read ten thousand times, a grid left out, too little
# dose with the noise smoothed away, and an archive that compresses. How many, and how poor, is a choice: surveys find
# tenfold differences of dose between rooms for one examination.
WORN_SHARE = 0.12
WORN: dict[str, dict[str, tuple[float, float]]] = {  # times a number, and at least another
    "frequency": {"core_mm": (1.6, 0.2), "tail_mm": (1.4, 0.0), "focus_mm": (1.6, 1.2)},
    "noise": {"dose_uGy": (0.22, 0.0), "electronic": (2.0, 0.3), "mottle": (2.0, 0.008), "reduction": (1.0, 0.9)},
    "scatter": {"grid_scatter": (2.0, 0.4)},
}
WORN_JPEG_QUALITY = 55.0

PITCHES_MM = (0.100, 0.125, 0.139, 0.143, 0.148, 0.150, 0.160, 0.168, 0.175, 0.194, 0.200)  # panels and plates sold
FIELDS_MM = ((430, 350), (430, 180), (400, 260), (350, 240), (350, 280), (420, 340))
SHUTTERED_SHARE = 0.7  # of the readers of plates blacken what the blades covered
SYNTAXES = (EXPLICIT, IMPLICIT, RLE, JPEG_LOSSLESS, JPEG_2000_LOSSLESS)


def draw_scanner(family: str, rng: np.random.Generator) -> Scanner:
    """A room's equipment from a family, set up by its own hands."""
    scanner = FAMILIES[family]
    groups: dict[str, Any] = {}
    for axis, sigmas in BETWEEN_SITES.items():
        group = getattr(scanner, axis)
        drawn = {name: getattr(group, name) * float(np.exp(rng.normal(0, sigma))) for name, sigma in sigmas.items()}
        groups[axis] = replace(group, **drawn)
    if rng.random() < WORN_SHARE:
        groups |= _worn(groups)
    base = scanner.geometry
    height_mm, width_mm = FIELDS_MM[int(rng.integers(len(FIELDS_MM)))]
    near = sorted(PITCHES_MM, key=lambda pitch: abs(np.log(pitch / base.pitch_mm)))[:5]
    groups["geometry"] = replace(
        groups["geometry"],
        pitch_mm=float(near[int(rng.integers(5))]),
        height_mm=float(height_mm),
        width_mm=float(width_mm),
        magnification=float(np.clip(base.magnification + rng.normal(0, 0.03), 1.03, 1.3)),
        distance_mm=float(rng.choice([1150, 1300, 1500])) if scanner.modality == "DX" else 1150.0,
        kvp=float(base.kvp + rng.integers(-4, 5)),
        anode_deg=int(rng.choice([12, 14])) if height_mm < 400 else 16,  # a long field wants a blunt anode
        collimation_mm=min(groups["geometry"].collimation_mm, width_mm * 0.16),
        photometric=base.photometric if rng.random() < 0.8 else _other(base.photometric),
        bits_stored=int(rng.choice([10, 12])) if scanner.modality == "CR" else int(rng.choice([12, 14, 15, 16])),
        transfer_syntax=str(rng.choice(SYNTAXES)),
        is_crosswise=bool(rng.random() < 0.08),
        shutter=base.shutter or rng.random() < SHUTTERED_SHARE,
        is_annotated=base.is_annotated if rng.random() < 0.8 else not base.is_annotated,
    )
    model = f"{scanner.model} {int(rng.integers(2, 9)) * 100}"
    return replace(scanner, model=model, **groups)


def _worn(groups: dict[str, Any]) -> dict[str, Any]:
    """The groups of a room in a poor way."""
    found = {
        axis: replace(
            groups[axis], **{name: max(getattr(groups[axis], name) * by, least) for name, (by, least) in of.items()}
        )
        for axis, of in WORN.items()
    }
    found["scatter"] = replace(found["scatter"], grid_scatter=min(found["scatter"].grid_scatter, 1.0))
    found["local"] = replace(groups["local"], jpeg_quality=min(groups["local"].jpeg_quality, WORN_JPEG_QUALITY))
    return found


def lateral(scanner: Scanner) -> Scanner:
    """The protocol of the room's lateral view: a little harder, through more of the thigh, less blackened."""
    geometry, tone = scanner.geometry, scanner.tone
    return replace(
        scanner,
        geometry=replace(geometry, kvp=min(geometry.kvp + 3, 110.0), magnification=geometry.magnification + 0.03),
        scatter=replace(scanner.scatter, ratio=scanner.scatter.ratio * 1.1),
        tone=replace(tone, gamma=tone.gamma * 0.95),
    )


def _other(photometric: str) -> str:
    return "MONOCHROME2" if photometric == "MONOCHROME1" else "MONOCHROME1"

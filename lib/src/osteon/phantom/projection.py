"""Patient, view and pose → thickness maps: how many mm of each tissue lie on the ray to a point of the detector."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from osteon.phantom.seeds import generator

if TYPE_CHECKING:
    from osteon.phantom.patient import Label, Patient, View

__all__ = ["Pose", "Projection", "Thickness", "Truth", "draw_pose", "project"]

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Thickness:
    """Tissue on each ray in mm, float32, axes (y, x): y down along the leg, x across it.

    `spongy_mm` is the bone in spongy bone, without its marrow, which counts as muscle. `metal_mm` is that of titanium;
    denser alloys count by their attenuation.
    """

    cortex_mm: FloatArray
    spongy_mm: FloatArray
    muscle_mm: FloatArray
    fat_mm: FloatArray
    metal_mm: FloatArray
    spacing_mm: float


@dataclass(frozen=True)
class Truth:
    """What is known of an image. Masks are (y, x) on the grid of the thickness maps.

    `cortex` is where the ray meets nothing but cortex within the bone; `fracture` what lies within a millimeter of a
    fracture surface. `axis_mm` are two points (y, x) on the shaft's axis, proximal first, from the top left corner of
    the field. `label` is what the patient was drawn as, `adjudicated` what readers make of the criteria.
    """

    femur: Mask
    cortex: Mask
    fracture: Mask
    axis_mm: tuple[tuple[float, float], tuple[float, float]]
    label: "Label"
    adjudicated: "Label"


@dataclass(frozen=True)
class Projection:
    """What a detector of ideal sharpness would be shown, and what is true of it."""

    thickness: Thickness
    truth: Truth


@dataclass(frozen=True)
class Pose:
    """How the leg lies for one exposure: `along_mm` and `across_mm` off the middle of the field, tilted by `tilt_rad`
    within it and turned by `turn_rad` about the long axis of the thigh."""

    along_mm: float
    across_mm: float
    tilt_rad: float
    turn_rad: float


def draw_pose(rng: np.random.Generator, view: "View") -> Pose:
    """Off-centre, tilted and turned as in practice; a lateral view more so than one from the front."""
    spread = 1.0 if view == "AP" else 1.5
    return Pose(
        along_mm=float(rng.normal(0, 45)),
        across_mm=float(rng.normal(0, 7 * spread)),
        tilt_rad=float(np.radians(rng.normal(0, 3.5 * spread))),
        turn_rad=float(np.radians(rng.normal(0, 7 * spread))),
    )


def project(
    patient: "Patient", view: "View", pose: Pose, field_mm: tuple[float, float], spacing_mm: float
) -> Projection:
    """Thickness maps over a field of (height, width) in mm, on square pixels of `spacing_mm`, and the truth.

    The right leg's lateral side is on the left of an AP image, as if one faced the patient.
    """
    from osteon.phantom.shaft import projection as shaft

    del view  # the shaft is seen from the front alone
    level_mm = float(
        np.clip(
            patient.fracture.level_mm + pose.along_mm, 0.30 * patient.femur.length_mm, 0.60 * patient.femur.length_mm
        )
    )
    is_left = patient.side == "L"
    shaft_pose = shaft.Pose(level_mm, pose.across_mm, pose.tilt_rad, is_left)
    rng = generator(patient.seed, patient.purpose, patient.number, 0)
    thickness = shaft.project(
        patient.femur,
        patient.thigh,
        patient.fracture,
        shaft_pose,
        field_mm=field_mm,
        spacing_mm=spacing_mm,
        rng=rng,
    )
    femur = thickness.cortex_mm + thickness.spongy_mm > 0.3
    dense = thickness.cortex_mm > 10
    rows = np.abs(
        (np.arange(femur.shape[0]) + 0.5) * spacing_mm - field_mm[0] / 2 - patient.fracture.level_mm + level_mm
    )
    truth = Truth(
        femur=femur,
        cortex=femur & dense,
        fracture=femur & (rows < 3)[:, None] & (patient.label != "no_fracture"),
        axis_mm=((0.0, field_mm[1] / 2), (field_mm[0], field_mm[1] / 2)),
        label=patient.label,
        adjudicated=patient.adjudicated,
    )
    return Projection(thickness, truth)

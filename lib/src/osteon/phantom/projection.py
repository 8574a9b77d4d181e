"""Patient, view and pose → thickness maps: how many mm of each tissue lie on the ray to a point of the detector."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from osteon.phantom.bone import Bone, femur_solids, without_hip
from osteon.phantom.breakage import Piece
from osteon.phantom.criteria import Features
from osteon.phantom.mimics import hardware_parts
from osteon.phantom.neighbours import hip, knee
from osteon.phantom.patient import TEXTURE, Patient, View
from osteon.phantom.population import Label
from osteon.phantom.rays import Broken, Ray, broken_bone, chords, piece_plane
from osteon.phantom.seeds import generator
from osteon.phantom.soft import Course, cast_mm, folded_mm, soft_tissue
from osteon.phantom.solids import Plane, across
from osteon.phantom.spongy import spongy_share
from osteon.phantom.texture import Texture, draw_texture
from osteon.phantom.tissue import flesh

__all__ = ["Part", "Pose", "Projection", "Thickness", "Truth", "draw_pose", "project"]

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Part = Literal["injury", "proximal", "distal"]

STREAKS = 0.04  # of the cortex: its porosity differs from place to place
YELLOW = 0.7  # of the marrow is fat in old adults; a choice


@dataclass(frozen=True)
class Thickness:
    """Tissue on each ray in mm, float32, axes (y, x): y down along the leg, x across it.

    `spongy_mm` is the bone in spongy bone, without its marrow, which counts as fat and muscle. `metal_mm` is that of
    titanium; denser alloys count by their attenuation.
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

    `cortex` is where a ray through the femur misses its inside; `fracture` what lies within a millimeter of a fracture
    surface in its wall. `axis_mm` are two points (y, x) on the shaft's axis, proximal first, from the top left corner
    of the field. `label` is what the patient was drawn as, `adjudicated` what readers make of the criteria, `features`
    what was drawn for them.
    """

    femur: Mask
    cortex: Mask
    fracture: Mask
    axis_mm: tuple[tuple[float, float], tuple[float, float]]
    label: Label
    adjudicated: Label
    features: Features


@dataclass(frozen=True)
class Projection:
    """What a detector of ideal sharpness would be shown, and what is true of it."""

    thickness: Thickness
    truth: Truth


@dataclass(frozen=True)
class Pose:
    """How the leg lies for one exposure: the part that the field is centred on, `along_mm` and `across_mm` off it,
    tilted by `tilt_rad` within the field and turned by `turn_rad` about the long axis of the thigh."""

    along_mm: float
    across_mm: float
    tilt_rad: float
    turn_rad: float
    part: Part = "injury"


def draw_pose(rng: np.random.Generator, view: View) -> Pose:
    """Off-centre, tilted and turned as in practice: choices. A lateral view is held less well than one from the front.

    A field that shows the whole femur does so whatever the part; a smaller one shows the part, and what is injured.
    """
    spread = 1.0 if view == "AP" else 1.5
    parts: tuple[Part, ...] = ("injury", "proximal", "distal")
    part = parts[rng.choice(3, p=[0.5, 0.35, 0.15])]
    return Pose(
        part=part,
        along_mm=float(rng.normal(0, 22)),
        across_mm=float(rng.normal(0, 8 * spread)),
        tilt_rad=math.radians(rng.normal(0, 3.5 * spread)),
        turn_rad=math.radians(rng.normal(0, 8 * spread)),
    )


def project(patient: Patient, view: View, pose: Pose, field_mm: tuple[float, float], spacing_mm: float) -> Projection:
    """Thickness maps over a field of (height, width) in mm, on square pixels of `spacing_mm`, and the truth.

    The right leg's lateral side is on the left of an AP image, as if one faced the patient. A lateral view is turned by
    a right angle, with the front of the right leg on the right.
    """
    plane = _plane(patient, view, pose, field_mm, spacing_mm)
    turn = pose.turn_rad + (0.5 * math.pi if view == "lateral" else 0.0)
    texture = _texture(patient.seed, patient.purpose, patient.number)
    bone = femur_solids(patient.femur, patient.reaction)
    if patient.mimics.hardware == "prosthesis":
        bone = without_hip(bone)
    broken = broken_bone(bone, patient.fracture, plane, turn, spacing_mm)
    sums = _Sums(plane.shape)
    for piece in broken.pieces:
        sums.add(piece, spongy_share(patient.femur, piece, texture), patient, texture)
    femur, cortex = sums.bone > 0.3, sums.inside <= 0
    _add_canal(sums, patient, bone, plane, turn)
    _add_neighbours(sums, patient, bone, plane, turn, texture)
    metal = _metal_mm(patient, bone, plane, turn)
    thickness = _thickness(patient, view, bone, sums, metal, plane, turn, texture, spacing_mm)
    return Projection(thickness, _truth(patient, bone, broken, femur, cortex, plane, turn, spacing_mm))


@lru_cache(maxsize=4)
def _texture(seed: int, purpose: str, number: int) -> Texture:
    return draw_texture(generator(seed, purpose, number, TEXTURE))


class _Sums:
    """Bone on each ray in mm: all within its surface, cortex, bone in spongy bone, and the inside."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.bone, self.cortex, self.spongy, self.inside = (np.zeros(shape, dtype=np.float32) for _ in range(4))

    def add(self, ray: Ray, share: FloatArray, patient: Patient, texture: Texture) -> None:
        """One piece of bone; streaks along it are the unevenness of cortical bone."""
        streaks = texture.at(ray.s * np.float32(0.15), ray.u * np.float32(0.9))
        density = np.float32(patient.femur.density) * (1 + np.float32(STREAKS) * streaks)
        self.bone[ray.window] += ray.wall_mm + ray.inside_mm * (share > 0)
        self.cortex[ray.window] += ray.wall_mm * density
        self.spongy[ray.window] += ray.inside_mm * share
        self.inside[ray.window] += ray.inside_mm * (share > 0)


def _add_neighbours(sums: _Sums, patient: Patient, bone: Bone, plane: Plane, turn: float, texture: Texture) -> None:
    """Hip and knee; the knee moves with the lower piece."""
    distal, turned = piece_plane(_distal(patient), bone, patient.fracture.level_mm, plane, turn)
    for bones, where, seen in ((hip(patient.femur), plane, turn), (knee(patient.femur), distal, turned)):
        for outer, inner, filled in bones:
            if beside := chords(outer, inner, where, seen):
                grain = np.maximum(1 + np.float32(0.25) * texture.at(beside.u, beside.s), 0.1)
                sums.add(beside, np.float32(0.6 * filled * patient.femur.spongy) * grain, patient, texture)


def _course(patient: Patient, bone: Bone, plane: Plane, turn: float) -> Course:
    """The leg follows the lower piece in its turn and sideways, and is not shortened with it."""
    if len(patient.fracture.pieces) == 1:
        return Course(plane, plane, patient.fracture.level_mm)
    lower = _distal(patient)
    lower = replace(lower, shift_mm=(0.0, 0.5 * lower.shift_mm[1], 0.5 * lower.shift_mm[2]), torsion_rad=0.0)
    bent, _ = piece_plane(lower, bone, patient.fracture.level_mm, plane, turn)
    return Course(plane, bent, patient.fracture.level_mm)


def _distal(patient: Patient) -> Piece:
    return patient.fracture.pieces[min(1, len(patient.fracture.pieces) - 1)]


def _add_canal(sums: _Sums, patient: Patient, bone: Bone, plane: Plane, turn: float) -> None:
    """The channel of the nutrient artery through the wall, where its piece has moved to."""
    canal = patient.mimics.canal
    piece = _distal(patient) if canal.start[0] > patient.fracture.level_mm else patient.fracture.pieces[0]
    moved, turned = piece_plane(piece, bone, patient.fracture.level_mm, plane, turn)
    if hole := chords((canal,), (), moved, turned):
        sums.cortex[hole.window] -= np.minimum(hole.wall_mm, sums.cortex[hole.window])


def _metal_mm(patient: Patient, bone: Bone, plane: Plane, turn: float) -> FloatArray:
    metal = np.zeros(plane.shape, dtype=np.float32)
    moved, turned = piece_plane(patient.fracture.pieces[0], bone, patient.fracture.level_mm, plane, turn)
    for solid, hollow, factor in hardware_parts(patient.femur, bone, patient.mimics):
        if part := chords((solid,), (hollow,) if hollow else (), moved, turned):
            metal[part.window] += np.float32(factor) * part.wall_mm
    return metal


def _thickness(
    patient: Patient,
    view: View,
    bone: Bone,
    sums: _Sums,
    metal: FloatArray,
    plane: Plane,
    turn: float,
    texture: Texture,
    spacing_mm: float,
) -> Thickness:
    """Soft tissue gives way to bone, and marrow to metal."""
    course = _course(patient, bone, plane, turn)
    muscle, fat = soft_tissue(patient.thigh, patient.femur, view, course, turn, texture, spacing_mm)
    marrow = np.maximum(sums.inside - sums.spongy - metal, 0)
    muscle = np.maximum(muscle - sums.bone, 0) + np.float32(1 - YELLOW) * marrow
    fat += np.float32(YELLOW) * marrow
    if patient.mimics.fold is not None:
        fat += folded_mm(patient.mimics.fold, plane, fat)
    cortex = sums.cortex
    if patient.mimics.has_cast:
        cortex += cast_mm(flesh(patient.thigh, patient.femur, view).thigh, course, turn, texture)
    return Thickness(cortex, sums.spongy, muscle, fat, metal, spacing_mm)


def _truth(
    patient: Patient,
    bone: Bone,
    broken: Broken,
    femur: Mask,
    cortex: Mask,
    plane: Plane,
    turn: float,
    spacing_mm: float,
) -> Truth:
    return Truth(
        femur=femur,
        cortex=femur & cortex,
        fracture=broken.fracture,
        axis_mm=_axis_mm(patient, bone, plane, turn, spacing_mm),
        label=patient.label,
        adjudicated=patient.adjudicated,
        features=patient.features,
    )


def _axis_mm(
    patient: Patient, bone: Bone, plane: Plane, turn: float, spacing_mm: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Two points on the axis of the shaft, as far apart as the field shows it, each moved with its piece."""
    corners = [plane.origin[0] + row * plane.down[0] for row in (0, plane.shape[0] - 1)]
    top = min(max(patient.femur.below_lesser_mm, corners[0]), patient.femur.flare_mm - 30)
    bottom = max(min(patient.femur.flare_mm, corners[1]), top + 30)
    points = []
    for s in (top, bottom):
        piece = _distal(patient) if s > patient.fracture.level_mm else patient.fracture.pieces[0]
        moved, turned = piece_plane(piece, bone, patient.fracture.level_mm, plane, turn)
        x, z, _, _ = bone.shaft.at(s)
        row, column = moved.place(s, across(x, z, turned))
        points.append(((row + 0.5) * spacing_mm, (column + 0.5) * spacing_mm))
    return points[0], points[1]


def _plane(patient: Patient, view: View, pose: Pose, field_mm: tuple[float, float], spacing_mm: float) -> Plane:
    """Where each pixel lies in the frame of the femur."""
    center_s, center_u = _center(patient, view, pose, field_mm)
    n_rows, n_columns = (round(side_mm / spacing_mm) for side_mm in field_mm)
    way = 1.0 if patient.side == "L" else -1.0
    cos, sin = math.cos(pose.tilt_rad), math.sin(pose.tilt_rad)
    down = (cos * spacing_mm, -sin * way * spacing_mm)
    right = (sin * spacing_mm, cos * way * spacing_mm)
    middle = (n_rows - 1) / 2, (n_columns - 1) / 2
    origin = (
        center_s - middle[0] * down[0] - middle[1] * right[0],
        center_u - middle[0] * down[1] - middle[1] * right[1],
    )
    return Plane((n_rows, n_columns), origin, down, right)


def _center(patient: Patient, view: View, pose: Pose, field_mm: tuple[float, float]) -> tuple[float, float]:
    """(s, u) in the middle of the field: the part asked for, but never without what is injured."""
    length, height = patient.femur.length_mm, field_mm[0]
    level = patient.fracture.level_mm
    center = {
        "injury": level,
        "proximal": 0.5 * height - 45.0,
        "distal": length - 0.5 * height + 45.0,
    }[pose.part] + pose.along_mm
    if height < length + 60:
        center = min(max(center, 0.5 * height - 90), length - 0.5 * height + 90)
    margin = min(35.0, 0.2 * height)
    center = min(max(center, level - 0.5 * height + margin), level + 0.5 * height - margin)
    # The field is centred between bone and middle of the thigh, further medially at the hip.
    medial = -8.0 - 22.0 * min(1.0, max(0.0, 1 - center / 200)) if view == "AP" else 4.0
    return center, medial + pose.across_mm

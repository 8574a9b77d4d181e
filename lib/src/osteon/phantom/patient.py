"""A patient who never was: femur, thigh and fracture, and what is true of them."""

from dataclasses import dataclass
from typing import Literal, get_args

from osteon.phantom.seeds import generator
from osteon.phantom.shaft.femur import Femur, Thigh, draw_femur, draw_thigh
from osteon.phantom.shaft.fracture import Fracture, break_femur

__all__ = ["LABELS", "Label", "Patient", "Side", "View", "draw_patient"]

Label = Literal["AFF_complete", "AFF_incomplete", "typical_fracture", "no_fracture"]
LABELS: tuple[Label, ...] = get_args(Label)
View = Literal["AP", "lateral"]
Side = Literal["R", "L"]


@dataclass(frozen=True)
class Patient:
    """Number `number` of a purpose. `label` is what the patient was drawn as, `adjudicated` what the readers say."""

    seed: int
    purpose: str
    number: int
    label: Label
    adjudicated: Label
    side: Side
    femur: Femur
    thigh: Thigh
    fracture: Fracture


def draw_patient(seed: int, purpose: str, number: int, label: Label) -> Patient:
    """The same patient for the same arguments, in any order. Raises ValueError for an unknown purpose or label."""
    if label not in LABELS:
        raise ValueError(f"unknown label {label!r}; known ones: {', '.join(LABELS)}")
    rng = generator(seed, purpose, number)
    side: Side = "L" if rng.random() < 0.5 else "R"
    thigh, femur = draw_thigh(rng), draw_femur(rng)
    while True:
        broken, fracture = break_femur(femur, "atypical" if label.startswith("AFF") else "typical", rng)
        if label in ("typical_fracture", "no_fracture") or label == f"AFF_{fracture.kind}":
            break
    if label == "no_fracture":
        broken, fracture = femur, Fracture("typical", "none", fracture.level_mm, ())
    return Patient(seed, purpose, number, label, label, side, broken, thigh, fracture)

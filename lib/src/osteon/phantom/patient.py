"""A patient who never was, drawn by number and label: person, femur, thigh, fracture, and what hides or mimics one."""

from dataclasses import dataclass
from typing import Literal

from osteon.phantom.bone import Reaction
from osteon.phantom.breakage import Fracture
from osteon.phantom.criteria import Features, adjudicate
from osteon.phantom.femur import Femur, draw_femur
from osteon.phantom.fracture import draw_fracture
from osteon.phantom.mimics import Mimics, draw_mimics, with_callus
from osteon.phantom.population import LABELS, Label, Person, View, draw_person
from osteon.phantom.seeds import generator
from osteon.phantom.tissue import Thigh, draw_thigh

__all__ = ["LABELS", "TEXTURE", "Label", "Patient", "Side", "View", "draw_patient"]

Side = Literal["R", "L"]

# Streams of a patient's random numbers beside the first: texture. Images are numbered from 0 and stay far below.
TEXTURE = 1_000_000


@dataclass(frozen=True)
class Patient:
    """Number `number` of a purpose. `label` is what the patient was drawn as, `adjudicated` what readers make of the
    `features` by the criteria."""

    seed: int
    purpose: str
    number: int
    label: Label
    adjudicated: Label
    side: Side
    person: Person
    femur: Femur
    thigh: Thigh
    fracture: Fracture
    reaction: Reaction
    features: Features
    mimics: Mimics


def draw_patient(seed: int, purpose: str, number: int, label: Label, side: Side | None = None) -> Patient:
    """The same patient for the same arguments, alone or among others. `side` is drawn if it is None.

    Raises ValueError for an unknown purpose or label.
    """
    if label not in LABELS:
        raise ValueError(f"unknown label {label!r}; known ones: {', '.join(LABELS)}")
    rng = generator(seed, purpose, number)
    drawn: Side = "L" if rng.random() < 0.5 else "R"
    person = draw_person(label, rng)
    femur = draw_femur(person, label, rng)
    thigh = draw_thigh(person, femur, rng)
    fracture, reaction, features = draw_fracture(femur, label, rng)
    mimics = draw_mimics(femur, label, fracture.level_mm, rng)
    reaction = with_callus(reaction, mimics, rng) if label == "no_fracture" else reaction
    adjudicated = adjudicate(features, rng)
    return Patient(
        seed,
        purpose,
        number,
        label,
        adjudicated,
        side or drawn,
        person,
        femur,
        thigh,
        fracture,
        reaction,
        features,
        mimics,
    )

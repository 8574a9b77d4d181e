"""Who the patients are: age, sex, build and bone loss, by label.

Where no source is named, a number is a choice. What differs between labels (age, sex, bone) differs among real patients
too, and confounds: a classifier may learn it instead of the fracture.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

__all__ = ["LABELS", "Label", "Person", "View", "draw_person"]

Label = Literal["AFF_complete", "AFF_incomplete", "typical_fracture", "no_fracture"]
View = Literal["AP", "lateral"]
LABELS: tuple[Label, ...] = get_args(Label)

# Share of women, mean age and its deviation. Atypical: median 80 years in the shaft, 71 below the trochanter (Schilcher
# et al., Acta Orthop 2013;84:561-4), nearly all women. Typical: 69 % women of 82 +- 11 years among trochanteric and
# subtrochanteric fractures (Mattisson et al., Swedish Fracture Register 2014-2016), shaft fractures somewhat younger.
WHO = {
    "AFF_complete": (0.93, 77.0, 9.0),
    "AFF_incomplete": (0.93, 74.0, 9.0),
    "typical_fracture": (0.69, 77.0, 12.0),
    "no_fracture": (0.65, 70.0, 14.0),
}


@dataclass(frozen=True)
class Person:
    """A patient apart from the fracture. `bone_loss` is 0 in a young adult and 1 in severe osteoporosis; `build` is 1
    for an average thigh."""

    age: int
    sex: Literal["F", "M"]
    bone_loss: float
    build: float
    height_score: float  # standard deviations from the mean of the sex


def draw_person(label: Label, rng: np.random.Generator) -> Person:
    """A person as likely as not to have the label."""
    women, age_mean, age_sd = WHO[label]
    sex: Literal["F", "M"] = "F" if rng.random() < women else "M"
    age = int(np.clip(rng.normal(age_mean, age_sd), 45, 99))
    # Half of women over 80 have osteoporosis at the hip, a fifth of men: a rise by 0.15 a decade does about that.
    loss = 0.30 + 0.015 * (age - 65) + (0.12 if sex == "F" else -0.06) + float(rng.normal(0, 0.2))
    build = float(np.clip(rng.normal(1.0, 0.11), 0.76, 1.35))
    return Person(age, sex, float(np.clip(loss, 0.0, 1.0)), build, float(rng.normal(0, 1)))

"""A row of a plan → whom the register knows: age, sex, and how clearly the image shows an atypical fracture."""

import datetime
import math

from osteon.phantom.patient import Patient
from osteon.phantom.plan import Row
from osteon.phantom.register import Subject
from osteon.phantom.render import patient_of

__all__ = ["sign", "subject_of"]


def subject_of(row: Row) -> Subject:
    """The patient of a row, as registers know patients."""
    patient = patient_of(row.seed, row.purpose, row.patient, row.label, row.side)
    return Subject(
        patient_id=row.patient_id,
        seed=row.seed,
        purpose=row.purpose,
        number=row.patient,
        site=row.site,
        is_atypical=row.label.startswith("AFF"),
        sign=sign(patient),
        age=float(patient.person.age),
        sex=patient.person.sex,
        index_date=row.date - datetime.timedelta(days=row.day),
    )


def sign(patient: Patient) -> float:
    """How likely an atypical fracture is by what the image shows of the cortex, 0 to 1."""
    reaction = patient.reaction
    return 1 / (1 + math.exp(-(9 * (reaction.thickening - 1.04) + 1.6 * (reaction.beak_mm - 0.6))))

"""Patients: drawn by number, the same in any order, and imaged from a pose."""

import numpy as np
import pytest

from osteon.phantom.patient import LABELS, Label, draw_patient
from osteon.phantom.projection import draw_pose, project

FIELD_MM, SPACING_MM = (205.0, 205.0), 0.8


@pytest.mark.parametrize("label", LABELS)
def test_every_label_can_be_drawn_and_imaged_and_only_a_fracture_has_a_mask(label: Label) -> None:
    patient = draw_patient(0, "demo", 3, label)
    pose = draw_pose(np.random.default_rng(0), "AP")

    projection = project(patient, "AP", pose, FIELD_MM, SPACING_MM)

    assert projection.truth.label == label
    assert projection.truth.fracture.any() == (label != "no_fracture")
    assert projection.truth.femur.any()
    assert projection.thickness.metal_mm.shape == projection.truth.femur.shape

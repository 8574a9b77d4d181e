"""Patients: drawn by number, the same in any order, and imaged from a pose."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osteon.phantom.patient import LABELS, Label, View, draw_patient
from osteon.phantom.projection import Projection, draw_pose, project
from osteon.phantom.seeds import PURPOSES, generator

FIELD_MM, SPACING_MM = (205.0, 205.0), 0.8


def image(number: int, label: Label = "AFF_complete", view: View = "AP", spacing_mm: float = SPACING_MM) -> Projection:
    patient = draw_patient(0, "demo", number, label)
    return project(patient, view, draw_pose(generator(0, "demo", number, 0), view), FIELD_MM, spacing_mm)


@settings(max_examples=16, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(LABELS), st.sampled_from(["AP", "lateral"]))
def test_every_patient_can_be_imaged_and_only_a_fracture_has_a_mask(number: int, label: Label, view: View) -> None:
    projection = image(number, label, view)

    thickness, truth = projection.thickness, projection.truth
    for one in (thickness.cortex_mm, thickness.spongy_mm, thickness.muscle_mm, thickness.fat_mm, thickness.metal_mm):
        assert one.shape == truth.femur.shape
        assert one.dtype == np.float32
        assert np.isfinite(one).all()
        assert one.min() >= 0
    assert truth.label == label
    assert truth.fracture.any() == (label != "no_fracture")
    assert not (truth.cortex & ~truth.femur).any()
    assert 0.02 < truth.femur.mean() < 0.5
    assert truth.axis_mm[1][0] > truth.axis_mm[0][0] + 10


def test_image_317_alone_equals_image_317_in_a_run() -> None:
    alone = image(317)

    among = [image(number, view=view) for number in range(315, 319) for view in ("lateral", "AP")]

    np.testing.assert_array_equal(among[5].thickness.cortex_mm, alone.thickness.cortex_mm)
    np.testing.assert_array_equal(among[5].thickness.muscle_mm, alone.thickness.muscle_mm)
    assert among[5].truth.axis_mm == alone.truth.axis_mm
    assert not np.array_equal(among[3].thickness.cortex_mm, alone.thickness.cortex_mm)


def test_patients_of_two_purposes_are_never_the_same() -> None:
    femurs = {draw_patient(0, purpose, 3, "no_fracture").femur for purpose in PURPOSES}

    assert len(femurs) == len(PURPOSES) == len(set(PURPOSES.values()))
    with pytest.raises(ValueError, match="calibrate"):
        draw_patient(0, "training", 3, "no_fracture")
    with pytest.raises(ValueError, match="typical_fracture"):
        draw_patient(0, "demo", 3, "typical")  # type: ignore[arg-type]


def test_a_finer_grid_shows_the_same_patient() -> None:
    coarse, fine = image(5), image(5, spacing_mm=0.4)

    averaged = fine.thickness.cortex_mm.reshape(256, 2, 256, 2).mean(axis=(1, 3))

    assert np.median(np.abs(averaged - coarse.thickness.cortex_mm)[coarse.truth.femur]) < 0.25
    assert np.abs(averaged.mean() - coarse.thickness.cortex_mm.mean()) < 0.02 * averaged.mean()


def test_both_legs_of_a_patient_are_mirror_images() -> None:
    pose = draw_pose(np.random.default_rng(0), "AP")
    straight = type(pose)(0.0, 0.0, 0.0, 0.0)
    left, right = (draw_patient(0, "demo", 11, "AFF_complete", side) for side in ("L", "R"))

    maps = [project(one, "AP", straight, FIELD_MM, SPACING_MM).thickness.cortex_mm for one in (left, right)]

    np.testing.assert_allclose(maps[0], maps[1][:, ::-1], atol=0.2)


def test_measures_of_a_population_are_those_published() -> None:
    femurs = [draw_patient(3, "probes", number, "no_fracture") for number in range(250)]
    women = [one.femur for one in femurs if one.person.sex == "F"]

    # Kanz et al., Anthropol Anz 2015;72:117-27; four standard errors of about 160 women
    assert np.mean([one.length_mm for one in women]) == pytest.approx(413.9, abs=5.2)
    assert np.mean([one.head_mm for one in women]) == pytest.approx(42.0, abs=0.7)
    # both cortices over the width: 0.53 and 0.54 in older women (Bone 2014;62:64-6)
    assert np.mean([(one.lateral_mm + one.medial_mm) / one.width_mm for one in women]) == pytest.approx(0.535, abs=0.03)


def test_bone_lost_with_age_thins_the_cortex_and_empties_spongy_bone() -> None:
    patients = [draw_patient(4, "probes", number, "no_fracture") for number in range(200)]
    loss = [one.person.bone_loss for one in patients]

    assert np.corrcoef(loss, [one.person.age for one in patients])[0, 1] > 0.4
    for measure in ("lateral_mm", "spongy", "density"):
        assert np.corrcoef(loss, [getattr(one.femur, measure) for one in patients])[0, 1] < -0.3


def test_implants_are_metal_and_no_bone() -> None:
    patient = next(
        one for n in range(200) if (one := draw_patient(0, "demo", n, "no_fracture")).mimics.hardware == "nail"
    )

    projection = project(patient, "AP", draw_pose(np.random.default_rng(1), "AP"), FIELD_MM, SPACING_MM)

    assert 8 < projection.thickness.metal_mm.max() < 80
    assert 0.005 < (projection.thickness.metal_mm > 1).mean() < 0.15


def test_a_number_that_would_give_the_random_numbers_of_another_patient_is_refused() -> None:
    for numbers in ((2 * 2**32 + 7, 0), (7, 2**32), (7, 0, 2**32), (-1, 0)):
        with pytest.raises(ValueError, match="numbers from 0 to"):
            generator(numbers[0], "demo", *numbers[1:])

"""Geometry: what a fracture does to the bone can be measured in millimetres."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osteon.phantom.projection import Thickness
from osteon.phantom.seeds import generator
from osteon.phantom.shaft.femur import bone_half_depths_mm, draw_femur, draw_thigh
from osteon.phantom.shaft.fracture import LABELS, Label, break_femur
from osteon.phantom.shaft.projection import Pose, draw_pose, project

S = np.arange(0, 430, 0.5, dtype=np.float32)[:, None]
X = np.arange(-60, 60, 0.25, dtype=np.float32)[None, :]
FIELD_MM = (330.0, 200.0)


def projected(label: Label, patient: int, *, level_in_view: bool = True) -> tuple[str, Thickness]:
    rng = generator(0, "demo", patient)
    thigh = draw_thigh(rng)
    femur, fracture = break_femur(draw_femur(rng), label, rng)
    pose = Pose(fracture.level_mm, 0.0, 0.0, is_left=True) if level_in_view else draw_pose(femur, fracture, rng)
    return fracture.kind, project(femur, thigh, fracture, pose, field_mm=FIELD_MM, spacing_mm=1.0, rng=rng)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_inside_never_reaches_beyond_the_bone(patient: int) -> None:
    femur = draw_femur(generator(0, "demo", patient))

    outer, inner = bone_half_depths_mm(femur, S, X)

    assert (inner <= outer).all()
    assert (outer >= 0).all()
    assert 20 < outer[S[:, 0] == 200].max() * 2 < 40  # a shaft is about three centimetres thick


def test_a_beak_raises_the_lateral_cortex_at_its_level_and_nowhere_else() -> None:
    plain = draw_femur(generator(0, "demo", 1))
    beaked = replace(plain, beak_mm=3.0, beak_level_mm=200.0)

    outer_plain, _ = bone_half_depths_mm(plain, S, X)
    outer_beaked, _ = bone_half_depths_mm(beaked, S, X)

    edges_mm = [np.where(outer[S[:, 0] == 200][0] > 0)[0][[0, -1]] * 0.25 for outer in (outer_plain, outer_beaked)]
    assert edges_mm[1][1] - edges_mm[0][1] == pytest.approx(3.0, abs=0.5)  # lateral
    assert edges_mm[1][0] == edges_mm[0][0]  # medial
    far = np.abs(S[:, 0] - 200) > 40
    np.testing.assert_allclose(outer_plain[far], outer_beaked[far], atol=0.05)


def test_an_incomplete_fracture_opens_the_lateral_cortex_and_spares_the_medial_one() -> None:
    patient = next(n for n in range(100) if projected("atypical", n)[0] == "incomplete")
    rng = generator(0, "demo", patient)
    thigh = draw_thigh(rng)
    femur, fracture = break_femur(draw_femur(rng), "atypical", rng)
    unbroken = replace(fracture, crack=None)
    pose = Pose(fracture.level_mm, 0.0, 0.0, is_left=True)

    with_crack, without = (
        project(femur, thigh, one, pose, field_mm=FIELD_MM, spacing_mm=0.5, rng=generator(0, "demo", patient))
        for one in (fracture, unbroken)
    )

    missing = without.cortex_mm - with_crack.cortex_mm
    axis_column = missing.shape[1] / 2 + 2 * femur.bow_mm
    assert missing.max() > 1.0
    assert missing[:, : int(axis_column - 2 * 0.6 * femur.radius_mm)].max() == 0
    assert np.abs(np.where(missing > 0.5)[0] - missing.shape[0] / 2).max() * 0.5 < 15  # all of it near the level


def test_atypical_fractures_are_more_often_flat_beaked_and_thick_but_not_always() -> None:
    def features(label: Label) -> npt.NDArray[np.float64]:
        rows = []
        for patient in range(300):
            rng = generator(0, "demo", patient)
            femur, fracture = break_femur(draw_femur(rng), label, rng)
            line = fracture.crack or fracture.fragments[0].below
            assert line is not None
            rows.append((abs(line.slope) < 0.4, femur.beak_mm > 0.5, femur.lateral_thickening > 1.12))
        return np.asarray(np.mean(rows, axis=0), dtype=np.float64)

    typical, atypical = (features(label) for label in LABELS)

    assert (atypical > typical + 0.25).all()
    assert (typical > 0).all()  # every sign occurs in both classes
    assert (atypical < 1).all()


def test_a_patient_is_the_same_alone_and_among_others() -> None:
    alone = draw_femur(generator(7, "fit", 317))

    among = [draw_femur(generator(7, "fit", patient)) for patient in range(315, 320)]

    assert among[2] == alone
    assert len(set(among)) == 5


def test_patients_of_two_purposes_are_never_the_same() -> None:
    assert draw_femur(generator(0, "fit", 3)) != draw_femur(generator(0, "test", 3))
    with pytest.raises(ValueError, match="calibrate"):
        generator(0, "training", 3)

"""The card: read strictly, written in one way."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osteon.contracts import Acquisition
from osteon.imaging.geometry import Geometry
from osteon.release import Calibration, Card, Cohort, Scope, Tensor
from osteon.release.release_set import check_fit

SHAPE = (None, 1, 640, 384)
HARMONIZER = Card(
    name="nyul",
    version=1,
    role="harmonizer",
    inputs=(Tensor("image", "float32", SHAPE),),
    outputs=(Tensor("harmonized", "float32", SHAPE, (0.0, 1.0)),),
    geometry=Geometry(),
    scope=Scope(modalities=("DX",), body_parts=("FEMUR", "")),
    cohort=Cohort("0" * 64, "noise"),
    tolerance=1e-4,
)
CLASSIFIER = replace(
    HARMONIZER,
    name="cnn",
    role="classifier",
    inputs=(Tensor("image", "float32", SHAPE, (0.0, 1.0)),),
    outputs=(Tensor("logit", "float32", (None, 1)),),
    labels=("typical", "atypical"),
    operating_point=0.5,
    calibration=Calibration(1.5, -0.2),
)


@pytest.mark.parametrize("card", [HARMONIZER, CLASSIFIER])
def test_a_card_comes_back_from_its_text(card: Card) -> None:
    assert Card.from_json(card.to_json()) == card
    assert Card.from_json(card.to_json()).to_json() == card.to_json()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"version": 0}, "version is 1 or more"),
        ({"version": "1"}, "version"),
        ({"name": "../escape"}, "name is of"),
        ({"role": "oracle"}, "role is one of harmonizer, classifier"),
        ({"operating_point": 1.5}, "operating_point is a probability"),
        ({"calibration": None}, "calibration"),
        ({"labels": []}, "labels"),
        ({"tolerance": -1}, "tolerance"),
        ({"tolerance": math.nan}, "tolerance"),
        ({"colour": "red"}, "unknown field colour"),
        ({"geometry": {"spacing_mm": 0.5, "rows": 640, "columns": 384, "depth": 1}}, "unknown field geometry.depth"),
        ({"inputs": []}, "inputs"),
        ({"inputs": [{"name": "image", "dtype": "float32", "shape": [4, 1]}]}, "first axis is the batch"),
        ({"inputs": [{"name": "image", "dtype": "float32", "shape": [None, 0]}]}, "lengths are positive"),
        ({"inputs": [{"name": "image", "dtype": "complex64", "shape": [None]}]}, "dtype is one of"),
        ({"scope": {"modalities": ["dx"]}}, "upper case"),
    ],
)
def test_a_wrong_card_is_refused_with_the_name_of_what_is_wrong(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Card.from_json(json.dumps(json.loads(CLASSIFIER.to_json()) | change))


@given(st.text(max_size=80))
def test_no_text_breaks_the_reader_of_cards(text: str) -> None:
    with pytest.raises(ValueError, match="card"):
        Card.from_json(text)


@pytest.mark.parametrize(
    ("acquisition", "reason"),
    [
        (Acquisition(modality="DX", body_part="FEMUR"), None),
        (Acquisition(modality="DX", body_part="femur "), None),
        (Acquisition(modality="DX"), None),  # the scope names "", what is not stated
        (Acquisition(modality="DX", body_part="CHEST"), "body part is none of FEMUR"),
        (Acquisition(modality="MR", body_part="FEMUR"), "modality is none of DX"),
        (Acquisition(body_part="FEMUR"), "modality is not stated"),
    ],
)
def test_a_scope_says_why_an_image_is_out_of_it(acquisition: Acquisition, reason: str | None) -> None:
    answer = HARMONIZER.scope.admits(acquisition)

    assert answer is None if reason is None else reason in str(answer)


def test_a_scope_does_not_repeat_what_an_image_says_of_itself() -> None:
    assert "DOE" not in str(HARMONIZER.scope.admits(Acquisition(modality="DX", body_part="DOE JOHN")))


@given(st.floats(-1e6, 1e6), st.floats(0.01, 100), st.floats(-100, 100))
def test_a_calibrated_probability_is_one_and_grows_with_the_logit(logit: float, slope: float, intercept: float) -> None:
    calibration = Calibration(slope, intercept)

    assert 0 <= calibration.probability(logit) <= calibration.probability(logit + 1) <= 1


def test_the_calibration_is_platts() -> None:
    assert Calibration(2.0, -1.0).probability(1.5) == pytest.approx(1 / (1 + math.exp(-2.0)))


def test_models_that_fit_make_a_set() -> None:
    check_fit(HARMONIZER, CLASSIFIER)


@pytest.mark.parametrize(
    ("harmonizer", "classifier", "text"),
    [
        (CLASSIFIER, CLASSIFIER, "no harmonizer"),
        (HARMONIZER, HARMONIZER, "no classifier"),
        (HARMONIZER, replace(CLASSIFIER, name="nyul"), "both models are named nyul"),
        (HARMONIZER, replace(CLASSIFIER, geometry=Geometry(0.25)), "works on"),
        (HARMONIZER, replace(CLASSIFIER, inputs=(Tensor("image", "float32", SHAPE, (0.0, 255.0)),)), "range"),
        (HARMONIZER, replace(CLASSIFIER, inputs=(Tensor("image", "float16", SHAPE, (0.0, 1.0)),)), "dtype"),
        (HARMONIZER, replace(CLASSIFIER, inputs=(Tensor("image", "float32", (None, 3, 640, 384)),)), "no image"),
        (HARMONIZER, replace(CLASSIFIER, scope=Scope(modalities=("CR",))), "not made for"),
        (replace(HARMONIZER, scope=Scope()), CLASSIFIER, "not made for"),
    ],
)
def test_models_that_do_not_fit_make_no_set(harmonizer: Card, classifier: Card, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        check_fit(harmonizer, classifier)

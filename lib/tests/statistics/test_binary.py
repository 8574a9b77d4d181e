"""Measures against values that can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osteon.statistics.binary import area_under_curve, area_with_interval, operating_point, platt

TRUTH = np.array([False, False, True, True])


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    assert area_under_curve(np.array([0.1, 0.4, 0.35, 0.8]), TRUTH) == 0.75  # 3 of 4 pairs
    assert area_under_curve(np.array([0.5, 0.5, 0.5, 0.5]), TRUTH) == 0.5  # ties count half


@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), min_size=2, max_size=30))
def test_turning_the_score_round_turns_the_area_round(pairs: list[tuple[float, bool]]) -> None:
    scores, truth = np.array([score for score, _ in pairs]), np.array([positive for _, positive in pairs])
    if truth.all() or not truth.any():
        with pytest.raises(ValueError, match="both classes"):
            area_under_curve(scores, truth)
    else:
        assert area_under_curve(scores, truth) == pytest.approx(1 - area_under_curve(-scores, truth))


def test_the_interval_is_wider_when_many_images_are_of_few_patients() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 2 == 0
    scores = rng.normal(size=200) + truth
    patient_of_20 = np.repeat(np.arange(20), 10)
    scores_of_20 = scores + np.repeat(rng.normal(size=20), 10)

    alone = area_with_interval(scores, truth, np.arange(200), seed=0, n_draws=300)
    shared = area_with_interval(scores_of_20, truth, patient_of_20, seed=0, n_draws=300)

    assert alone.low < alone.value < alone.high
    assert shared.low < shared.value < shared.high
    assert alone == area_with_interval(scores, truth, np.arange(200), seed=0, n_draws=300)


def test_platt_scaling_finds_the_slope_and_intercept_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20_000)
    truth = rng.random(20_000) < 1 / (1 + np.exp(-(0.5 * logits - 1)))

    slope, intercept = platt(logits, truth)

    assert slope == pytest.approx(0.5, abs=0.03)
    assert intercept == pytest.approx(-1, abs=0.05)


def test_a_score_that_orders_the_wrong_way_round_is_not_calibrated() -> None:
    with pytest.raises(ValueError, match="wrong way round"):
        platt(np.array([3.0, 2.0, -2.0, -3.0]), TRUTH)


def test_the_operating_point_lies_between_the_classes_it_separates() -> None:
    assert operating_point(np.array([0.1, 0.2, 0.6, 0.9]), TRUTH) == pytest.approx(0.4)

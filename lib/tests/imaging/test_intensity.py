"""Landmarks undo what a scanner did to the gray scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osteon.imaging.intensity import DECILES, changed_share, foreground, landmarks, standard_scale, standardize

PICTURE = np.random.default_rng(3).gamma(2.0, 1.0, (60, 40)).astype(np.float32)


def test_the_foreground_is_what_is_brighter_than_the_mean() -> None:
    pixels = np.array([[0, 0, 0, 8]], np.float32)

    np.testing.assert_array_equal(foreground(pixels), [[False, False, False, True]])
    assert not foreground(np.ones((3, 3), np.float32)).any()


def test_landmarks_are_percentiles_of_the_foreground() -> None:
    pixels = np.concatenate([np.zeros(101), np.arange(100, 201)]).astype(np.float32)[None]

    np.testing.assert_allclose(landmarks(pixels), [100 + p for p in DECILES], rtol=1e-6)


@given(st.floats(0.01, 1000), st.floats(-1000, 1000))
def test_landmarks_follow_a_linear_change_of_scale(slope: float, intercept: float) -> None:
    changed = (PICTURE.astype(np.float64) * slope + intercept).astype(np.float32)

    np.testing.assert_allclose(landmarks(changed), landmarks(PICTURE) * slope + intercept, rtol=1e-3, atol=1e-2 * slope)


@given(st.floats(0.7, 1.5), st.floats(0.1, 100))
def test_two_scanners_of_one_picture_agree_after_standardising(gamma: float, gain: float) -> None:
    other = (gain * PICTURE**gamma).astype(np.float32)
    scale = standard_scale([landmarks(PICTURE), landmarks(other)])

    ours, theirs = (standardize(pixels, landmarks(pixels), scale) for pixels in (PICTURE, other))

    bright = foreground(PICTURE) & foreground(other)
    assert np.abs(ours - theirs)[bright].mean() < 0.06
    assert ours.min() >= 0
    assert theirs.max() <= 1


def test_landmarks_map_to_the_standard_scale_exactly() -> None:
    source = landmarks(PICTURE)
    target = standard_scale([source])

    np.testing.assert_allclose(standardize(source.astype(np.float32)[None], source, target)[0], target, atol=1e-5)
    assert (target[0], target[-1]) == (0.0, 1.0)


def test_a_cohort_without_extent_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        standard_scale([])
    with pytest.raises(ValueError, match="one value"):
        standard_scale([np.ones(11)])


def test_a_saturated_picture_stays_finite() -> None:
    saturated = np.where(PICTURE > 1, 5, 0).astype(np.float32)

    mapped = standardize(saturated, landmarks(saturated), standard_scale([landmarks(PICTURE)]))

    assert np.isfinite(mapped).all()


def test_what_only_changes_brightness_and_contrast_is_no_change() -> None:
    low, *_, high = landmarks(PICTURE[::4, ::4])
    stretched = np.clip((PICTURE - low) / (high - low), 0, 1).astype(np.float32)

    assert changed_share(PICTURE * 40 + 3, stretched) == pytest.approx(0.0, abs=1e-4)
    assert changed_share(PICTURE, 1 - stretched) > 0.2
    assert changed_share(np.ones_like(PICTURE), np.zeros_like(PICTURE)) == 0

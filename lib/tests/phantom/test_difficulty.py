"""How hard the digital cohort is: the observer and the probe, against what is known of them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from osteon.phantom.observer import PATCH, SIGNS, channel_outputs, channels, detectability, draw_pair, patches
from osteon.phantom.probe import features, read_sites
from osteon.phantom.scanner import AXES
from osteon.phantom.sheet import contact_sheet, every_site_sheet, sheet_rows
from osteon.phantom.sites import sites

BLOB = np.exp(-(np.square(np.mgrid[:PATCH, :PATCH] - (PATCH - 1) / 2).sum(axis=0)) / (2 * 2.5**2)).astype(np.float32)


def _patches(contrast: float, n_pairs: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """A blob of a contrast in white noise of unit variance, and noise alone."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((2, n_pairs, PATCH, PATCH)).astype(np.float32)
    return noise[0] + np.float32(contrast) * BLOB, noise[1]


def test_channels_have_unit_length_and_see_no_flat_brightness() -> None:
    assert np.allclose(np.linalg.norm(channels(), axis=1), 1)
    assert np.abs(channel_outputs(np.ones((1, PATCH, PATCH), np.float32))).max() < 1e-4


def test_d_prime_in_white_noise_is_what_the_channels_let_through() -> None:
    """In white noise K = C C', so that d'^2 = s' C' (C C')^-1 C s: known, and no more than the ideal s' s."""
    contrast = 0.6
    signal = contrast * BLOB.ravel().astype(np.float64)
    through = channels() @ signal
    known = float(np.sqrt(through @ np.linalg.pinv(channels() @ channels().T) @ through))

    present, absent = _patches(contrast, 800)
    measured = detectability(channel_outputs(present), channel_outputs(absent), n_splits=2)

    assert known <= np.linalg.norm(signal)
    assert measured == pytest.approx(known, rel=0.1)  # 400 pairs: a standard error of some 5 %


def test_what_is_not_there_is_not_detected() -> None:
    present, absent = _patches(0.0, 200)

    assert abs(detectability(channel_outputs(present), channel_outputs(absent))) < 0.4
    with pytest.raises(ValueError, match="8 pairs"):
        detectability(channel_outputs(present[:4]), channel_outputs(absent[:4]))


@pytest.mark.parametrize("sign", SIGNS)
def test_a_pair_differs_in_its_sign_alone(sign: str) -> None:
    pair = draw_pair(0, 3, sign)

    assert pair.present != pair.absent
    assert replace(pair.absent, fracture=pair.present.fracture, reaction=pair.present.reaction) == pair.present


def test_a_crack_lies_in_the_middle_of_its_patch() -> None:
    knobs = dict.fromkeys(AXES, 0.0)
    found = np.stack([patches(draw_pair(0, number, "crack"), sites()[:1], knobs=knobs)[0] for number in range(4)])

    darker = gaussian_filter((found[:, 1] - found[:, 0]).mean(axis=0), 2.0)
    row, column = np.unravel_index(np.argmax(darker), darker.shape)

    assert found.shape == (4, 2, PATCH, PATCH)
    assert abs(row - PATCH / 2) < 10
    assert abs(column - PATCH / 2) < 10


def test_a_probe_reads_sites_where_they_differ() -> None:
    found = {one.axis: one.balanced_accuracy for one in read_sites(sites()[:2], n_patients=4, arms=["all"])}

    assert found["all"] > 0.8
    assert np.isfinite(features(np.zeros((64, 64), np.float32))).all()


def test_a_contact_sheet_shows_each_patient_in_one_pose_at_each_site() -> None:
    rows = sheet_rows(sites()[:2])

    assert [(line[0].label, line[0].view) for line in rows][:2] == [("AFF_complete", "AP"), ("AFF_complete", "lateral")]
    assert all(len({(row.patient, row.pose, row.view, row.side) for row in line}) == 1 for line in rows)
    assert contact_sheet(sites()[:1], width=32).width > 32
    assert np.ptp(np.asarray(every_site_sheet(sites()[:1], "AFF_incomplete", width=32))[22:, :32]) > 100

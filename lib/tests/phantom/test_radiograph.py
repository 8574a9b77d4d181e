"""Sites, noise, and files: each transfer syntax gives back what went in."""

from dataclasses import replace

import numpy as np
import pytest

from osteon.imaging.dicom import decode, read_dataset, read_image
from osteon.phantom.encoding import encoded
from osteon.phantom.projection import Thickness
from osteon.phantom.shaft.radiograph import Case, chest_radiograph, femur_radiograph
from osteon.phantom.shaft.scanner import SITES, Site
from osteon.phantom.shaft.xray import Beam, Detector, expose, transmission

CASE = Case(0, "demo", 5, "atypical")
PITCH_MM = 0.8


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_the_same_seed_gives_the_same_image(site: Site) -> None:
    one, two = (femur_radiograph(CASE, site, pitch_mm=PITCH_MM) for _ in range(2))

    assert one == two


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_each_transfer_syntax_decodes_to_the_pixels_that_went_in(site: Site) -> None:
    dataset = femur_radiograph(CASE, site, pitch_mm=PITCH_MM)
    source = dataset.pixel_array.copy()

    read = read_dataset(encoded(dataset, site.transfer_syntax))

    assert read.file_meta.TransferSyntaxUID == site.transfer_syntax
    np.testing.assert_array_equal(decode(read), source)


def test_sites_differ_in_all_that_the_path_has_to_bear() -> None:
    assert {site.photometric for site in SITES} == {"MONOCHROME1", "MONOCHROME2"}
    assert {site.bits_stored for site in SITES} >= {10, 12, 16}
    assert len({site.transfer_syntax for site in SITES}) == 5
    assert len({site.pitch_mm for site in SITES}) == len(SITES)
    pixels = [np.prod(site.shape) for site in SITES]
    assert min(pixels) < 1.2e6
    assert max(pixels) > 8e6


def test_the_same_leg_looks_different_at_each_site_and_is_bone_bright_at_all() -> None:
    histograms = []
    for site in SITES:
        pixels = read_image(femur_radiograph(CASE, replace(site, is_crosswise=False), pitch_mm=PITCH_MM)).pixels
        pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min())
        middle = pixels[pixels.shape[0] // 4 : -pixels.shape[0] // 4]
        assert np.median(middle.max(axis=1)) > np.median(middle) + 0.05
        histograms.append(np.percentile(pixels, np.arange(5, 100, 5)))

    distances = [np.abs(a - b).max() for n, a in enumerate(histograms) for b in histograms[:n]]
    assert min(distances) > 0.03


def test_transmission_follows_the_law_of_beer_and_lambert() -> None:
    nothing = np.zeros((1, 1), dtype=np.float32)
    muscle = Thickness(nothing, nothing, nothing + 100, nothing, nothing, 1.0)

    passed = transmission(muscle, Beam((0.0, 1.0, 0.0)))

    assert passed[0, 0] == pytest.approx(np.exp(-0.2048 * 1.05 * 10), rel=1e-4)  # 10 cm of muscle at 60 keV


def test_noise_falls_with_the_square_root_of_the_dose() -> None:
    flat = np.full((200, 200), 150, dtype=np.float32)
    flat[:, :60] = 0  # air
    thickness = Thickness(0 * flat, 0 * flat, flat, 0 * flat, 0 * flat, 1.0)
    beam = Beam((0.4, 0.4, 0.2))

    def relative_noise(dose_ugy: float) -> float:
        detector = Detector(dose_ugy, 0.6, 0.0, 0.0)
        signal = expose(thickness, beam, detector, (200, 200), np.random.default_rng(0))[:, 80:]
        return float(signal.std() / signal.mean())

    expected = 1 / np.sqrt(2.0 * 0.6 * 30174.0)  # photons on a square millimetre
    assert relative_noise(2.0) == pytest.approx(expected, rel=0.05)
    assert relative_noise(8.0) == pytest.approx(expected / 2, rel=0.05)


def test_a_chest_says_that_it_is_one() -> None:
    dataset = chest_radiograph(CASE, replace(SITES[3], pitch_mm=1.0))

    assert dataset.BodyPartExamined == "CHEST"
    assert read_image(dataset).pixels.std() > 0

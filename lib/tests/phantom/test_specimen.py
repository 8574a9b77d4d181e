"""One radiograph, asked for by patient and site."""

import numpy as np
import pytest

from osteon.imaging.dicom import read_image
from osteon.imaging.geometry import Geometry, to_reference
from osteon.phantom.population import View
from osteon.phantom.specimen import DEMO_SITES, chest, specimen


@pytest.mark.parametrize("view", ["AP", "lateral"])
def test_a_coarser_radiograph_shows_the_same_field_of_the_same_patient(view: View) -> None:
    grid = Geometry(4.0, 60, 40)

    asked = ((6, 0.5), (6, 1.0), (7, 1.0))
    fine, coarse, other = (read_image(specimen(n, view=view, pitch_mm=pitch).dataset) for n, pitch in asked)

    assert fine.size_mm == pytest.approx(coarse.size_mm, abs=1)
    seen = [to_reference(image, grid).pixels.ravel() for image in (fine, coarse, other)]
    _, to_same, to_other = np.corrcoef(seen)[0]
    assert to_other < 0.85 < 0.95 < to_same


def test_the_same_leg_looks_different_at_each_site_of_the_demonstration() -> None:
    histograms = []
    for site in range(DEMO_SITES):
        pixels = read_image(specimen(5, site).dataset).pixels
        pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min())
        histograms.append(np.percentile(pixels, np.arange(5, 100, 5)))

    distances = [np.abs(a - b).max() for n, a in enumerate(histograms) for b in histograms[:n]]
    assert min(distances) > 0.03


def test_a_chest_says_that_it_is_one() -> None:
    dataset = chest(5, 3)

    assert dataset.BodyPartExamined == "CHEST"
    assert read_image(dataset).pixels.std() > 0

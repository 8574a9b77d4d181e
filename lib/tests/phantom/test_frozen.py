"""phantom-1 is frozen: whatever changes its images is another cohort and gets another name.

`phantom-1.json` beside this file holds what a few crops came to when it was frozen. Processors of other kinds round
otherwise, so that bytes are compared on one kind alone, and everywhere what rounding can't move.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
import pytest
import scipy
from scipy.ndimage import gaussian_filter

from osteon.phantom.make import Design, plan_of, processor
from osteon.phantom.presets import NAME
from osteon.phantom.render import Rendered, render
from osteon.phantom.sites import Site, sites

FROZEN = json.loads((Path(__file__).parent / "phantom-1.json").read_text())
TISSUES = ("cortex_mm", "spongy_mm", "muscle_mm", "fat_mm", "metal_mm")


def machinery() -> dict[str, Any]:
    """What bytes may depend on."""
    return {**processor(), "numpy": np.__version__, "scipy": scipy.__version__, "pillow": PIL.__version__}


def described(made: Rendered) -> dict[str, Any]:
    """What `phantom-1.json` holds of a row."""
    top = 2**made.stored.scanner.geometry.bits_stored - 1
    return {
        "case": made.row.case_id,
        "site": made.row.site,
        "label": made.row.label,
        "adjudicated": made.patient.adjudicated,
        "mean_mm": [round(float(getattr(made.projection.thickness, name).mean()), 4) for name in TISSUES],
        "detail": [round(_detail(made.stored.pixels / top, reach), 6) for reach in (1, 4)],
        "tones": [round(float(one) / top, 4) for one in np.percentile(made.stored.pixels, (5, 25, 50, 75, 95))],
        "sha256": hashlib.sha256(made.stored.pixels.tobytes()).hexdigest(),
    }


def _detail(tone: npt.NDArray[np.float64], reach: int) -> float:
    """The spread of what lies between two blurs, an octave apart: of noise and sharp edges, or of broader forms."""
    return float(np.std(gaussian_filter(tone, reach) - gaussian_filter(tone, 2 * reach)))


def leaves(value: object) -> Iterator[object]:
    """What a nest of dictionaries and sequences holds, in its order."""
    if isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from leaves(one)
    else:
        yield value


def equipped(site: Site) -> dict[str, Any]:
    """What `phantom-1.json` holds of a site: its words by their digest, its numbers weighted by their places."""
    held = list(leaves(asdict(site)))
    words = [str(one) for one in held if not isinstance(one, float)]
    numbers = [place * one for place, one in enumerate(held, start=1) if isinstance(one, float)]
    return {"words": hashlib.sha256("|".join(words).encode()).hexdigest()[:16], "numbers": round(sum(numbers), 4)}


def test_the_frozen_cohort_goes_by_its_name() -> None:
    assert NAME == FROZEN["name"] == Design().made_as
    assert Design().digest == FROZEN["design_sha256"]


def test_each_site_has_the_rooms_and_equipment_that_it_had() -> None:
    found, frozen = {site.name: equipped(site) for site in sites()}, FROZEN["sites"]

    assert found.keys() == frozen.keys()
    assert [name for name in found if found[name]["words"] != frozen[name]["words"]] == []
    numbers = [pytest.approx(frozen[name]["numbers"], rel=0, abs=1e-3) for name in found]
    assert [one["numbers"] for one in found.values()] == numbers


@pytest.mark.parametrize("frozen", FROZEN["rows"], ids=lambda one: one["case"])
def test_a_frozen_image_is_what_it_was(frozen: dict[str, Any]) -> None:
    found = described(render(plan_of(Design())[frozen["number"]], "crop"))

    for name in ("case", "site", "label", "adjudicated"):
        assert found[name] == frozen[name]
    assert found["mean_mm"] == pytest.approx(frozen["mean_mm"], rel=1e-3, abs=1e-3)
    assert found["detail"] == pytest.approx(frozen["detail"], rel=1e-2)
    assert found["tones"] == pytest.approx(frozen["tones"], abs=4e-3)
    if machinery() == FROZEN["machinery"]:
        assert found["sha256"] == frozen["sha256"]

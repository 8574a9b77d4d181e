"""72 sites: what differs between them, each axis by its knob, and that exposures repeat."""

import shutil
import subprocess
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from osteon.imaging.dicom import decode, read_dataset
from osteon.phantom.encoding import encoded
from osteon.phantom.exposure import Stored, expose, field_of, reference_image
from osteon.phantom.families import OUTSIDE
from osteon.phantom.patient import draw_patient
from osteon.phantom.projection import Pose, Thickness, project
from osteon.phantom.radiograph import Exam, radiograph
from osteon.phantom.scanner import AXES, REFERENCE, Knobs, turned
from osteon.phantom.seeds import generator
from osteon.phantom.sites import N_SITES, Site, sites

SITES = sites()
SOME = (*SITES[:6], next(site for site in SITES if site.is_outside))


def thickness_for(site: Site, view: str = "AP") -> Thickness:
    patient = draw_patient(0, "test", 3, "AFF_complete")
    field_mm, spacing_mm = field_of(site.scanner(0, None, view), is_crop=True)
    return project(patient, "AP", Pose(0.0, 0.0, 0.02, 0.0), field_mm, spacing_mm).thickness


def exposure(site: Site, seed: int = 0, knobs: Knobs | None = None) -> Stored:
    return expose(thickness_for(site), site, 0, np.random.default_rng(seed), is_crop=True, knobs=knobs)


def test_there_are_72_sites_with_a_long_tail() -> None:
    shares = sorted((site.share for site in SITES), reverse=True)

    assert len({site.name for site in SITES}) == N_SITES
    assert sum(shares) == pytest.approx(1)
    assert sum(shares[:18]) > 0.5  # a quarter of the hospitals sees more than half of the patients
    assert shares[-1] < 0.003


def test_sites_differ_in_all_that_a_path_has_to_bear() -> None:
    scanners = [one.ap for site in SITES for room in site.rooms for one in room.equipment]
    geometries = [scanner.geometry for scanner in scanners]
    megapixels = [geometry.shape[0] * geometry.shape[1] / 1e6 for geometry in geometries]

    assert {geometry.photometric for geometry in geometries} == {"MONOCHROME1", "MONOCHROME2"}
    assert {scanner.modality for scanner in scanners} == {"DX", "CR"}
    assert {geometry.bits_stored for geometry in geometries} == {10, 12, 14, 15, 16}
    assert len({geometry.transfer_syntax for geometry in geometries}) == 5
    assert min(megapixels) < 2
    assert 10 < max(megapixels) <= 15.5
    assert len({scanner.family for scanner in scanners} - {OUTSIDE}) == 5
    assert sum(site.is_outside for site in SITES) == 5
    assert 8 <= sum(bool(site.changes) for site in SITES) <= 30


def test_the_first_six_are_the_same_whatever_the_seed() -> None:
    assert [site.scanner() for site in sites(1)[:6]] == [site.scanner() for site in SITES[:6]]
    assert sites(1)[6:] != SITES[6:]


def test_no_site_is_drawn_from_the_numbers_that_all_sites_share(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[object, ...]] = []

    def noted(*words: int | str) -> np.random.Generator:
        drawn.append(words)
        return generator(*words)  # type: ignore[arg-type]

    monkeypatch.setattr("osteon.phantom.sites.generator", noted)
    sites.__wrapped__(4)

    assert len(set(drawn)) == len(drawn) == 1 + N_SITES + 6
    assert {purpose for _, purpose, *_ in drawn} == {"sites", "first-sites"}


def test_a_site_has_new_equipment_from_its_day_on() -> None:
    site = next(site for site in SITES if site.changes)
    day = site.changes[0]

    before, after = site.scanner(0, day - timedelta(days=1)), site.scanner(0, day)

    assert before == site.scanner(0)
    assert after != before
    assert after.modality == "DX"


@pytest.mark.parametrize("axis", AXES)
def test_a_knob_moves_its_axis_alone_from_the_reference_to_the_site_and_beyond(axis: str) -> None:
    scanner = SOME[-1].scanner()

    at_reference, at_site, beyond = (turned(scanner, {axis: knob}) for knob in (0.0, 1.0, 2.0))

    assert getattr(at_reference, axis) == getattr(REFERENCE, axis)
    for one in fields(getattr(scanner, axis)):
        own, got = getattr(getattr(scanner, axis), one.name), getattr(getattr(at_site, axis), one.name)
        assert got == (pytest.approx(own) if isinstance(own, float) else own)
    assert getattr(beyond, axis) != getattr(at_site, axis)
    assert all(getattr(beyond, other) == getattr(scanner, other) for other in AXES if other != axis)


@pytest.mark.parametrize("axis", [axis for axis in AXES if axis != "geometry"])
def test_each_axis_alone_changes_the_image(axis: str) -> None:
    site = SITES[11]  # it differs on each

    own, without = exposure(site), exposure(site, 0, {axis: 0.0})

    assert own.pixels.shape == without.pixels.shape
    assert np.mean(own.pixels != without.pixels) > 0.2


def test_a_knob_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="a knob is one of"):
        turned(REFERENCE, {"colour": 1.0})


def test_the_same_random_numbers_give_the_same_exposure_and_others_another() -> None:
    one, same, other = exposure(SITES[0], 5), exposure(SITES[0], 5), exposure(SITES[0], 6)

    np.testing.assert_array_equal(one.pixels, same.pixels)
    assert np.mean(one.pixels != other.pixels) > 0.5


def test_the_reference_image_is_bright_in_bone_and_without_noise() -> None:
    thickness = thickness_for(SITES[0])

    image = reference_image(thickness, (256, 256))

    assert image.shape == (256, 256)
    bone = np.asarray(thickness.cortex_mm[::2, ::2] > 12)
    soft = np.asarray((thickness.cortex_mm + thickness.spongy_mm)[::2, ::2] == 0)
    assert image[bone].mean() > image[soft].max()
    np.testing.assert_array_equal(image, reference_image(thickness, (256, 256)))


@pytest.mark.parametrize("site", SOME, ids=lambda site: site.name)
@pytest.mark.parametrize("view", ["AP", "lateral"])
def test_files_conform_and_decode_to_the_pixels_that_went_in(site: Site, view: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    stored = expose(thickness_for(site, view), site, 0, rng, view=view, is_crop=True, letter="L")
    dataset = radiograph(stored, site, 0, Exam("TEST-1", date(2014, 5, 6), view=view, side="L"))

    content = encoded(dataset, stored.scanner.geometry.transfer_syntax)

    np.testing.assert_array_equal(decode(read_dataset(content)), stored.pixels)
    assert stored.pixels.shape == (512, 512)
    assert read_dataset(content).ImagerPixelSpacing == [0.4, 0.4]
    assert complaints(content, tmp_path) == []


def complaints(content: bytes, folder: Path) -> list[str]:
    """What dciodvfy calls an error."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed: apt-get install dicom3tools")
    path = folder / "image.dcm"
    path.write_bytes(content)
    told = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    return [line for line in (told.stdout + told.stderr).splitlines() if line.startswith("Error")]

"""The demo cohort as a folder of files."""

from collections import Counter
from pathlib import Path

import pytest

from osteon.contracts import REASONS
from osteon.errors import SetAside
from osteon.imaging.dicom import read_dataset, read_image
from osteon.phantom.cohort import N_SPECIAL, Manifest, demo_cohort, read_manifest
from osteon.phantom.sites import sites
from osteon.phantom.specimen import DEMO_SITES

N_IMAGES = N_SPECIAL + DEMO_SITES


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("cohort")
    return folder, demo_cohort(folder, n_images=N_IMAGES, seed=3)


def test_every_file_of_the_manifest_is_there_and_no_other(cohort: tuple[Path, Manifest]) -> None:
    folder, manifest = cohort

    assert {path.name for path in folder.iterdir()} == {file.path for file in manifest.files} | {"manifest.json"}
    assert len(manifest.files) == N_IMAGES
    assert read_manifest(folder) == manifest


def test_all_sites_doors_and_labels_occur(cohort: tuple[Path, Manifest]) -> None:
    sound = [file for file in cohort[1].files if file.outcome == "classified"]

    assert {file.site for file in sound} == {site.name for site in sites()[:DEMO_SITES]}
    assert Counter(file.door for file in sound) == {"dimse": 3, "stow": 3}
    assert {file.label for file in sound} == {"AFF_complete", "AFF_incomplete", "typical_fracture"}


def test_planted_identifiers_stand_in_the_files(cohort: tuple[Path, Manifest]) -> None:
    folder, manifest = cohort

    for file in manifest.files:
        content = (folder / file.path).read_bytes()
        assert file.planted
        for planted in file.planted:
            assert planted.encode() in content, (file.path, planted)
    assert any("PLANTEDNAME" in planted for file in manifest.files for planted in file.planted)


def test_a_sound_file_can_be_read_and_a_broken_one_gives_its_reason(cohort: tuple[Path, Manifest]) -> None:
    folder, manifest = cohort

    for file in manifest.files:
        content = (folder / file.path).read_bytes()
        reason = file.outcome.removeprefix("set-aside:") if ":" in file.outcome else ""
        if reason in ("truncated", "no-pixels", "no-spacing"):
            with pytest.raises(SetAside) as raised:
                read_image(content)
            assert raised.value.reason == reason
        else:
            assert min(read_image(content).pixels.shape) > 500
        assert not reason or reason in REASONS


def test_duplicate_and_conflict_share_the_uid_of_the_first_and_only_one_its_bytes(
    cohort: tuple[Path, Manifest],
) -> None:
    folder, manifest = cohort
    first = (folder / manifest.files[0].path).read_bytes()

    duplicate, conflict = ((folder / name).read_bytes() for name in ("duplicate.dcm", "conflict.dcm"))

    assert duplicate == first
    assert conflict != first
    assert read_dataset(conflict).SOPInstanceUID == read_dataset(first).SOPInstanceUID
    assert {file.wave for file in manifest.files if file.path in ("duplicate.dcm", "conflict.dcm")} == {2}


def test_a_cohort_too_small_for_its_special_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 12"):
        demo_cohort(tmp_path, n_images=8)

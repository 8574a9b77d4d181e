"""Readers of published data sets, on small copies of their documented layouts."""

from pathlib import Path

import pytest

from osteon.cohort.measure import file_bytes, measured
from osteon.cohort.readers import read_data_set, recognized
from osteon.cohort.split import Unsplittable, hold_out

from .written import column, kinds, picture, sheet, volume, write_csv


@pytest.fixture
def mura(tmp_path: Path) -> Path:
    root = tmp_path / "MURA-v1.1"
    studies = {
        "train/XR_WRIST/patient00001/study1_positive": 2,
        "train/XR_WRIST/patient00002/study1_negative": 1,
        "valid/XR_HAND/patient11185/study1_negative": 1,
    }
    for part in ("train", "valid"):
        own = {study: n for study, n in studies.items() if study.startswith(part)}
        paths = [f"{study}/image{n + 1}.png" for study, n_images in own.items() for n in range(n_images)]
        for number, path in enumerate(paths):
            picture(root / path, number + 10 * (part == "valid"))
        write_csv(root / f"{part}_image_paths.csv", *((f"MURA-v1.1/{path}",) for path in paths))
        labels = ((f"MURA-v1.1/{study}/", int(study.endswith("positive"))) for study in own)
        write_csv(root / f"{part}_labeled_studies.csv", *labels)
    (root / "train/XR_WRIST/patient00001/study1_positive/._image1.png").write_bytes(b"macOS")
    return tmp_path


def test_mura_is_read_with_its_studies_labels_and_parts(mura: Path) -> None:
    assert recognized(mura) == "mura"

    found = read_data_set(mura)

    assert found.problems == []
    assert column(found, "label") == ["positive", "positive", "negative", "negative"]
    assert column(found, "body_part") == ["WRIST", "WRIST", "WRIST", "HAND"]
    assert column(found, "fold") == ["train", "train", "train", "valid"]
    assert found.table["study"].n_unique() == 3
    assert found.table["site"].null_count() == 4
    assert found.description.site_is == ""
    table, problems = measured(found.table, file_bytes(found.folder))
    assert problems == []
    assert set(table["height"]) == {8}


def test_what_is_wrong_with_a_copy_of_mura_is_all_told_with_its_line(mura: Path) -> None:
    root = mura / "MURA-v1.1"
    (root / "valid/XR_HAND/patient11185/study1_negative/image1.png").unlink()
    picture(root / "train/XR_HAND/patient00009/study1_negative/image1.png")
    write_csv(root / "train_labeled_studies.csv", ("MURA-v1.1/train/XR_WRIST/patient00002/study1_negative/", 1))

    found = read_data_set(mura, "mura")

    assert kinds(found) == [
        ("contradiction", "train_image_paths.csv", 3),
        ("missing", "valid_image_paths.csv", 1),
        ("not-listed", "train/XR_HAND/patient00009/study1_negative/image1.png", 0),
    ]
    assert len(found.table) == 4


@pytest.mark.parametrize("folder", ["Non_fractured", "Non-fractured"])
def test_fracatlas_is_read_by_image_since_it_names_no_patient(tmp_path: Path, folder: str) -> None:
    root = tmp_path / "FracAtlas"
    picture(root / "images/Fractured/IMG0000001.jpg")
    picture(root / f"images/{folder}/IMG0000002.jpg")
    picture(root / f"images/{folder}/IMG0000003.jpg")
    names = "image_id hand leg hip shoulder mixed hardware multiscan fractured fracture_count frontal lateral oblique"
    write_csv(
        root / "dataset.csv",
        tuple(names.split()),
        ("IMG0000001.jpg", 0, 1, 0, 0, 0, 1, 0, 1, 1, 1, 0, 0),
        ("IMG0000002.jpg", 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0),
        ("IMG0000003.jpg", 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 0),
    )
    write_csv(root / "Utilities/Fracture Split/train.csv", ("image_id",), ("IMG0000001.jpg",))

    found = read_data_set(tmp_path)

    assert found.description.patient_is == "image"
    assert column(found, "label") == ["fractured", "non_fractured", "fractured"]
    assert column(found, "body_part") == ["LEG", "HIP", "HAND"]
    assert column(found, "view") == ["AP", "other", "lateral"]
    assert column(found, "hardware") == [True, False, False]
    assert column(found, "fold") == ["train", None, None]
    assert kinds(found) == [("contradiction", "dataset.csv", 4)]


def test_grazpedwri_takes_the_maker_for_the_site(tmp_path: Path) -> None:
    names = (
        "filestem patient_id study_number timehash gender age laterality projection initial_exam ao_classification "
        "cast diagnosis_uncertain osteopenia fracture_visible metal "
        "pixel_spacing device_manufacturer"
    )
    write_csv(
        tmp_path / "dataset.csv",
        tuple(names.split()),
        ("0001_1", 1, 1, 17, "M", 9.5, "R", 1, 1.0, "23r-M/2.1", "", "", "", 1.0, "", 0.144, "Siemens"),
        ("0001_2", 1, 1, 17, "M", 9.5, "R", 2, 1.0, "", "", "", "", "", 1.0, 0.144, "Siemens"),
        ("0002_1", 2, 1, 18, "F", 4.0, "L", 3, "", "", "", "", "", 1.0, "", "", "Agfa"),
    )
    picture(tmp_path / "images_part1/0001_1.png", bits=16)
    picture(tmp_path / "images_part2/0001_2.png", 1, bits=16)

    found = read_data_set(tmp_path)

    assert column(found, "site") == ["Siemens", "Siemens", "Agfa"]
    assert column(found, "label") == ["fracture", "no_fracture", "fracture"]
    assert column(found, "view") == ["AP", "lateral", "oblique"]
    assert column(found, "spacing_y_mm") == [0.144, 0.144, None]
    assert column(found, "hardware") == [False, True, False]
    assert kinds(found) == [("missing", "dataset.csv", 4)]


def test_brats_has_no_site_until_fets_tells_the_institutions(tmp_path: Path) -> None:
    for subject in ("FeTS2022_00001", "FeTS2022_00002"):
        for sequence in ("flair", "t1", "t1ce", "t2", "seg"):
            volume(tmp_path / subject / f"{subject}_{sequence}.nii.gz", ord(sequence[-1]))
    (tmp_path / "FeTS2022_00002/FeTS2022_00002_flair.nii.gz").unlink()

    without = read_data_set(tmp_path)

    assert without.description.site_is == ""
    with pytest.raises(Unsplittable, match="2 of 2 cases have no site"):
        hold_out(without.table, "site")
    assert kinds(without) == [("missing", "FeTS2022_00002", 0)]

    write_csv(tmp_path / "partitioning_1.csv", ("Partition_ID", "Subject_ID"), (3, "FeTS2022_00001"))
    found = read_data_set(tmp_path)
    assert column(found, "site") == ["institution-3", None]
    assert column(found, "path_seg")[0] == "FeTS2022_00001/FeTS2022_00001_seg.nii.gz"
    assert ("no-site", "partitioning_1.csv", 0) in kinds(found)
    table, _ = measured(found.table, file_bytes(tmp_path))
    assert table.select("depth", "height", "width", "spacing_z_mm", "spacing_y_mm").row(0) == (6, 5, 4, 2.0, 1.5)


def test_visits_of_a_newer_brats_subject_are_one_patient(tmp_path: Path) -> None:
    for visit in ("BraTS-GLI-00005-000", "BraTS-GLI-00005-001"):
        for sequence in ("t1n", "t1c", "t2w", "t2f"):
            volume(tmp_path / visit / f"{visit}-{sequence}.nii.gz")

    found = read_data_set(tmp_path)

    assert column(found, "patient") == ["BraTS-GLI-00005"] * 2
    assert found.problems == []


def test_mama_mia_takes_data_set_and_scanner_where_no_site_is_told(tmp_path: Path) -> None:
    for patient in ("DUKE_001", "NACT_01", "ISPY2_7"):
        for phase in range(2):
            volume(tmp_path / f"images/{patient}/{patient.lower()}_000{phase}.nii.gz", phase)
    volume(tmp_path / "segmentations/expert/duke_001.nii.gz")
    sheet(
        tmp_path / "clinical_and_imaging_info.xlsx",
        "dataset_info",
        ("patient_id", "dataset", "pcr", "age", "site", "manufacturer", "scanner_model", "field_strength"),
        ("DUKE_001", "DUKE", 1, 47, None, "SIEMENS", "Avanto  ", 1.5),
        ("NACT_01", "NACT", None, 50, "Site AAI", "GE", "SIGNA", 1.5),
        ("ISPY1_1", "ISPY1", 0, 61, None, "GE", "SIGNA", 1.5),
    )
    write_csv(tmp_path / "train_test_splits.csv", ("train_split", "test_split"), ("DUKE_001", "NACT_01"))

    found = read_data_set(tmp_path)

    assert column(found, "site") == ["DUKE Avanto", "Site AAI"]
    assert column(found, "label") == ["pCR", None]
    assert column(found, "fold") == ["train", "test"]
    assert column(found, "path_seg") == ["segmentations/expert/duke_001.nii.gz", None]
    assert kinds(found) == [
        ("missing", "clinical_and_imaging_info.xlsx", 4),
        ("not-listed", "images/ISPY2_7/ispy2_7_0000.nii.gz", 0),
    ]

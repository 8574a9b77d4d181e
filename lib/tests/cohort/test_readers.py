"""Readers, on small copies of the documented layouts and on real images."""

import csv
import gzip
from pathlib import Path

import nibabel
import numpy as np
import openpyxl
import PIL.Image
import polars as pl
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from osteon.cohort.measure import file_bytes, measured
from osteon.cohort.readers import Found, NotThisDataSet, read_data_set, recognized
from osteon.cohort.split import Unsplittable, hold_out, k_fold
from osteon.cohort.table import violations
from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import specimen

REAL = Path(__file__).parents[4] / "shared" / "data"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="no real images beside the repository: ../shared/data")


def picture(path: Path, value: int = 0, *, bits: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.arange(value, value + 48).reshape(8, 6)
    PIL.Image.fromarray(pixels.astype(np.uint16 if bits == 16 else np.uint8)).save(path)


def volume(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.full((4, 5, 6), value, np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1.0, 1.5, 2.0, 1])), path)  # type: ignore[no-untyped-call]


def write_csv(path: Path, *rows: tuple[object, ...], separator: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)


def sheet(path: Path, title: str, *rows: tuple[object, ...]) -> None:
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    book.save(path)


def column(found: Found, name: str) -> list[object]:
    return found.table.sort("case")[name].to_list()


def kinds(found: Found) -> list[tuple[str, str, int]]:
    return sorted((problem.kind, problem.where, problem.line) for problem in found.problems)


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


def test_a_folder_of_nifti_files_takes_sites_from_the_table_of_subjects(tmp_path: Path) -> None:
    volume(tmp_path / "sub-01/anat/sub-01_T1w.nii.gz")
    volume(tmp_path / "sub-01/anat/sub-01_T1w_seg-manual.nii.gz")
    volume(tmp_path / "sub-010/anat/sub-010_T1w.nii.gz", 1)
    rows = [("participant_id", "site", "age"), ("sub-01", "Uppsala", 44), ("sub-02", "Lund", 50)]
    write_csv(tmp_path / "participants.tsv", *rows, separator="\t")

    found = read_data_set(tmp_path)

    assert column(found, "path") == ["sub-01/anat/sub-01_T1w.nii.gz"]
    assert column(found, "site") == ["Uppsala"]
    assert kinds(found) == [("missing", "participants.tsv", 3), ("not-listed", "sub-010/anat/sub-010_T1w.nii.gz", 0)]


def test_masks_in_folders_of_their_own_are_no_cases(tmp_path: Path) -> None:
    for place in ("imagesTr", "labelsTr", "masks"):
        volume(tmp_path / f"{place}/X.nii.gz")
    write_csv(tmp_path / "participants.tsv", ("participant_id", "site"), ("X", "Lund"), separator="\t")

    found = read_data_set(tmp_path)

    assert column(found, "path") == ["imagesTr/X.nii.gz"]
    assert kinds(found) == []


def test_a_manifest_is_understood_by_the_names_of_its_columns(tmp_path: Path) -> None:
    picture(tmp_path / "a/one.png")
    picture(tmp_path / "b/two.png", 1)
    (tmp_path / "manifest.csv").write_bytes(
        "image_path;Patient_ID;Klinik;Diagnos;Sida;Projektion;pixel_spacing\n"
        "one.png;007;Örebro;cAFF;höger;frontal;0,14\n"
        "b/two.png;008;Malmö;TFF;vänster;sidobild;0,2\n"
        "three.png;009;Malmö;TFF;vänster;lat;0,2\n".encode("latin-1")
    )

    found = read_data_set(tmp_path)

    row = found.table.row(0, named=True)
    assert (row["path"], row["patient"], row["site"], row["label"]) == ("a/one.png", "007", "Örebro", "AFF_complete")
    assert (row["side"], row["view"], row["spacing_y_mm"], row["spacing_x_mm"]) == ("R", "AP", 0.14, 0.14)
    assert kinds(found) == [("missing", "manifest.csv", 4)]
    assert "semicolons, Latin-1, decimal comma" in found.description.source


def test_a_folder_that_no_reader_knows_says_what_to_do(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")

    with pytest.raises(NotThisDataSet, match="--reader"):
        read_data_set(tmp_path)
    with pytest.raises(NotThisDataSet, match="there is no reader mora"):
        read_data_set(tmp_path, "mora")


def test_damaged_and_boastful_files_become_problems_and_the_others_are_read(tmp_path: Path) -> None:
    picture(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) * 2 // 3])
    boast = whole[:16] + (60000).to_bytes(4, "big") * 2 + whole[24:]
    (tmp_path / "boast.png").write_bytes(boast)
    (tmp_path / "text.jpg").write_text("no picture")
    volume(tmp_path / "good.nii.gz")
    header = bytearray(gzip.decompress((tmp_path / "good.nii.gz").read_bytes()))
    header[42:48] = (30000).to_bytes(2, "little") * 3  # dim[1..3] of NIfTI-1
    (tmp_path / "boast.nii.gz").write_bytes(gzip.compress(bytes(header)))
    names = ["good.png", "cut.png", "boast.png", "text.jpg", "gone.png", "boast.nii.gz", "good.nii.gz"]
    table = pl.DataFrame({"case": names, "patient": names, "path": names})

    table, problems = measured(table, file_bytes(tmp_path))

    assert [problem.where for problem in problems] == names[1:-1]
    assert [problem.kind for problem in problems] == ["unreadable"] * 3 + ["missing", "unreadable"]
    assert table["width"].to_list() == [6, None, None, None, None, None, 4]


def test_dicom_files_are_matched_by_file_name_before_patient_and_what_differs_for_a_patient_is_left_out(
    tmp_path: Path,
) -> None:
    for number in range(3):
        dataset = specimen(number // 2, image=number, purpose="test", pitch_mm=2.0).dataset
        (tmp_path / f"{number}.dcm").write_bytes(encoded(dataset, ExplicitVRLittleEndian))
    rows = [("elsewhere/0.dcm", "test-0-000000", "TFF", "Lund"), ("elsewhere/1.dcm", "test-0-000000", "cAFF", "Lund")]
    write_csv(tmp_path / "by_file.csv", ("file", "patient_id", "label", "klinik"), *rows)
    write_csv(tmp_path / "by_patient.csv", ("patient_id", "label", "klinik"), *(row[1:] for row in rows))

    by_file = read_data_set(tmp_path, "dicom", tmp_path / "by_file.csv")
    by_patient = read_data_set(tmp_path, "dicom", tmp_path / "by_patient.csv")

    assert column(by_file, "label") == ["typical_fracture", "AFF_complete", None]
    assert kinds(by_file) == [("not-listed", "2.dcm", 0)]
    assert column(by_patient, "label") == [None] * 3
    assert column(by_patient, "site")[:2] == ["Lund"] * 2
    assert ("twice", "by_patient.csv", 3) in kinds(by_patient)


def headers_of(folder: Path, *patients: str | None) -> None:
    """DICOM files 1, 2, … of these patients; None is a file without a PatientID."""
    for number, patient in enumerate(patients, 1):
        dataset = specimen(number, image=number, purpose="test", pitch_mm=2.0).dataset
        dataset.PatientID = patient or ""
        (folder / str(number)).write_bytes(encoded(dataset, ExplicitVRLittleEndian))


def test_a_column_of_numbers_is_not_taken_for_file_names(tmp_path: Path) -> None:
    headers_of(tmp_path, "H1", "H2", "H3")
    rows = [("H1", "TFF", 3), ("H2", "cAFF", 0), ("H3", "TFF", 1)]
    write_csv(tmp_path / "t.csv", ("PatientID", "label", "parity"), *rows)

    found = read_data_set(tmp_path, "dicom", tmp_path / "t.csv")

    assert column(found, "patient") == ["H1", "H2", "H3"]
    assert column(found, "label") == ["typical_fracture", "AFF_complete", "typical_fracture"]
    assert kinds(found) == []


def test_a_table_that_fits_few_lines_and_files_is_refused_and_one_that_merges_patients_is_told(tmp_path: Path) -> None:
    headers_of(tmp_path, "H1", "H2", "H3")
    write_csv(tmp_path / "few.csv", ("PatientID", "label"), *((f"H{n}", "TFF") for n in range(3, 10)))
    write_csv(tmp_path / "merged.csv", ("file", "patient"), (1, "A"), (2, "A"), (3, "B"))
    write_csv(tmp_path / "renamed.csv", ("file", "patient"), (1, "A"), (2, "C"), (3, "B"))

    merged = read_data_set(tmp_path, "dicom", tmp_path / "merged.csv")
    renamed = read_data_set(tmp_path, "dicom", tmp_path / "renamed.csv")

    assert [kind for kind in kinds(merged) if kind[0] == "contradiction"] == [
        ("contradiction", "1", 0),
        ("contradiction", "2", 0),
    ]
    assert ("not-checked", "renamed.csv", 0) in kinds(renamed)
    with pytest.raises(NotThisDataSet, match="fits half of its lines"):
        read_data_set(tmp_path, "dicom", tmp_path / "few.csv")


def test_images_without_a_patient_are_told_and_where_all_lack_one_splits_are_by_image(tmp_path: Path) -> None:
    for name, patients in (("some", ("H1", None)), ("none", (None, None))):
        (tmp_path / name).mkdir()
        headers_of(tmp_path / name, *patients)
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png", 1)
    write_csv(tmp_path / "some.csv", ("file", "patient"), ("a.png", "p"), ("b.png", ""))
    write_csv(tmp_path / "none.csv", ("file", "patient", "label"), ("a.png", "", "x"), ("b.png", "", "y"))

    some, none = (read_data_set(tmp_path / name, "dicom") for name in ("some", "none"))
    some_lines, no_lines = (read_data_set(tmp_path, "manifest", tmp_path / f"{name}.csv") for name in ("some", "none"))

    assert ("no-patient", "2", 0) in kinds(some)
    assert some.description.patient_is == "patient"
    assert none.description.patient_is == "image"
    assert kinds(some_lines) == [("no-patient", "some.csv", 3)]
    assert no_lines.description.patient_is == "image"


@needs_real
def test_real_dicom_files_are_read_and_what_is_broken_is_told_not_raised() -> None:
    found = read_data_set(REAL / "dicom", "dicom")

    assert len(found.table) > 20
    assert len(found.problems) > 20
    assert list(violations(found.table, found.description)) == []
    assert "CR" in set(found.table["modality"])


@needs_real
def test_real_chest_radiographs_are_read_by_their_table_with_their_sites() -> None:
    found = read_data_set(REAL / "chest_xray_multisite")

    assert found.problems == []
    assert len(found.table) == 250
    assert "DE_Hannover_MHH" in set(found.table["site"])
    assert found.table["patient"].n_unique() < 250
    assert len(k_fold(found.table.with_columns(label=pl.col("view")), n_folds=5).folds) == 5
    table, problems = measured(found.table.head(20), file_bytes(found.folder), spacing_rule="width:350")
    assert problems == []
    assert table["spacing_x_mm"].null_count() == 0


@needs_real
def test_real_volumes_are_read_by_their_table() -> None:
    found = read_data_set(REAL / "mri", "nifti")

    table, _ = measured(found.table.filter(pl.col("path").str.contains("spine_unf")), file_bytes(found.folder))
    assert len(table) > 2
    assert table["depth"].min() > 10  # type: ignore[operator]

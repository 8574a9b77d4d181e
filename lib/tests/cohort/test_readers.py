"""Readers of folders and tables of one's own, on small files and on real images."""

import gzip
from pathlib import Path

import polars as pl
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from osteon.cohort.measure import file_bytes, measured
from osteon.cohort.readers import NotThisDataSet, read_data_set
from osteon.cohort.split import k_fold
from osteon.cohort.table import violations
from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import specimen

from .written import column, kinds, picture, volume, write_csv

REAL = Path(__file__).parents[4] / "shared" / "data"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="no real images beside the repository: ../shared/data")


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


def test_of_a_subject_in_several_lines_only_what_they_agree_on_is_told_of_its_files(tmp_path: Path) -> None:
    volume(tmp_path / "sub-01/ses-1/sub-01_ses-1_T1w.nii.gz")
    volume(tmp_path / "sub-01/ses-2/sub-01_ses-2_T1w.nii.gz", 1)
    rows = [("participant_id", "site", "diagnosis"), ("sub-01", "Lund", "well"), ("sub-01", "Lund", "ill")]
    write_csv(tmp_path / "participants.tsv", *rows, separator="\t")

    found = read_data_set(tmp_path)

    assert column(found, "site") == ["Lund", "Lund"]
    assert column(found, "label") == [None, None]
    assert kinds(found) == [("twice", "participants.tsv", 3)]


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

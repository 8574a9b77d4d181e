"""A researcher's folder becomes a cohort, by the command line."""

import re
import unicodedata
from datetime import date
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import openpyxl
import PIL.Image
import polars as pl
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from osteon.cohort.boxes import with_boxes
from osteon.cohort.pseudonyms import opened_key, pseudonym
from osteon.cohort.register_commands import register
from osteon.cohort.split import open_split
from osteon.cohort.table import Description, collected, conformed, open_cohort, write_cohort
from osteon.cohort.take_in import take_in
from osteon.errors import OsteonError
from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import specimen
from osteon.store import connect

from .written import picture, run, volume


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures of six patients, a workbook, boxes; one picture is damaged, one lies there twice."""
    source = tmp_path / "femurs"
    (source / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    book = openpyxl.Workbook()
    book.active.append(["Filnamn", "Löpnr", "Klinik", "Diagnos", "Sida", "Namn", "Fold", "axis_x"])
    for number in range(12):
        PIL.Image.fromarray(rng.integers(0, 255, (60, 40)).astype(np.uint8)).save(source / f"images/b{number}.png")
        diagnosis = ["cAFF", "TFF"][number // 2 % 2]
        row = [
            f"b{number}.png",
            f"00{number // 2}",
            ["Lund", "Umeå"][number // 6],
            diagnosis,
            "höger",
            "A B",
            number % 2,
            20.5,
        ]
        book.active.append(row)
    book.save(source / "patients.xlsx")
    (source / "images/b3.png").write_bytes(b"damaged")
    (source / "images/b11.png").write_bytes((source / "images/b0.png").read_bytes())
    (source / "labels").mkdir()
    (source / "labels/b1.txt").write_text("0 0.5 0.5 0.2 0.1\n")
    return source


def test_a_folder_with_a_workbook_becomes_a_cohort_that_is_checked_split_dealt_out_and_prepared(
    folder: Path, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    out = tmp_path / "cohort"

    said = run("import", folder, out, "--table", folder / "patients.xlsx", "--spacing", "0.5", "--yes")

    assert "left out, since they would name a person: Namn" in said
    assert "kept as they are: axis_x" in said
    table = open_cohort(out).frame.collect()
    assert len(table) == 11
    assert set(table["label"]) == {"AFF_complete", "typical_fracture"}
    assert table["patient"].n_unique() == 6
    assert set(table["fold"]) == {"0", "1"}
    assert table.filter(pl.col("path").str.ends_with("b1.png"))["boxes"].item() == "[[0, 0.5, 0.5, 0.2, 0.1]]"
    assert table["spacing_x_mm"].unique().to_list() == [0.5]
    assert "unreadable" in (out / "problems.csv").read_text()

    said = run("check", out, code=1)
    assert "the same pixels as line 2 under another patient" in said
    assert "patient-in-two-folds" in said
    run("split", out, tmp_path / "sites.parquet", "--by", "site")
    assert len(open_split(tmp_path / "sites.parquet").folds) == 2
    run("prepare", out, tmp_path / "shards", "--rows", 64, "--columns", 32, "--processes", 1)
    assert (tmp_path / "shards/shard-000000.tar").is_file()
    assert "Lund" in run("show", out, "--plot", tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000

    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before  # nothing of theirs was touched


def test_what_names_a_patient_enters_no_table_and_no_shard_and_the_key_leads_back(folder: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("PAT4711", "PAT4712")):
        dataset = specimen(number, image=number, purpose="test", pitch_mm=2.0).dataset
        dataset.PatientID = name
        (tmp_path / f"d/{name}").mkdir(parents=True)
        (tmp_path / f"d/{name}/1.dcm").write_bytes(encoded(dataset, ExplicitVRLittleEndian))
    uid = dataset.StudyInstanceUID
    lines = (
        "Patient ID,Löpnr,MRN,Accession Number,Aufnahme-Nr.,Remissnummer,age\n"
        "PAT4711,PAT47a,PAT47b,PAT47c,PAT47g,PAT47i,70\nPAT4712,PAT47d,PAT47e,PAT47f,PAT47h,PAT47j,80\n"
    )
    (tmp_path / "d/patients.csv").write_text(lines)

    for out in ("one", "two", "again"):
        run("import", tmp_path / "d", tmp_path / out, *(("--key", tmp_path / "one.key") if out == "again" else ()))
    run("prepare", tmp_path / "one", tmp_path / "shards", "--rows", 64, "--columns", 32, "--processes", 1)

    one, two, again = (open_cohort(tmp_path / out).frame.collect() for out in ("one", "two", "again"))
    told = one.drop("path").write_csv() + (tmp_path / "shards/shard-000000.tar").read_bytes().decode("latin-1")
    assert "PAT47" not in told
    assert uid not in told
    assert sorted(one["age"]) == [70, 80]
    assert one.drop("path").equals(again.drop("path"))
    assert not set(one["patient"]) & set(two["patient"])
    key = tmp_path / "one.key"
    assert key.stat().st_mode & 0o777 == 0o600
    for spelled in ("PAT4711", " pat 4711", "\uff30AT4711"):  # as ingest takes them for one patient
        assert pseudonym(opened_key(key), "patient", spelled) in set(one["patient"])
    (tmp_path / "bad.key").write_text("ab")
    with pytest.raises(OsteonError, match="holds no key"):
        run("import", tmp_path / "d", tmp_path / "three", "--key", tmp_path / "bad.key")


def test_where_table_and_header_contradict_each_other_it_is_told_file_by_file(tmp_path: Path) -> None:
    dataset = specimen(0, purpose="test", pitch_mm=2.0).dataset
    dataset.ImageLaterality = "R"
    (tmp_path / "1.dcm").write_bytes(encoded(dataset, ExplicitVRLittleEndian))
    (tmp_path / "t.csv").write_text("file;side;spacing\n1.dcm;L;9,5\n")

    taken = take_in(tmp_path, tmp_path / "out", table=tmp_path / "t.csv")

    assert taken.table["side"].item() == "L"
    told = [one.says for one in taken.problems if one.kind == "contradiction"]
    assert sorted(says.split(" than ")[0].split(" is ")[0] for says in told) == [
        "t.csv says another side",
        "the table's spacing_x_mm",
        "the table's spacing_y_mm",
    ]
    said = run("import", tmp_path, tmp_path / "shown", "--table", tmp_path / "t.csv", "--yes")
    assert "no column was taken for patient and label; if one tells it: --map patient=COLUMN" in " ".join(said.split())


def test_a_name_with_an_umlaut_as_macos_keeps_it_is_found(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "höft.png")
    PIL.Image.fromarray(np.zeros((6, 5), np.uint8)).save(tmp_path / name)
    (tmp_path / "t.csv").write_text(f"file;label\n{unicodedata.normalize('NFC', name)};a\n")

    taken = take_in(tmp_path, tmp_path / "out", table=tmp_path / "t.csv")

    assert len(taken.table) == 1
    assert taken.problems == []


def test_a_dry_run_shows_how_the_table_is_understood_and_writes_nothing(folder: Path, tmp_path: Path) -> None:
    said = run("import", folder, tmp_path / "out", "--table", folder / "patients.xlsx", "--map", "site=", "--dry-run")

    assert "Löpnr" in said
    assert re.search(r"AFF_complete\W+cAFF\W+6", said)
    assert not (tmp_path / "out").exists()


def test_register_build_writes_variables_and_a_dictionary_beside_the_cohort(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "cohort"
    run("import", folder, out, "--table", folder / "patients.xlsx", "--yes", "--no-hashes")
    table = open_cohort(out).frame.collect().with_columns(exam_date=pl.date(2015, 6, 1))
    table.write_csv(out / "cohort.csv")
    (tmp_path / "long.csv").write_text(
        "patient;date;kind;code;amount\n000;2015-05-01;drug;M05BA04;98,0\n001;2015-06-01;drug;M05BA04;98,0\n"
    )

    said = run("build", tmp_path / "long.csv", out / "cohort.csv", "--least", 1, "--window", "2y:730:1", app=register)

    assert "1 entries on the index date or later stayed out" in said
    variables = pl.read_parquet(out / "variables.parquet")
    own = pseudonym(opened_key(tmp_path / "cohort.key"), "patient", "000")
    assert variables.filter(pl.col("patient") == own)["drug_M05BA04_2y_ddd"].item() == 98.0
    assert "drug_M05BA04_2y_ddd" in (out / "dictionary.csv").read_text()


@pytest.mark.parametrize("keeps_names", [False, True])
def test_a_registers_patient_17_point_0_is_the_cohorts_17(tmp_path: Path, keeps_names: bool) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("file;patient;datum\na.png;17;2015-06-01\n")
    taken = take_in(tmp_path, tmp_path / "out", table=tmp_path / "t.csv", keeps_names=keeps_names)
    entries = {"patient": [17.0, None], "date": [date(2015, 5, 1)] * 2, "kind": ["drug"] * 2, "code": ["M05BA04"] * 2}
    pl.DataFrame(entries).write_parquet(tmp_path / "long.parquet")

    run("build", tmp_path / "long.parquet", tmp_path / "out", "--least", 1, app=register)

    variables = pl.read_parquet(tmp_path / "out/variables.parquet")
    assert variables.select("patient", "drug_M05BA04_1y_n").row(0) == (taken.table["patient"].item(), 1)


def test_a_manifest_may_name_objects_of_the_store(
    seaweedfs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = connect(seaweedfs.endpoint, seaweedfs.access_key, seaweedfs.secret_key)
    monkeypatch.setenv("OSTEON_STORE_ENDPOINT", seaweedfs.endpoint)
    monkeypatch.setenv("OSTEON_STORE_ACCESS_KEY", seaweedfs.access_key)
    monkeypatch.setenv("OSTEON_STORE_SECRET_KEY", seaweedfs.secret_key)
    content = encoded(specimen(0, purpose="test", pitch_mm=2.0).dataset, ExplicitVRLittleEndian)
    ref = store.put("images", content, "application/dicom")
    (tmp_path / "t.csv").write_text(f"file;label\ns3://images/{ref.key};a\ns3://images/{'0' * 64};c\n")

    taken = take_in(tmp_path, tmp_path / "out", table=tmp_path / "t.csv")

    assert taken.table.select("path", "sha256").rows() == [(f"s3://images/{ref.key}", ref.sha256)]
    assert [(one.kind, one.where) for one in taken.problems] == [("missing", f"s3://images/{'0' * 64}")]


def test_a_case_that_names_no_file_stays_where_another_ones_can_not_be_read(tmp_path: Path) -> None:
    for name in ("00000/BraTS2021_00000_t1ce", "00001/BraTS2021_00001_t1ce", "00002/BraTS2021_00002_t1"):
        volume(tmp_path / f"BraTS2021_{name}.nii.gz")
    (tmp_path / "BraTS2021_00001/BraTS2021_00001_t1ce.nii.gz").write_bytes(b"damaged")

    taken = take_in(tmp_path, tmp_path / "out", reader="brats")

    assert [case[-5:] for case in taken.table["case"]] == ["00000", "00002"]


def test_a_stated_map_is_heeded_for_nifti_files_too(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((4, 4, 4)), np.eye(4))  # type: ignore[no-untyped-call]
    nibabel.save(image, tmp_path / "s1_T1.nii.gz")
    (tmp_path / "t.csv").write_text("vem;ort\ns1;Lund\n")

    table = tmp_path / "t.csv"
    taken = take_in(
        tmp_path, tmp_path / "out", table=table, columns={"patient": "VEM", "site": "ort"}, keeps_names=True
    )

    assert taken.table.select("patient", "site").row(0) == ("s1", "Lund")


def test_boxes_go_to_the_image_of_their_folder_and_what_fits_several_is_told(tmp_path: Path) -> None:
    paths = ["images/a/1.png", "images/b/1.png", "images/c/2.png", "images/d/2.png", "images/e/3.png"]
    table = pl.DataFrame({"path": paths})
    for name, text in (
        ("labels/a/1.txt", "0 0.5 0.5 0.2 0.1"),
        ("labels/b/1.txt", "1 0.4 0.4 0.2 0.1"),
        ("labels/2.txt", "0 0.5 0.5 0.2 0.1"),
        ("labels/e/3.txt", "0 0.5 0.5 0.2 0.1 0.93"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    boxed, problems = with_boxes(table, tmp_path)

    assert boxed["boxes"].to_list() == ["[[0, 0.5, 0.5, 0.2, 0.1]]", "[[1, 0.4, 0.4, 0.2, 0.1]]", None, None, None]
    assert {(one.kind, one.where) for one in problems} == {
        ("contradiction", "labels/2.txt"),
        ("unreadable", "labels/e/3.txt"),
    }


def test_with_labels_of_ones_own_each_is_compared_and_held_out_sites_need_a_positive_one(tmp_path: Path) -> None:
    labels = ["fractured", "whole", "zoster"]
    rows = [{"case": f"{n}", "patient": f"{n}", "label": labels[n % 3], "site": f"s{n % 6}"} for n in range(180)]
    table = pl.DataFrame(rows).with_columns(spacing_y_mm=0.1, spacing_x_mm=0.1, cast=pl.col("label") == "fractured")
    write_cohort(collected(conformed(table)), tmp_path / "cohort.parquet", Description("mine", labels=tuple(labels)))

    said = run("check", tmp_path, "--no-files", code=1)
    with pytest.raises(OsteonError, match=r"--positive .* there are fractured, whole, zoster"):
        run("split", tmp_path, tmp_path / "sites.parquet", "--by", "site")
    with pytest.raises(OsteonError, match="no label broken"):
        run("split", tmp_path, tmp_path / "sites.parquet", "--by", "site", "--positive", "broken")

    assert "each label in turn" in said
    assert "cast " in said
    assert "(positive: fractured)" in said

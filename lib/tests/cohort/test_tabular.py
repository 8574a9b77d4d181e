"""Anybody's table, however it was saved."""

from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pyreadstat
import pytest

from osteon.cohort.column_map import NoSuchColumn, guess, label_counts, mapped, not_understood
from osteon.cohort.table import FEMUR_LABELS
from osteon.cohort.tabular import NotATable, read_tabular
from osteon.cohort.words import plain

EXPECTED = pl.DataFrame(
    {
        "lopnr": ["0017", "0018"],
        "klinik": ["Örebro", "Malmö"],
        "alder": [71.5, 80.25],
        "n": [3, 4],
        "datum": [date(2011, 12, 31), date(2012, 1, 1)],
    }
)


def latin(path: Path) -> None:
    path.write_bytes(
        "lopnr;klinik;alder;n;datum\r\n0017;Örebro;71,5;3;2011-12-31\r\n0018;Malmö;80,25;4;2012-01-01\r\n".encode(
            "latin-1"
        )
    )


def utf_16(path: Path) -> None:
    path.write_bytes(
        "lopnr\tklinik\talder\tn\tdatum\n0017\tÖrebro\t71.5\t3\t31.12.2011\n0018\tMalmö\t80.25\t4\t01.01.2012\n".encode(
            "utf-16"
        )
    )


def bom(path: Path) -> None:
    path.write_bytes(
        'lopnr,klinik,alder,n,datum\n0017,Örebro,"71,5",3,20111231\n0018,Malmö,"80,25",4,20120101\n'.encode("utf-8-sig")
    )


def excel(path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(EXPECTED.columns)
    for row in EXPECTED.iter_rows():
        book.active.append(row)
    book.save(path)


@pytest.mark.parametrize(("name", "write"), [("a.csv", latin), ("b.tsv", utf_16), ("c.csv", bom), ("d.xlsx", excel)])
def test_a_table_reads_the_same_however_it_was_saved(tmp_path: Path, name: str, write: object) -> None:
    assert callable(write)
    write(tmp_path / name)

    table = read_tabular(tmp_path / name).table

    if name == "c.csv":
        table = table.with_columns(
            datum=pl.col("datum").cast(pl.String).str.to_date("%Y%m%d")
        )  # eight digits: a number
    assert table.equals(EXPECTED)


@pytest.mark.parametrize("ending", [".sav", ".dta", ".xpt"])
def test_spss_stata_and_sas_read_as_they_were_written(tmp_path: Path, ending: str) -> None:
    write: Any = {".sav": pyreadstat.write_sav, ".dta": pyreadstat.write_dta, ".xpt": pyreadstat.write_xport}[ending]
    write(EXPECTED.select("lopnr", "klinik", "alder", "n"), str(tmp_path / f"a{ending}"))

    table = read_tabular(tmp_path / f"a{ending}").table

    assert table.rename(str.lower).equals(EXPECTED.select("lopnr", "klinik", "alder", "n"))


@pytest.mark.parametrize("name", ["a.sav", "a.dta", "a.sas7bdat", "a.xlsx", "a.parquet"])
def test_a_file_that_is_damaged_says_what_to_save_it_as(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"damaged" * 40)

    with pytest.raises(NotATable, match=r"can.t be read|can be read"):
        read_tabular(tmp_path / name)


def test_a_line_with_a_field_too_many_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n1,2,3\n")

    with pytest.raises(NotATable, match=r"a\.csv:3 "):
        read_tabular(tmp_path / "a.csv")


def test_columns_are_guessed_in_three_languages_and_a_stated_map_goes_first() -> None:
    table = pl.DataFrame(
        {"Löpnr": ["1"], "Krankenhaus": ["B"], "FracType": ["iAFF"], "Sida": ["vänster"], "Namn": ["A B"]}
    )

    known = guess(table, {"label": "FracType"})
    made = mapped(table, known)

    assert dict(known.columns) == {"patient": "Löpnr", "site": "Krankenhaus", "label": "FracType", "side": "Sida"}
    assert made.row(0, named=True) == {"patient": "1", "site": "B", "label": "AFF_incomplete", "side": "L"}
    with pytest.raises(NoSuchColumn, match="no column Fraktur; it has"):
        guess(table, {"label": "Fraktur"})
    with pytest.raises(NoSuchColumn, match="klinik is no column of a cohort"):
        guess(table, {"klinik": "Löpnr"})
    assert guess(table, {"site": ""}).columns.get("site") is None


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("1,5 mm", (1.5, 1.5)), ("0,14 x 0,15", (0.14, 0.15)), ("0.14\\0.15", (0.14, 0.15)),
        ("[0.14,0.15]", (0.14, 0.15)),
        ("[1,5]", (None, None)), ("-0.14", (None, None)), ("140 um", (None, None)), ("0", (None, None)),
    ],
)  # fmt: skip
def test_a_spacing_is_understood_with_unit_sign_and_decimal_comma_or_not_at_all(
    text: str, lengths: tuple[float | None, float | None]
) -> None:
    table = pl.DataFrame({"spacing": [text]})
    known = guess(table)

    made = mapped(table, known)

    assert made.select("spacing_y_mm", "spacing_x_mm").row(0) == lengths
    assert len(not_understood(table, known, "a.csv", 2)) == (lengths[0] is None)


def test_labels_in_three_languages_are_known_and_one_that_is_not_is_told_unless_its_meaning_is_stated() -> None:
    words = ["Atypische Femurfraktur", "ofullständig AFF", "Typisk fraktur", "ingen fraktur", "patologisk"]
    table = pl.DataFrame({"Diagnos": words})
    guessed, stated = guess(table), guess(table, label_values={"Patologisk": "no_fracture"})
    wrist = pl.DataFrame({"fractured": ["fracture", "no fracture"]})

    assert mapped(table, guessed)["label"].to_list() == [*FEMUR_LABELS, None]
    assert [(one.kind, one.line) for one in not_understood(table, guessed, "a.csv", 2)] == [("label-unknown", 6)]
    assert label_counts(table, guessed)[0] == ("", "patologisk", 1)
    assert mapped(table, stated)["label"].to_list() == [*FEMUR_LABELS, "no_fracture"]
    assert mapped(wrist, guess(wrist))["label"].to_list() == ["fracture", "no fracture"]  # of wrists, perhaps
    means = {"fracture": "typical_fracture"}
    assert mapped(wrist, guess(wrist, None, means))["label"].to_list() == ["typical_fracture", "no_fracture"]
    with pytest.raises(NoSuchColumn, match="no value sprain"):
        guess(wrist, label_values={"sprain": "x"})


def test_a_mark_of_doubt_or_a_sign_makes_another_label() -> None:
    doubt, signs = pl.DataFrame({"AFF": ["AFF", "AFF?", "AFF-"]}), pl.DataFrame({"AFF": ["1", "-1", "1?"]})
    means = {"1": "AFF_complete", "-1": "no_fracture"}

    assert mapped(doubt, guess(doubt))["label"].to_list() == ["AFF_complete", None, None]
    assert mapped(signs, guess(signs, None, means))["label"].to_list() == ["AFF_complete", "no_fracture", None]


def test_a_table_whose_missing_numbers_are_nan_is_read_like_any_other() -> None:
    table = pl.DataFrame({"patient": [17.0, float("nan"), 4.0], "AFF": [1.0, 0.0, float("nan")]})

    made = mapped(table, guess(table))

    assert made["patient"].to_list() == ["17", None, "4"]
    assert made["label"].to_list() == ["1", "0", None]


def test_names_are_compared_without_accents_capitals_and_marks() -> None:
    assert {plain(name) for name in ("Patient_ID", "patient id", "PatientID", "PATIENT-ID")} == {"patientid"}


def test_a_value_that_is_not_understood_is_told_by_its_line_and_takes_no_other_with_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "id;group;date;side;diagnosis;age\n1;case;2015-06-01;rt;cAFF;None\n2;case;unknown;R?;None;4\n"
    )
    tabular = read_tabular(tmp_path / "a.csv")

    known = guess(tabular.table)
    made = mapped(tabular.table, known)

    assert "patient" not in known.columns
    assert made["exam_date"].to_list() == [date(2015, 6, 1), None]
    assert made["side"].to_list() == ["R", None]
    assert made["label"].to_list() == ["AFF_complete", "no_fracture"]
    assert made["age"].to_list() == [None, 4]
    problems = not_understood(tabular.table, known, "a.csv", tabular.first_line)
    assert [(one.line, one.kind) for one in problems] == [(3, "not-understood")] * 2
    assert not any("unknown" in str(one) for one in problems)


def test_german_numbers_of_patients_and_examinations_are_understood_and_so_get_pseudonyms() -> None:
    table = pl.DataFrame({
        "Patientennummer": ["4711"], "Fallnummer": ["17"], "Untersuchungsdatum": ["01.03.2021"], "Pixelabstand": [0.14],
    })  # fmt: skip

    made = mapped(table, guess(table))

    assert {"patient", "study", "exam_date", "spacing_y_mm"} <= set(made.columns)
    assert not set(made.columns) & set(table.columns)


def test_columns_that_name_a_person_by_part_of_their_name_or_by_their_values_stay_out() -> None:
    names = ["personnr", "pers_nr", "Patientens namn", "name_of_patient", "fullname", "Födelsedatum patient"]
    kept = {"hospital_name": ["Lund"], "image_number": [12345]}
    table = pl.DataFrame({name: ["x"] for name in names} | {"nyckel": ["19121212-1212"]} | kept)

    made = mapped(table, guess(table))

    assert set(made.columns) == set(kept)

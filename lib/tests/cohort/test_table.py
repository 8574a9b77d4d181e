"""The table of a data set."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from osteon.cohort.table import (
    SCHEMA,
    Description,
    NotACohort,
    collected,
    conformed,
    open_cohort,
    violations,
    write_cohort,
)

ROWS = pl.DataFrame(
    {
        "case": ["a", "b", "c"],
        "patient": ["p1", "p1", "p2"],
        "site": ["aspen", "aspen", None],
        "label": ["AFF_complete", "no_fracture", None],
        "side": ["R", "L", None],
        "exam_date": [date(2020, 1, 2), None, None],
        "spacing_y_mm": [0.2, None, 0.14],
        "height": [2000, 512, None],
        "path": ["a.dcm", "b.dcm", "s3://bucket/c"],
        "room": ["1", "2", "1"],
    }
)
DESCRIPTION = Description("three images", source="a test", notes=("made up",))


@pytest.mark.parametrize("name", ["cohort.parquet", "cohort.csv"])
def test_a_table_that_was_written_opens_as_it_was(tmp_path: Path, name: str) -> None:
    write_cohort(ROWS, tmp_path / name, DESCRIPTION)

    cohort = open_cohort(tmp_path / name)

    opened = cohort.frame.collect()
    assert opened.columns == [*SCHEMA, "room"]
    assert opened.select(ROWS.columns[:-1]).equals(ROWS.select(ROWS.columns[:-1]).cast({"height": pl.Int32}))
    assert cohort.description == DESCRIPTION
    assert cohort.folder == tmp_path


def test_a_folder_opens_by_the_table_in_it_and_is_filtered_without_images(tmp_path: Path) -> None:
    write_cohort(ROWS, tmp_path / "cohort.parquet", DESCRIPTION)

    cohort = open_cohort(tmp_path)

    assert cohort.frame.filter(pl.col("site") == "aspen").select(pl.len()).collect().item() == 2


def test_rows_that_break_a_rule_are_named_and_not_written(tmp_path: Path) -> None:
    broken = pl.DataFrame(
        {
            "case": ["a", "a", "c"],
            "patient": ["p", None, "q"],
            "side": ["right", "L", None],
            "label": ["atypical", None, None],
            "spacing_x_mm": [0.0, 0.1, float("nan")],
            "sha256": ["abc", None, None],
        }
    )

    with pytest.raises(NotACohort, match="row 2: no patient"):
        write_cohort(broken, tmp_path / "cohort.parquet", DESCRIPTION)

    assert not list(tmp_path.iterdir())
    assert list(violations(collected(conformed(broken)), DESCRIPTION)) == [
        "row 2: no patient",
        "row 1: side is none of R, L, B",
        "row 1: this case stands twice",
        "row 2: this case stands twice",
        "row 1: label is none of AFF_complete, AFF_incomplete, typical_fracture, no_fracture",
        "row 1: spacing_x_mm is not positive",
        "row 3: spacing_x_mm is not positive",
        "row 1: sha256 is no SHA-256",
    ]


def test_a_table_without_patients_or_with_text_for_numbers_is_refused_without_repeating_values(tmp_path: Path) -> None:
    with pytest.raises(NotACohort, match="no column patient"):
        write_cohort(pl.DataFrame({"case": ["a"]}), tmp_path / "t.parquet", DESCRIPTION)

    text = pl.DataFrame({"case": ["a"], "patient": ["p"], "height": ["Anna Svensson"]})
    with pytest.raises(NotACohort) as caught:
        write_cohort(text, tmp_path / "t.parquet", DESCRIPTION)
    assert "Svensson" not in str(caught.value)

    (tmp_path / "t.csv").write_text("case,patient,height\na,p,Anna Svensson\n")
    with pytest.raises(NotACohort) as caught:
        collected(open_cohort(tmp_path / "t.csv").frame)
    assert "Svensson" not in str(caught.value)


def test_what_is_no_table_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR0 is not parquet")

    for name in ("x.parquet", "missing.parquet"):
        with pytest.raises(NotACohort, match=name):
            open_cohort(tmp_path / name)


def test_labels_are_those_of_the_description(tmp_path: Path) -> None:
    mura = pl.DataFrame({"case": ["a"], "patient": ["p"], "label": ["positive"]})

    with pytest.raises(NotACohort, match="label is none of AFF_complete"):
        write_cohort(mura, tmp_path / "t.parquet", DESCRIPTION)

    write_cohort(mura, tmp_path / "t.parquet", replace(DESCRIPTION, labels=("negative", "positive")))

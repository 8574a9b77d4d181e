"""What is wrong with a data set: all of it, with its line."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import PIL.Image
import polars as pl
import pytest

from osteon.cohort.check import checked_files, checked_table, checked_variables
from osteon.cohort.measure import file_bytes, measured
from osteon.cohort.table import Description, collected, conformed
from osteon.errors import Passing

DESCRIPTION = Description("a test")


def table(**columns: Sequence[object]) -> pl.DataFrame:
    n = len(next(iter(columns.values())))
    usual: dict[str, Sequence[object]] = {
        "case": [f"c{number}" for number in range(n)],
        "patient": [f"p{number}" for number in range(n)],
        "site": ["aspen"] * n,
        "label": ["no_fracture"] * n,
        "spacing_y_mm": [0.2] * n,
        "spacing_x_mm": [0.2] * n,
        "path": [f"{number}.png" for number in range(n)],
    }
    return collected(conformed(pl.DataFrame({**usual, **columns}, strict=False)))


def test_everything_that_is_wrong_with_a_table_is_told_at_once_with_its_line() -> None:
    broken = table(
        patient=["p0", "p0", "p2", "p3", "p4"],
        site=["aspen", "birch", None, "elm", "elm"],
        label=["AFF_complete", "normal", None, "no_fracture", "AFF_complete"],
        spacing_y_mm=[0.2, 0.2, None, 0.2, 0.2],
        fold=["train", "test", "train", "train", "train"],
        pixels_sha256=[None, None, None, "a" * 64, "a" * 64],
    )

    found = [(one.kind, one.line) for one in checked_table(broken, DESCRIPTION, "cohort.csv")]

    assert sorted(found) == [
        ("contradiction", 5),
        ("label-unknown", 3),
        ("label-unknown", 4),
        ("no-site", 4),
        ("no-spacing", 4),
        ("patient-at-two-sites", 3),
        ("patient-in-two-folds", 3),
        ("twice", 6),
    ]


def test_a_sound_table_has_nothing_to_tell() -> None:
    assert checked_table(table(case=["a", "b"]), DESCRIPTION, "cohort.csv") == []


def test_files_that_are_gone_damaged_or_other_than_they_were_are_told_with_their_line(tmp_path: Path) -> None:
    for number in range(4):
        PIL.Image.fromarray(np.full((6, 5), number, np.uint8)).save(tmp_path / f"{number}.png")
    written, _ = measured(table(case=["a", "b", "c", "d"]), file_bytes(tmp_path))
    (tmp_path / "0.png").unlink()
    (tmp_path / "1.png").write_bytes(b"damaged")
    PIL.Image.fromarray(np.full((6, 7), 9, np.uint8)).save(tmp_path / "2.png")

    problems = checked_files(written, file_bytes(tmp_path), "cohort.csv")

    assert sorted((one.kind, one.line) for one in problems if one.kind != "has-changed") == [
        ("missing", 2),
        ("unreadable", 3),
    ]
    assert Counter(one.line for one in problems if one.kind == "has-changed") == {4: 3}  # bytes, pixels, width


@pytest.fixture(scope="module")
def patients() -> pl.DataFrame:
    """300 positive and 700 other patients."""
    labels = ["AFF_complete"] * 300 + ["typical_fracture"] * 700
    return table(label=list(labels), exam_date=[date(2020, 1, 1)] * 1000)


def test_variables_made_from_the_outcome_are_found_and_the_strongest_honest_one_is_not(patients: pl.DataFrame) -> None:
    rng = np.random.default_rng(0)
    positive = np.arange(1000) < 300

    def coded(in_positive: float, in_others: float) -> list[int]:
        shares = np.where(positive, in_positive, in_others)
        return [int(coin) for coin in rng.random(1000) < shares]

    variables = pl.DataFrame(
        {
            "patient": patients["patient"],
            "bisphosphonate": coded(0.69, 0.17),  # Bauer and others 2024
            "set_after_it_was_known": coded(0.72, 0.005),
            "only_asked_of_cases": [1 if coin else None for coin in coded(0.8, 0.003)],
            "nearly_the_probability": (positive + rng.normal(0, 0.2, 1000)).tolist(),
            "age": rng.normal(75, 9, 1000).tolist(),
        }
    )

    found = checked_variables(patients, variables, "variables.parquet")

    assert [problem.says.split()[0] for problem in found] == [
        "set_after_it_was_known",
        "only_asked_of_cases",
        "nearly_the_probability",
    ]
    assert "of the positive patients and" in found[0].says


def test_a_site_that_tells_the_outcome_is_found(patients: pl.DataFrame) -> None:
    confounded = patients.with_columns(
        site=pl.when(pl.col("label") == "AFF_complete").then(pl.lit("a")).otherwise(pl.lit("b"))
    )

    assert [problem.says.split()[0] for problem in checked_variables(confounded, None, "cohort.csv")] == ["site"]


def test_too_few_patients_to_find_a_leak_are_told_with_how_many_it_takes() -> None:
    few = table(label=["AFF_complete"] * 12 + ["typical_fracture"] * 18)
    enough = table(label=["AFF_complete"] * 12 + ["typical_fracture"] * 250)
    leak = pl.DataFrame({"patient": enough["patient"], "leak": [1] * 12 + [0] * 250})

    (told,) = (one for one in checked_variables(few, leak, "variables.parquet") if one.kind == "not-checked")
    found = checked_variables(enough, leak, "variables.parquet")

    needed = int(told.says.split(" and ")[-1].split()[0])
    assert 18 < needed <= 250
    assert [one.kind for one in found] == ["knows-the-outcome"]


def test_where_the_store_is_away_its_images_are_said_to_be_unopened_and_lines_stay_those_of_the_table(
    tmp_path: Path,
) -> None:
    PIL.Image.fromarray(np.zeros((6, 5), np.uint8)).save(tmp_path / "2.png")
    paths = ["s3://images/ab/abcd", "gone.png", "2.png", "https://elsewhere/x"]
    files = file_bytes(tmp_path)

    def read(path: str) -> bytes:
        if path.startswith("s3://"):
            raise Passing("store", "it is away")
        return files(path)

    problems = checked_files(table(path=list(paths)), read, "cohort.csv")

    assert sorted((one.kind, one.line) for one in problems) == [("missing", 3), ("not-checked", 0), ("not-checked", 0)]


def test_where_one_class_alone_is_there_the_comparison_says_so() -> None:
    (problem,) = checked_variables(table(case=["a", "b"]), None, "cohort.csv")

    assert problem.kind == "not-checked"

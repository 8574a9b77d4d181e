"""Variables from long dated tables: what is dated later never enters."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osteon.cohort.register import LONG, NotARegister, Window, build, index_dates

DAY = date(2015, 6, 1)
Entry = tuple[str, int, str, str, float | None]  # patient, days before the index date, kind, code, amount


def long(*entries: Entry) -> pl.DataFrame:
    rows = [(patient, DAY - timedelta(days=days), kind, code, amount) for patient, days, kind, code, amount in entries]
    return pl.DataFrame(rows, schema=LONG, orient="row")


def index(*patients: str, site: str = "aspen") -> pl.DataFrame:
    return pl.DataFrame({"patient": patients, "index_date": [DAY] * len(patients), "site": [site] * len(patients)})


def test_entries_are_counted_summed_and_dated_in_windows_before_the_index_date() -> None:
    entries = long(
        ("a", 1, "drug", "M05BA04", 90.0),
        ("a", 400, "drug", "M05BA04", 30.0),
        ("a", 0, "drug", "M05BA04", 1000.0),  # on the day itself
        ("a", -5, "diagnosis", "M84.3", None),  # after it
        ("b", 10, "diagnosis", "M81.0", None),
    )

    built = build(
        entries, index("a", "b", "c"), least_patients=1, windows=[Window("1y", 365, 1), Window("5y", 1826, 1)]
    )

    rows = {row["patient"]: row for row in built.variables.iter_rows(named=True)}
    assert rows["a"]["drug_M05BA04_1y_n"] == 1
    assert rows["a"]["drug_M05BA04_5y_n"] == 2
    assert rows["a"]["drug_M05BA04_5y_ddd"] == 120.0
    assert rows["a"]["drug_M05BA04_5y_since"] == 1
    assert rows["b"]["drug_M05BA04_5y_n"] == 0
    assert rows["b"]["drug_M05BA04_5y_since"] is None
    assert rows["b"]["diagnosis_M81_1y_n"] == 1
    assert rows["b"]["diagnosis_M810_1y_n"] == 1
    assert set(rows["c"].values()) == {"c", None}  # in no register: not known is not zero
    assert not any("M84" in name for name in built.variables.columns)
    assert built.n_later == 2
    assert set(built.dictionary["variable"]) == set(built.variables.columns) - {"patient"}


def test_kinds_that_are_not_known_are_counted_and_where_none_is_the_table_is_refused() -> None:
    entries = long(("a", 1, "Drug", "M05BA04", 90.0), ("a", 1, "icd", "M81", None), ("a", 1, "icd", "M80", None))

    built = build(entries, index("a"), least_patients=1)

    assert built.left_out == {"kind icd": 2}
    assert "drug_M05BA04_1y_n" in built.variables.columns
    with pytest.raises(NotARegister, match="the column kind holds diagnosis, drug, operation, and here kind icd"):
        build(entries.filter(pl.col("kind") == "icd"), index("a"), least_patients=1)
    with pytest.raises(NotARegister, match="no entry lies in a window"):
        build(long(("a", 5000, "drug", "M05BA04", 1.0)), index("a"), least_patients=1)


entries = st.lists(
    st.tuples(
        st.sampled_from("abcd"), st.integers(-400, 4000), st.sampled_from(["diagnosis", "drug", "operation"]),
        st.sampled_from(["M81", "M810", "M05BA04", "NFJ"]), st.one_of(st.none(), st.floats(0, 99)),
    ),
    min_size=1,
)  # fmt: skip


@given(entries=entries)
@settings(max_examples=40, deadline=None)
def test_nothing_dated_on_the_index_date_or_later_changes_any_variable(entries: list[Entry]) -> None:
    before = [entry for entry in entries if entry[1] >= 1]

    assert built_of(entries) == built_of(before)


def built_of(entries: list[Entry]) -> str:
    """The digest of the variables; nothing where no entry is early enough, or all lie before the longest window."""
    try:
        return build(long(*entries), index("a", "b", "c", "d"), least_patients=1).digest
    except NotARegister:
        return ""


def test_a_kind_that_nobody_of_a_site_has_is_unknown_there() -> None:
    patients = pl.concat([index("a"), index("b", site="birch")])
    entries = long(("a", 9, "operation", "NFJ49", None), ("b", 9, "diagnosis", "I10", None))

    built = build(entries, patients, least_patients=1)

    assert built.variables["operation_NFJ49_1y_n"].to_list() == [1, None]
    assert built.variables["diagnosis_I10_1y_n"].to_list() == [None, 1]


def test_codes_of_too_few_patients_make_no_variable() -> None:
    entries = long(
        ("a", 9, "diagnosis", "I10", None), ("b", 9, "diagnosis", "I10", None), ("a", 9, "diagnosis", "E11", None)
    )

    names = build(entries, index("a", "b"), least_patients=2).variables.columns

    assert any("I10" in name for name in names)
    assert not any("E11" in name for name in names)


def test_the_index_date_is_the_examination_less_the_days_since_it() -> None:
    cases = pl.DataFrame(
        {
            "patient": ["a", "a"],
            "site": ["x", "x"],
            "exam_date": [DAY, DAY + timedelta(days=30)],
            "days_from_index": [3, 33],
        }
    )

    assert index_dates(cases)["index_date"].to_list() == [DAY - timedelta(days=3)]


def test_a_window_that_reaches_the_index_date_can_not_be_made() -> None:
    with pytest.raises(ValueError, match="before the index date"):
        Window("now", 365, 0)


def test_a_table_without_codes_or_with_other_patients_says_what_is_wrong() -> None:
    with pytest.raises(NotARegister, match="no column code"):
        build(pl.DataFrame({"patient": ["a"], "date": [DAY], "kind": ["drug"]}), index("a"))
    with pytest.raises(NotARegister, match="are the patients' names equal"):
        build(long(("x", 9, "drug", "M05", 1.0)), index("a"))

"""Splits: nobody stands on both sides, whatever the table holds."""

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from osteon.cohort.nodes import HOW, How, with_nodes
from osteon.cohort.split import (
    AFF,
    Split,
    Unsplittable,
    existing_folds,
    hold_out,
    in_time,
    k_fold,
    open_split,
    units,
    write_split,
)
from osteon.cohort.table import FEMUR_LABELS, collected, conformed

DAY = date(2020, 1, 1)
few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    """Up to 60 images of up to 15 patients at up to six sites; some pictures stand there twice under other names."""
    n = draw(st.integers(8, 60))
    image = st.tuples(
        st.integers(0, 14), st.integers(0, 5), st.sampled_from((*FEMUR_LABELS, None)), st.integers(0, 400),
        st.one_of(st.none(), st.integers(0, 20)),
    )  # fmt: skip
    drawn = draw(st.lists(image, min_size=n, max_size=n))
    return cases(
        {
            "case": f"c{number}",
            "patient": f"p{patient}",
            "site": f"s{site}",
            "vendor": f"v{site % 2}",
            "label": label,
            "exam_date": DAY + timedelta(days=day),
            "pixels_sha256": None if pixels is None else f"{pixels:064x}",
        }
        for number, (patient, site, label, day, pixels) in enumerate(drawn)
    )


def cases(rows: object) -> pl.DataFrame:
    schema = dict.fromkeys(("case", "patient", "site", "vendor", "label", "pixels_sha256", "fold"), pl.String)
    return collected(conformed(pl.DataFrame(list(rows), schema={**schema, "exam_date": pl.Date})))  # type: ignore[call-overload]


@given(table=tables(), seed=st.integers(0, 99))
@few
def test_neither_a_patient_nor_a_picture_straddles_any_split(table: pl.DataFrame, seed: int) -> None:
    makers: tuple[Callable[[], Split], ...] = (
        lambda: k_fold(table, n_folds=2, seed=seed),
        lambda: hold_out(table, "site", seed=seed),
        lambda: hold_out(table, "vendor", seed=seed),
        lambda: in_time(table, DAY + timedelta(days=200)),
    )
    for make in makers:
        try:
            split = make()
        except Unsplittable:
            continue
        for fold in split.folds:
            train, test = (table.filter(pl.col("case").is_in(part.implode())) for part in (fold.train, fold.test))
            assert not set(train["patient"]) & set(test["patient"])
            assert not set(train["pixels_sha256"].drop_nulls()) & set(test["pixels_sha256"].drop_nulls())


@given(table=tables(), seed=st.integers(0, 99))
@few
def test_k_folds_test_every_case_once_and_do_not_depend_on_the_order_of_rows(table: pl.DataFrame, seed: int) -> None:
    try:
        split = k_fold(table, n_folds=3, seed=seed)
    except Unsplittable:
        return

    assert Counter(case for fold in split.folds for case in fold.test) == Counter(table["case"].to_list())
    assert k_fold(table.reverse(), n_folds=3, seed=seed).digest == split.digest


@given(table=tables(), seed=st.integers(0, 99))
@few
def test_every_group_of_held_out_sites_has_both_classes_and_no_site_of_the_training(
    table: pl.DataFrame, seed: int
) -> None:
    try:
        split = hold_out(table, "site", seed=seed)
    except Unsplittable:
        return

    assert len(split.folds) > 1
    for fold in split.folds:
        train, test = (table.filter(pl.col("case").is_in(part.implode())) for part in (fold.train, fold.test))
        assert not set(train["site"]) & set(test["site"])
        labels = set(test["label"].drop_nulls())
        assert labels & set(AFF)
        assert labels - set(AFF)


def test_folds_are_stratified_by_the_label_of_the_patient() -> None:
    table = cases(
        {"case": f"{patient}-{image}", "patient": f"p{patient}", "label": FEMUR_LABELS[0 if patient < 20 else 2]}
        for patient in range(100)
        for image in range(2)
    )

    for fold in k_fold(table, n_folds=5).folds:
        test = table.filter(pl.col("case").is_in(fold.test.implode()))
        assert Counter(test["label"].to_list()) == {FEMUR_LABELS[0]: 8, FEMUR_LABELS[2]: 32}


def test_patients_whose_pictures_are_the_same_are_one_unit_also_along_a_chain() -> None:
    table = cases(
        {"case": str(number), "patient": patient, "pixels_sha256": pixels}
        for number, (patient, pixels) in enumerate(
            [("a", "1" * 64), ("b", "1" * 64), ("b", "2" * 64), ("c", "2" * 64), ("d", None), ("e", None)]
        )
    )

    assert units(table).to_list() == ["a", "a", "a", "a", "d", "e"]


def test_later_images_of_a_patient_who_was_seen_before_are_on_neither_side() -> None:
    table = cases(
        {"case": case, "patient": patient, "exam_date": DAY + timedelta(days=day)}
        for case, patient, day in [("a1", "a", 0), ("a2", "a", 20), ("b", "b", 20), ("c", "c", 1)]
    )

    (fold,) = in_time(table, DAY + timedelta(days=10)).folds

    assert (fold.train.to_list(), fold.test.to_list()) == (["a1", "c"], ["b"])


def test_existing_folds_are_kept_unless_a_patient_stands_in_two() -> None:
    rows = [{"case": str(n), "patient": f"p{n}", "fold": ("train", "valid")[n % 2]} for n in range(4)]

    assert [fold.name for fold in existing_folds(cases(rows)).folds] == ["train", "valid"]
    with pytest.raises(Unsplittable, match="1 patients stand in two"):
        existing_folds(cases([*rows, {"case": "4", "patient": "p0", "fold": "valid"}]))


def test_a_split_that_was_saved_is_the_same_and_one_that_was_changed_is_refused(tmp_path: Path) -> None:
    split = _some_split()
    for name in ("split.parquet", "split.csv"):
        write_split(split, tmp_path / name)

        opened = open_split(tmp_path / name)

        assert (opened.digest, opened.rule) == (split.digest, split.rule)
    assert (tmp_path / "split.csv").read_text().startswith("fold,part,case\n")
    with pytest.raises(Unsplittable, match=r"as \.parquet or \.csv"):
        write_split(split, tmp_path / "split.xlsx")
    metadata = pl.read_parquet_metadata(tmp_path / "split.parquet")
    moved = pl.read_parquet(tmp_path / "split.parquet").with_columns(part=pl.lit("test"))
    moved.write_parquet(tmp_path / "split.parquet", metadata={"osteon.split": metadata["osteon.split"]})
    with pytest.raises(Unsplittable, match="was changed"):
        open_split(tmp_path / "split.parquet")


def test_what_can_not_be_split_says_why() -> None:
    table = cases(
        {"case": str(n), "patient": f"p{n}", "site": f"s{n % 3}", "label": FEMUR_LABELS[0 if n < 2 else 2]}
        for n in range(12)
    )

    with pytest.raises(Unsplittable, match=r"AFF_complete has 2 patients, fewer than 5 folds: .* with --groups 2"):
        k_fold(table, n_folds=5)
    with pytest.raises(Unsplittable, match="2 of 3 sites have a case labelled"):
        hold_out(table, "site", n_groups=3)
    with pytest.raises(Unsplittable, match="12 of 12 cases have no vendor"):
        hold_out(table, "vendor")
    with pytest.raises(Unsplittable, match="no exam_date"):
        in_time(table, DAY)


@pytest.mark.parametrize("how", HOW)
@given(sizes=st.lists(st.integers(1, 40), min_size=6, max_size=72), n_nodes=st.integers(3, 6))
@few
def test_every_site_has_one_node_and_no_node_is_empty(how: How, sizes: list[int], n_nodes: int) -> None:
    table = _sites(sizes)

    nodes = with_nodes(table, n_nodes=n_nodes, how=how)

    assert nodes.group_by("site").agg(n=pl.col("node").n_unique())["n"].max() == 1
    assert nodes["node"].n_unique() == n_nodes
    assert with_nodes(table.reverse(), n_nodes=n_nodes, how=how).sort("case").equals(nodes.sort("case"))


def test_even_nodes_are_even_skewed_ones_halve_and_vendors_stay_together() -> None:
    table = _sites([100 // (1 + n // 4) for n in range(72)])

    def shares(how: How) -> list[float]:
        counts = with_nodes(table, n_nodes=4, how=how).group_by("node").len().sort("node")["len"].to_list()
        return [count / len(table) for count in counts]

    assert shares("even") == pytest.approx([0.25] * 4, abs=0.01)
    assert shares("skewed") == pytest.approx([8 / 15, 4 / 15, 2 / 15, 1 / 15], abs=0.02)
    by_vendor = with_nodes(table, n_nodes=3, how="vendor")
    assert by_vendor.group_by("vendor").agg(n=pl.col("node").n_unique())["n"].max() == 1


def _sites(sizes: list[int]) -> pl.DataFrame:
    return cases(
        {"case": f"{site}-{n}", "patient": f"{site}-{n}", "site": f"s{site:02d}", "vendor": f"v{site % 5}"}
        for site, size in enumerate(sizes)
        for n in range(size)
    )


def _some_split() -> Split:
    table = cases({"case": str(n), "patient": f"p{n}", "label": FEMUR_LABELS[n % 2]} for n in range(12))
    return k_fold(table, n_folds=3, seed=4)

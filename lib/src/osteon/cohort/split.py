"""Who trains and who tests: by patient, by site, vendor or family, in time; a patient never stands on both sides.

A *unit* is what no split divides: a patient, together with every other patient whose images have the same pixels. So
a copy under another name can't leak either. Each split has a digest, which is saved with every result that rests on it.

    split = k_fold(cohort.frame.collect(), n_folds=5, seed=1)
    for fold in split.folds:
        train = table.filter(pl.col("case").is_in(fold.train))
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedKFold

from osteon.errors import OsteonError

__all__ = [
    "AFF",
    "Fold",
    "Split",
    "Unsplittable",
    "existing_folds",
    "hold_out",
    "in_time",
    "k_fold",
    "open_split",
    "units",
    "write_split",
]

AFF = ("AFF_complete", "AFF_incomplete")
METADATA_KEY = "osteon.split"


class Unsplittable(OsteonError):
    """These cases can't be split so: what stands against it, and what can be done."""


@dataclass(frozen=True)
class Fold:
    """Names of cases; a case may be in neither, where its patient is tested but this image is not."""

    name: str
    train: pl.Series
    test: pl.Series


@dataclass(frozen=True)
class Split:
    """Folds, and in words how they were made."""

    rule: str
    folds: tuple[Fold, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of who is where: the same whatever the order of rows was, and other for any case that moves."""
        hashed = hashlib.sha256()
        for fold in sorted(self.folds, key=lambda one: one.name):
            for part, cases in (("train", fold.train), ("test", fold.test)):
                hashed.update(json.dumps([fold.name, part, len(cases)]).encode())
                hashed.update("\x1f".join(cases.sort().to_list()).encode())
        return hashed.hexdigest()


def units(table: pl.DataFrame) -> pl.Series:
    """For each row the unit that it belongs to, named after its first patient in alphabetical order."""
    patients = table["patient"].unique().sort()
    edges = (
        table.lazy()
        .filter(pl.col("pixels_sha256").is_not_null())
        .select(a=pl.col("patient").min().over("pixels_sha256"), b="patient")
        .filter(pl.col("a") != pl.col("b"))
        .unique()
        .collect()
    )
    a, b = (patients.search_sorted(edges[name]).to_numpy() for name in ("a", "b"))
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(patients), len(patients)))
    _, component = connected_components(graph, directed=False)
    named = pl.DataFrame({"patient": patients, "component": component}).select(
        "patient", unit=pl.col("patient").min().over("component")
    )
    return table.select("patient").join(named, on="patient", how="left", maintain_order="left")["unit"]


def k_fold(table: pl.DataFrame, *, n_folds: int = 5, seed: int = 0) -> Split:
    """`n_folds` folds by unit, each with its share of the units of every label.

    A unit counts for the rarest label among its images. Raises Unsplittable where a label has fewer units than folds.
    """
    if n_folds < 2:
        raise Unsplittable(f"a split has at least two folds, not {n_folds}")
    rows = _rows(table)
    by_unit = _label_of_units(rows)
    counts = by_unit["label"].value_counts().filter(pl.col("label") != "")
    for label, fewest in counts.sort("count", "label").head(1).iter_rows():
        if fewest < n_folds:
            fewer = f"ask for at most {fewest}, with --groups {fewest}" if fewest > 1 else "join it with another label"
            raise Unsplittable(
                f"label {label} has {fewest} patients, fewer than {n_folds} folds: {fewer}, or leave it out"
            )
    if len(by_unit) < n_folds:
        raise Unsplittable(f"{len(by_unit)} patients make no {n_folds} folds: ask for fewer with --groups")
    usual = counts.sort("count", "label", descending=[True, False])["label"].to_list()[:1] or [""]
    label = by_unit["label"].replace("", usual[0]).to_numpy()  # units without a label go with the most common one
    folder = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    group = np.empty(len(by_unit), np.int64)
    for number, (_, test) in enumerate(folder.split(np.zeros(len(label)), label)):
        group[test] = number
    group_of = by_unit.select("unit", group=pl.Series(group).cast(pl.String))
    rows = rows.join(group_of, on="unit", how="left")
    return _split(rows, f"{n_folds} folds by patient, stratified by label, seed {seed}")


def hold_out(
    table: pl.DataFrame,
    by: str = "site",
    *,
    n_groups: int | None = None,
    positive: Sequence[str] = AFF,
    seed: int = 0,
) -> Split:
    """Whole sites (or vendors, families, nodes: a column) held out; each test group has positive and other cases.

    Values with positive cases are spread over the groups, the others fill them up evenly. Without `n_groups` there are
    as many as can be. Where a patient of the group was also imaged elsewhere, those images are left out of the
    training. Raises Unsplittable where a case has no value, or so many groups can't have both classes.
    """
    rows = _rows(table, by)
    if n_missing := rows[by].null_count():
        raise Unsplittable(f"{n_missing} of {len(rows)} cases have no {by}: this data set can't answer for {by}s")
    labelled = rows.filter(pl.col("label").is_not_null()).with_columns(is_positive=pl.col("label").is_in(positive))
    counts = (
        rows.select(by)
        .unique()
        .join(
            labelled.group_by(by).agg(
                positives=pl.col("is_positive").sum().cast(pl.Int64),
                others=(~pl.col("is_positive")).sum().cast(pl.Int64),
            ),
            on=by,
            how="left",
        )
        .fill_null(0)
        .sort(by)
        .sample(fraction=1, shuffle=True, seed=seed)
        .sort("positives", "others", descending=True, maintain_order=True)
    )
    most = int((counts["positives"] > 0).sum())
    for n in range(most, 0, -1) if n_groups is None else (n_groups,):
        if group_of := _grouped(counts, n):
            break
    else:
        group_of = {}
    if not group_of or len(set(group_of.values())) < 2:
        raise Unsplittable(
            f"{most} of {len(counts)} {by}s have a case labelled {' or '.join(positive)}: "
            f"{n_groups or 'two'} groups with both classes in each can't be made of them"
        )
    rows = rows.with_columns(group=pl.col(by).replace_strict(group_of, return_dtype=pl.String))
    return _split(rows, f"{len(set(group_of.values()))} groups of whole {by}s held out, seed {seed}")


def in_time(table: pl.DataFrame, from_date: date) -> Split:
    """Trains on what was imaged before `from_date`, tests patients who were first imaged on or after it.

    Later images of a patient who was imaged before are in neither. Raises Unsplittable where a case has no date, or
    nothing lies on one side.
    """
    rows = _rows(table, "exam_date")
    if n_missing := rows["exam_date"].null_count():
        raise Unsplittable(f"{n_missing} of {len(rows)} cases have no exam_date")
    is_late = pl.col("exam_date") >= from_date
    rows = rows.with_columns(is_late=is_late, is_new=pl.col("exam_date").min().over("unit") >= from_date)
    train, test = rows.filter(~pl.col("is_late"))["case"].sort(), rows.filter(pl.col("is_new"))["case"].sort()
    if not (len(train) and len(test)):
        raise Unsplittable(f"no case lies {'after' if len(train) else 'before'} {from_date}")
    return Split(f"in time, tested from {from_date}", (Fold("later", train, test),))


def existing_folds(table: pl.DataFrame) -> Split:
    """The folds that came with the data (column `fold`), each tested once.

    Raises Unsplittable where they are none, or where a patient, or copies of a picture, stand in two of them.
    """
    rows = _rows(table, "fold")
    if rows["fold"].null_count() or rows["fold"].n_unique() < 2:
        raise Unsplittable("the column fold does not tell two folds for every case")
    straddling = rows.group_by("unit").agg(n=pl.col("fold").n_unique()).filter(pl.col("n") > 1)
    if len(straddling):
        raise Unsplittable(
            f"{len(straddling)} patients stand in two of the folds that came with the data, by name or by the same "
            "pixels: `osteon cohort check` lists them; split anew instead"
        )
    return _split(rows.rename({"fold": "group"}), "the folds that came with the data")


def write_split(split: Split, path: Path) -> None:
    """Saves the split (fold, part, case) with its rule and digest: as Parquet, or as CSV with `<name>.json`.

    Raises Unsplittable where `path` ends in neither .parquet nor .csv.
    """
    parts = [
        pl.DataFrame({"case": cases}).select(fold=pl.lit(fold.name), part=pl.lit(part), case="case")
        for fold in split.folds
        for part, cases in (("train", fold.train), ("test", fold.test))
    ]
    saved = json.dumps({"rule": split.rule, "digest": split.digest})
    if path.suffix.lower() == ".csv":
        pl.concat(parts).write_csv(path)
        path.with_suffix(".json").write_text(saved + "\n")
    elif path.suffix.lower() == ".parquet":
        pl.concat(parts).write_parquet(path, metadata={METADATA_KEY: saved})
    else:
        raise Unsplittable(f"a split is saved as .parquet or .csv, not as {path.name}")


def open_split(path: Path) -> Split:
    """The split that was saved; raises Unsplittable where the file is none or is not as it was written."""
    try:
        if path.suffix.lower() == ".csv":
            table, text = pl.read_csv(path, infer_schema=False), path.with_suffix(".json").read_text()
        else:
            table, text = pl.read_parquet(path), pl.read_parquet_metadata(path)[METADATA_KEY]
        saved = json.loads(text)
    except (pl.exceptions.PolarsError, OSError, KeyError, ValueError):
        raise Unsplittable(f"{path.name} is no saved split") from None
    names = table["fold"].unique(maintain_order=True)
    parts = table.partition_by("fold", "part", as_dict=True)
    empty = pl.Series("case", [], pl.String)
    folds = tuple(
        Fold(name, *(parts[name, part]["case"] if (name, part) in parts else empty for part in ("train", "test")))
        for name in names
    )
    split = Split(saved["rule"], folds)
    if split.digest != saved["digest"]:
        raise Unsplittable(f"{path.name} was changed after it was saved: make the split again")
    return split


def _rows(table: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Case, label, unit and `columns`, sorted by case, so that the order of the table does not matter."""
    if missing := [name for name in columns if name not in table.columns]:
        raise Unsplittable(f"the table has no column {missing[0]}")
    if not len(table):
        raise Unsplittable("the table has no rows")
    wanted = table.select("case", "label", *columns)
    return wanted.with_columns(unit=units(table)).sort("case")


def _label_of_units(rows: pl.DataFrame) -> pl.DataFrame:
    """Unit and label, by unit: the rarest of its images' labels, or `` where none is known."""
    return (
        rows.with_columns(pl.col("label").fill_null(""))
        .with_columns(frequency=pl.len().over("label"), is_unknown=pl.col("label") == "")
        .sort("is_unknown", "frequency", "label")
        .group_by("unit", maintain_order=True)
        .agg(pl.col("label").first())
        .sort("unit")
    )


def _grouped(counts: pl.DataFrame, n_groups: int) -> dict[str, str]:
    """Value to group, the largest first to the group that has least; {} where a group would lack a class."""
    positives, others = [0] * n_groups, [0] * n_groups
    group_of: dict[str, str] = {}
    for value, n_positive, n_other in counts.iter_rows():
        if n_positive:
            least = min(range(n_groups), key=lambda group: (positives[group], others[group]))
        else:
            least = min(range(n_groups), key=lambda group: (others[group], positives[group]))
        positives[least] += n_positive
        others[least] += n_other
        group_of[value] = f"{least:03d}"
    return group_of if n_groups and all(positives) and all(others) else {}


def _split(rows: pl.DataFrame, rule: str) -> Split:
    """Each group tested once; whoever is tested is in no training."""
    return Split(rule, tuple(_fold(rows, name) for name in sorted(rows["group"].unique().to_list(), key=_numerically)))


def _fold(rows: pl.DataFrame, name: str) -> Fold:
    tested = rows.filter(pl.col("group") == name)
    rest = rows.filter(pl.col("group") != name).join(tested.select("unit").unique(), on="unit", how="anti")
    return Fold(name, rest["case"].sort(), tested["case"].sort())


def _numerically(name: str) -> tuple[int, int, str]:
    return (0, int(name), "") if name.isdecimal() else (1, 0, name)

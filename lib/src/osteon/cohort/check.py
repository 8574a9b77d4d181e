"""All that is wrong with a data set, with file, line and way out; never stops at the first, never changes the data.

Lines are those of the table as CSV: the first row is line 2.
"""

from collections.abc import Callable, Iterator

import polars as pl

from osteon.cohort.knows import LEAST_POSITIVE, knowing, others_needed
from osteon.cohort.measure import Bytes, measured
from osteon.cohort.problem import Problem
from osteon.cohort.split import AFF
from osteon.cohort.table import Description, violations
from osteon.errors import Fatal, OsteonError, Passing

__all__ = ["checked_files", "checked_table", "checked_variables"]

FIRST_LINE = 2
SIZES = ("depth", "height", "width")


def checked_table(table: pl.DataFrame, description: Description, name: str) -> list[Problem]:
    """What can be told from the table alone; `name` is the table's file."""
    return [
        *_rules(table, description, name),
        *_unknown(table, description, name),
        *_twice(table, name),
        *_patients(table, description, name),
    ]


def checked_files(
    table: pl.DataFrame, read: Bytes, name: str, progress: Callable[[int], None] = lambda _: None
) -> list[Problem]:
    """Opens and decodes every file: what is missing, unreadable, or no longer what the table says of it. Where the
    store can't be reached, or a reference is of another kind than `s3://`, its images are not opened, and it is said.
    """
    whole, table, away = table, *_within_reach(table, read, name)
    own = [column for column in ("sha256", "pixels_sha256", *SIZES) if column in table.columns]
    seen, problems = measured(table.drop(own), read, progress=progress)
    line_of = dict(zip(table["path"], range(FIRST_LINE, len(table) + FIRST_LINE), strict=True))
    found = away + [Problem(one.kind, name, line_of.get(one.where, 0), f"{one.where}: {one.says}", one.way_out)
                    for one in problems]  # fmt: skip
    both = table.select("path", *own).with_columns(seen.select(pl.col(own).name.suffix(" seen")))
    # Ingest hashes pixels before it masks burnt-in text, and stores them after; what is stored is named by its bytes.
    is_masked = pl.col("path").str.starts_with("s3://")
    for column in own:
        differs = (pl.col(column) != pl.col(f"{column} seen")).fill_null(value=False)
        differs = differs & ~is_masked if column == "pixels_sha256" else differs
        for line in _lines(both, differs):
            says = "the file is another one than when the table was written" if column == "sha256" else (
                f"{column} is not what the file has")  # fmt: skip
            found.append(Problem("has-changed", name, line, says, "import the data set again, or fetch the old file"))
    found += _twice(seen.with_columns(path=None), name) if whole["pixels_sha256"].null_count() else []
    return found


def _within_reach(table: pl.DataFrame, read: Bytes, name: str) -> tuple[pl.DataFrame, list[Problem]]:
    """The table with no path where it refers to what can't be reached now; rows keep their places, and lines theirs."""
    problems = []
    is_s3 = pl.col("path").str.starts_with("s3://")
    out_of_reach = pl.col("path").str.contains("://", literal=True) & ~is_s3
    if n_other := table.filter(out_of_reach).height:
        says = f"{n_other} images were not opened: their references are not s3://bucket/key"
        problems.append(Problem("not-checked", name, says=says, way_out="fetch them into a folder, and name the files"))
    for path in table.filter(is_s3)["path"].head(1):
        try:
            read(path)
        except (Passing, Fatal) as error:
            out_of_reach = pl.col("path").str.contains("://", literal=True)
            says = f"{table.filter(is_s3).height} images in the store were not opened: {error}"
            way_out = "set OSTEON_STORE_ENDPOINT, OSTEON_STORE_ACCESS_KEY and OSTEON_STORE_SECRET_KEY"
            problems.append(Problem("not-checked", name, says=says, way_out=way_out))
        except (OsteonError, OSError):
            pass  # one image's own trouble, which is told with the others
    return table.with_columns(path=pl.when(out_of_reach).then(None).otherwise(pl.col("path"))), problems


def checked_variables(
    table: pl.DataFrame, variables: pl.DataFrame | None, name: str, positive: tuple[str, ...] = AFF
) -> list[Problem]:
    """Variables that know the outcome better than anything that is known before it; see `osteon.cohort.knows`.

    `variables` has a row a patient (`osteon register build`); without it the table's own further columns are looked at,
    and what is told of device and geometry.
    """
    outcome = (
        table.filter(pl.col("label").is_not_null())
        .group_by("patient", maintain_order=True)
        .agg(is_positive=pl.col("label").is_in(positive).any())
    )
    if variables is None:
        unlike = ("case", "patient", "study", "label", "path", "sha256", "pixels_sha256", "fold", "node")
        columns = [column for column in table.columns if column not in unlike]
        first = table.group_by("patient", maintain_order=True).agg(pl.col(columns).first())
    else:
        first = variables
    joined = outcome.join(first, on="patient", how="inner", maintain_order="left")
    if not joined["is_positive"].any() or joined["is_positive"].all():
        says = "variables were not compared with the outcome: one class alone is there"
        return [Problem("not-checked", name, says=says, way_out="name the positive labels with --positive")]
    known = joined.drop("patient", "is_positive")
    return _too_few(joined["is_positive"], name, positive) + [
        Problem(
            "knows-the-outcome",
            name,
            says=f"{told.name} {told.how}" + ("" if positive == AFF else f" (positive: {', '.join(positive)})"),
            way_out="leave it out of every model unless it is surely known before the outcome; where it is a site or "
            "a device, compare within it",
        )
        for told in knowing(known, joined["is_positive"].to_numpy())
    ]


def _too_few(is_positive: pl.Series, name: str, positive: tuple[str, ...]) -> list[Problem]:
    """That so few patients can't show a variable that knows the outcome, were there one."""
    n_positive, n_others = int(is_positive.sum()), int((~is_positive).sum())
    needed = others_needed(max(n_positive, LEAST_POSITIVE))
    if n_positive >= LEAST_POSITIVE and n_others >= needed:
        return []
    says = (
        f"too few patients to find each variable that knows the outcome: {n_positive} with {' or '.join(positive)} and "
        f"{n_others} without; {max(n_positive, LEAST_POSITIVE)} and {needed} are needed"
    )
    way_out = "look through the variables yourself: which were set after the outcome was known?"
    return [Problem("not-checked", name, says=says, way_out=way_out)]


def _rules(table: pl.DataFrame, description: Description, name: str) -> Iterator[Problem]:
    for text in violations(table, description):
        row, _, says = text.removeprefix("row ").partition(": ")
        kind = "label-unknown" if says.startswith("label") else "twice" if says.endswith("twice") else "rule-broken"
        yield Problem(kind, name, int(row) + 1, says, "mend the value in the source, then import again")


def _unknown(table: pl.DataFrame, description: Description, name: str) -> Iterator[Problem]:
    if description.labels:
        for line in _lines(table, pl.col("label").is_null()):
            yield Problem(
                "label-unknown", name, line, "no label", "add one, or leave the case to training without labels"
            )
    for line in _lines(table, pl.col("spacing_y_mm").is_null() | pl.col("spacing_x_mm").is_null()):
        yield Problem("no-spacing", name, line, "no pixel spacing",
                      "state a rule with `osteon cohort import --spacing`, or leave the case out")  # fmt: skip
    if not description.site_is:
        yield Problem("no-site", name, says="this data set tells no site",
                      way_out="bring a table of sites, or make no study of sites")  # fmt: skip
    else:
        for line in _lines(table, pl.col("site").is_null()):
            yield Problem("no-site", name, line, "no site", "add it; no whole sites can be held out until then")
    if description.patient_is != "patient":
        yield Problem("no-patient", name, says="this data set tells no patient: each image counts as one",
                      way_out="bring a table of patients, or say that splits are by image")  # fmt: skip
    for line in _lines(table, pl.col("path").is_null()):
        yield Problem("missing", name, line, "no file is named", "name it, or leave the case out")


def _twice(table: pl.DataFrame, name: str) -> Iterator[Problem]:
    numbered = table.with_row_index("line", FIRST_LINE)
    for column, same in (("path", "file"), ("pixels_sha256", "pixels")):
        groups = (
            numbered.filter(pl.col(column).is_not_null())
            .group_by(column, maintain_order=True)
            .agg("line", n_patients=pl.col("patient").n_unique(), n_labels=pl.col("label").drop_nulls().n_unique())
            .filter(pl.col("line").list.len() > 1)
        )
        for lines, n_patients, n_labels in groups.select("line", "n_patients", "n_labels").iter_rows():
            also = " under another patient" if n_patients > 1 else ""
            for line in lines[1:]:
                yield Problem("twice", name, line, f"the same {same} as line {lines[0]}{also}",
                              "keep one; splits hold both on one side, and `prepare` takes one labelled")  # fmt: skip
            if n_labels > 1:
                says = f"the same {same} under different labels, here and in line {lines[1]}"
                way_out = "ask whoever set the labels; `prepare` leaves all of them out"
                yield Problem("contradiction", name, lines[0], says, way_out)


def _patients(table: pl.DataFrame, description: Description, name: str) -> Iterator[Problem]:
    if description.patient_is != "patient":
        return
    numbered = table.with_row_index("line", FIRST_LINE)
    for column, kind, says, way_out in (
        ("site", "patient-at-two-sites", "this patient was imaged at several sites",
         "nothing if that is so; it may be two people under one number: put the site before it"),
        ("fold", "patient-in-two-folds", "this patient stands in several folds", "split anew with `k_fold`"),
    ):  # fmt: skip
        changes = (
            numbered.filter(pl.col(column).is_not_null())
            .unique(["patient", column], keep="first", maintain_order=True)
            .filter(pl.len().over("patient") > 1)
            .group_by("patient", maintain_order=True)
            .agg("line")
        )
        for lines in changes["line"]:
            yield Problem(kind, name, int(lines[1]), f"{says}, first in line {lines[0]}", way_out)


def _lines(table: pl.DataFrame, broken: pl.Expr) -> list[int]:
    rows = table.select(pl.arg_where(broken.fill_null(value=False))).to_series()
    return [int(row) + FIRST_LINE for row in rows]

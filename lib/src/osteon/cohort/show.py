"""Counts by site, label, size and time: printed as tables, drawn as one page of plots."""

from pathlib import Path

import polars as pl
from rich.table import Table

from osteon.cohort.table import Cohort, Description

__all__ = ["draw", "summary", "tables"]

MOST_ROWS = 20
INK = ("#2a6f97", "#d98032", "#5a8f3c", "#8d5a97", "#777777")


def summary(cohort: Cohort) -> pl.DataFrame:
    """One row of totals, computed without the rows being held: cases, patients, sites, labels, first and last date."""
    return cohort.frame.select(
        cases=pl.len(),
        patients=pl.col("patient").n_unique(),
        sites=pl.col("site").drop_nulls().n_unique(),
        vendors=pl.col("vendor").drop_nulls().n_unique(),
        without_label=pl.col("label").is_null().sum(),
        without_spacing=pl.col("spacing_y_mm").is_null().sum(),
        first=pl.col("exam_date").min(),
        last=pl.col("exam_date").max(),
    ).collect()


def tables(cohort: Cohort) -> list[Table]:
    """For people: the totals, then labels by site, by view and side, sizes and years."""
    frame = cohort.frame.select(
        "patient",
        "site",
        "vendor",
        "label",
        "view",
        "side",
        "body_part",
        "height",
        "width",
        "spacing_y_mm",
        "exam_date",
    ).collect()
    total = Table(title=cohort.description.name, show_header=False)
    for name, value in summary(cohort).row(0, named=True).items():
        total.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value or "-"))
    total.add_row("patient is", cohort.description.patient_is)
    total.add_row("site is", cohort.description.site_is or "not told")
    return [
        total,
        _by_label(frame, "site", cohort.description, with_patients=True),
        _by_label(frame, "vendor", cohort.description),
        _by_label(frame, "view", cohort.description),
        _by_label(frame, "body_part", cohort.description),
        _by_label(frame.with_columns(year=pl.col("exam_date").dt.year()), "year", cohort.description),
        _sizes(frame),
    ]


def draw(cohort: Cohort, path: Path) -> None:
    """Four plots on one page, as PNG or SVG by the ending of `path`: sites, labels, sizes, years."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    frame = cohort.frame.select(
        "site",
        "label",
        "height",
        "width",
        "spacing_y_mm",
        "exam_date",
        megapixels=pl.col("height") * pl.col("width") / 1e6,
    ).collect()
    figure, ((sites, labels), (sizes, years)) = pyplot.subplots(2, 2, figsize=(11, 7), layout="constrained")
    try:
        names = [*sorted(frame["label"].drop_nulls().unique()), None]
        counts = frame.group_by("site").len().sort("len", descending=True)["site"].to_list()
        bottom = [0] * len(counts)
        for number, name in enumerate(names):
            own = frame.filter(pl.col("label").eq_missing(pl.lit(name))).group_by("site").len()
            of = dict(own.iter_rows())
            heights = [of.get(site, 0) for site in counts]
            sites.bar(
                range(len(counts)), heights, bottom=bottom, color=INK[number % 5], label=name or "no label", width=0.9
            )
            bottom = [below + height for below, height in zip(bottom, heights, strict=True)]
            labels.barh(name or "no label", sum(heights), color=INK[number % 5])
        sites.set(title=f"images at each of {len(counts)} sites", xlabel="site, by size", ylabel="images")
        sites.legend(frameon=False, fontsize=8)
        labels.set(title="labels", xlabel="images")
        sizes.hist(frame["megapixels"].drop_nulls().to_numpy(), bins=30, color=INK[0])
        sizes.set(title="size", xlabel="megapixels", ylabel="images")
        by_year = frame.drop_nulls("exam_date").group_by(pl.col("exam_date").dt.year()).len().sort("exam_date")
        years.bar(by_year["exam_date"].to_list(), by_year["len"].to_list(), color=INK[0])
        years.set(title="examinations a year", xlabel="year", ylabel="images")
        figure.suptitle(cohort.description.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120)
    finally:
        pyplot.close(figure)


def _by_label(frame: pl.DataFrame, column: str, description: Description, *, with_patients: bool = False) -> Table:
    """Images of each label, a row a value, the largest first; a tail beyond `MOST_ROWS` is summed up."""
    labels = [*description.labels, None]
    table = Table(title=f"by {column.replace('_', ' ')}")
    table.add_column(column.replace("_", " "))
    for name in (*(["patients"] if with_patients else []), "images", *(label or "no label" for label in labels)):
        table.add_column(name, justify="right")
    counts = frame.group_by(column).agg(
        pl.col("patient").n_unique().alias("_patients"),
        pl.len().alias("_images"),
        *(pl.col("label").eq_missing(pl.lit(label)).sum().alias(f"_{number}") for number, label in enumerate(labels)),
    )
    by_time = column == "year"
    counts = counts.sort(column) if by_time else counts.sort("_images", column, descending=[True, False])
    numbers = [*(["_patients"] if with_patients else []), "_images", *(f"_{n}" for n in range(len(labels)))]
    for row in counts.head(MOST_ROWS).select(column, *numbers).iter_rows():
        table.add_row("not told" if row[0] is None else str(row[0]), *(f"{value:,}" for value in row[1:]))
    if len(counts) > MOST_ROWS:
        rest = counts[MOST_ROWS:]
        table.add_row(f"{len(rest)} more", *(f"{rest[name].sum():,}" for name in numbers))
    return table


def _sizes(frame: pl.DataFrame) -> Table:
    table = Table(title="size")
    for name in ("", "least", "quarter", "middle", "three quarters", "most"):
        table.add_column(name, justify="right" if name else "left")
    for name in ("height", "width", "spacing_y_mm"):
        quantiles = [frame[name].quantile(q) for q in (0, 0.25, 0.5, 0.75, 1)]
        table.add_row(name.replace("_", " "), *("-" if value is None else f"{value:,.4g}" for value in quantiles))
    return table

"""What the site's ingest has stored: the records of `osteon.image.deidentified`, whose images lie in the object store.

Patients are pseudonyms already, and site, geometry and hashes stand in each record, so that no image is opened. Records
tell no label: `osteon cohort from-store --table` joins one, by image id or by the patient's pseudonym.
"""

from collections.abc import Iterable, Iterator

import polars as pl

from osteon.bus.record import Record
from osteon.bus.wire import Bus
from osteon.cohort.column_map import ColumnMap, labels_of, mapped, not_understood
from osteon.cohort.identifying import is_a_number_of_a_person
from osteon.cohort.problem import Problem
from osteon.cohort.readers.found import NotThisDataSet, agreed, table_of
from osteon.cohort.table import Description, collected, conformed
from osteon.cohort.tabular import Tabular
from osteon.contracts.topics import IMAGE_DEIDENTIFIED, IMAGE_KNOWN, Topic
from osteon.v1.image_pb2 import ImageDeidentified

__all__ = ["DESCRIPTION", "of_records", "on_the_bus", "with_labels"]

VIEWS = {"AP": "AP", "PA": "AP", "LL": "lateral", "RL": "lateral"}
DESCRIPTION = Description(
    "stored", labels=(), source="osteon.image.deidentified", spacing_rule="as the header tells",
    notes=("labels come from a table of one's own", "paths are objects of the site's store"),
)  # fmt: skip


def on_the_bus(bus: Bus) -> Iterator[ImageDeidentified]:
    """All records that are committed now, oldest first, one by one, but for those of images that ingest no longer
    knows: Kafka keeps a forgotten patient's records until they are too old. Raises Passing.
    """
    known: set[bytes] = set()
    for record in _committed(bus, IMAGE_KNOWN):
        (known.discard if record.value is None else known.add)(record.key)
    for record in _committed(bus, IMAGE_DEIDENTIFIED):
        if record.value is None:
            continue
        image = ImageDeidentified.FromString(record.value)
        if image.image_id.encode() in known:
            yield image


def _committed(bus: Bus, topic: Topic) -> Iterator[Record]:
    tail = bus.tail(topic)
    try:
        while more := tail.more():
            yield from more
    finally:
        tail.close()


def of_records(records: Iterable[ImageDeidentified]) -> tuple[pl.DataFrame, list[Problem]]:
    """A row for each image, by its latest record, in the order of their ids; pictures that came twice are named."""
    rows: dict[str, dict[str, object]] = {}
    same_as: dict[str, str] = {}
    for record in records:
        rows[record.image_id] = _row(record)
        same_as[record.image_id] = record.same_pixels_as
    way_out = "nothing: splits keep both on one side"
    problems = [
        Problem("twice", image, says=f"it has the pixels of {other}", way_out=way_out)
        for image, other in same_as.items()
        if other
    ]
    return table_of(rows.values()).sort("case"), problems


def with_labels(
    table: pl.DataFrame, tabular: Tabular, name: str, known: ColumnMap
) -> tuple[pl.DataFrame, tuple[str, ...], list[Problem]]:
    """The table with what a researcher's table adds by a column map, for each image id (column `case`) or pseudonym
    (column `patient`); the labels that may be in it; and what is wrong with it. What the records say counts; what lines
    of one key do not agree on is left out. Raises NotThisDataSet where neither fits an image."""
    told = mapped(tabular.table, known)
    told = told.drop(column for column in told.columns if is_a_number_of_a_person(column))
    for key in ("case", "patient"):
        if key in told.columns and len(set(told[key].drop_nulls()) & set(table[key])):
            break
    else:
        raise NotThisDataSet(
            f"no line of {name} fits an image: bring a column image id (case), or patient with pseudonyms"
        )
    problems = not_understood(tabular.table, known, name, tabular.first_line)
    problems += _lines_in_vain(told[key], table[key], name, tabular.first_line)
    other = agreed(told.drop({"case", "patient", "path"} - {key}, strict=False), key)
    joined = table.join(other, on=key, how="left", suffix=" told", maintain_order="left")
    both = [column for column in table.columns if f"{column} told" in joined.columns]
    merged = [pl.coalesce(column, pl.col(f"{column} told").cast(table.schema[column])).alias(column) for column in both]
    labelled = joined.with_columns(merged).drop(f"{column} told" for column in both)
    return collected(conformed(labelled)), labels_of(known), problems


def _lines_in_vain(told: pl.Series, stored: pl.Series, name: str, first_line: int) -> list[Problem]:
    """Lines that fit no image, and lines whose key stood in an earlier one."""
    problems = []
    for row in (~told.is_in(stored.implode()).fill_null(value=False)).arg_true():
        says = f"no image that is stored has this {told.name}"
        problems.append(Problem("missing", name, row + first_line, says, "send the image, or remove the line"))
    for row in (~told.is_first_distinct() & told.is_not_null()).arg_true():
        says = f"{told.name} stands in several lines; what differs between them is left out"
        problems.append(Problem("twice", name, row + first_line, says, "keep one line for each"))
    return problems


def _row(record: ImageDeidentified) -> dict[str, object]:
    told = record.acquisition
    return {
        "case": record.image_id,
        "patient": record.patient or record.image_id,
        "site": record.site or None,
        "family": told.device or None,
        "modality": told.modality or None,
        "view": VIEWS.get(told.view.upper(), "other") if told.view else None,
        "side": told.laterality if told.laterality in ("R", "L") else None,
        "body_part": told.body_part.upper() or None,
        "spacing_y_mm": told.row_spacing_mm or None,
        "spacing_x_mm": told.column_spacing_mm or None,
        "height": told.rows or None,
        "width": told.columns or None,
        "path": f"s3://{record.object.bucket}/{record.object.key}",
        "sha256": record.object.sha256 or None,
        "pixels_sha256": record.pixel_sha256 or None,
    }

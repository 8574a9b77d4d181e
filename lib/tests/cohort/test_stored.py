"""What ingest has stored, as a cohort: from the bus, with images and shards in a real store."""

import uuid
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from osteon.bus import Bus, connect
from osteon.bus.memory import MemoryBus
from osteon.bus.record import Outgoing
from osteon.cohort.column_map import guess
from osteon.cohort.problem import Problem
from osteon.cohort.readers import NotThisDataSet
from osteon.cohort.readers.stored import of_records, on_the_bus, with_labels
from osteon.cohort.stored_bytes import object_bytes
from osteon.cohort.table import FEMUR_LABELS, open_cohort, write_cohort
from osteon.cohort.tabular import read_tabular
from osteon.contracts.topics import IMAGE_DEIDENTIFIED, IMAGE_KNOWN
from osteon.imaging.dicom import pixel_spacing_mm
from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import specimen
from osteon.store import MemoryStore
from osteon.store import connect as connect_to_store
from osteon.v1.image_pb2 import Acquisition, ImageDeidentified, ImageKnown

from .written import run

STORE = MemoryStore()
REF = STORE.put("images", b"an image", "application/dicom")


def labelled_by(table: pl.DataFrame, path: Path) -> tuple[pl.DataFrame, tuple[str, ...], list[Problem]]:
    tabular = read_tabular(path)
    return with_labels(table, tabular, path.name, guess(tabular.table))


def record(image: str, patient: str, same_pixels_as: str = "") -> ImageDeidentified:
    told = Acquisition(modality="DX", body_part="Femur", view="LL", laterality="L", rows=3000, columns=1000,
                       row_spacing_mm=0.14, column_spacing_mm=0.15, device="d1")  # fmt: skip
    return ImageDeidentified(image_id=image, site="aspen", patient=patient, object=REF, acquisition=told,
                             pixel_sha256="a" * 64, same_pixels_as=same_pixels_as)  # fmt: skip


def publish(bus: Bus, *records: ImageDeidentified) -> None:
    """As accept does: with each record goes what it knows of the image."""
    publisher = bus.publisher()
    for one in records:
        publisher.publish(Outgoing(IMAGE_DEIDENTIFIED, one))
        publisher.publish(Outgoing(IMAGE_KNOWN, ImageKnown(image_id=one.image_id, patient=one.patient)))
    publisher.close()


def test_records_on_the_bus_become_rows_by_their_latest_word_and_forgotten_images_none() -> None:
    bus = MemoryBus()
    bus.provision([IMAGE_DEIDENTIFIED, IMAGE_KNOWN])
    publish(bus, record("i1", "p1"), record("i2", ""), record("i1", "p1", same_pixels_as="i2"), record("i3", "p3"))
    bus.publisher().publish(Outgoing(IMAGE_KNOWN, ImageKnown(image_id="i3"), removes=True))

    table, problems = of_records(on_the_bus(bus))

    rows = {row["case"]: row for row in table.iter_rows(named=True)}
    assert set(rows) == {"i1", "i2"}
    assert rows["i1"]["patient"] == "p1"
    assert rows["i2"]["patient"] == "i2"  # who is not known is nobody else
    assert (rows["i1"]["view"], rows["i1"]["body_part"], rows["i1"]["spacing_x_mm"]) == ("lateral", "FEMUR", 0.15)
    assert [(one.kind, one.where) for one in problems] == [("twice", "i1")]
    assert object_bytes(STORE)(rows["i1"]["path"]) == b"an image"


def test_labels_are_joined_by_pseudonym_and_a_table_that_fits_nobody_is_refused(tmp_path: Path) -> None:
    table, _ = of_records([record("i1", "p1"), record("i2", "p2")])
    (tmp_path / "labels.csv").write_text("patient;label\np1;cAFF\np3;TFF\n")
    (tmp_path / "others.csv").write_text("patient;label\nx;cAFF\n")

    labelled, labels, problems = labelled_by(table, tmp_path / "labels.csv")

    assert labelled["label"].to_list() == ["AFF_complete", None]
    assert [(one.kind, one.line) for one in problems] == [("missing", 3)]
    assert labels == FEMUR_LABELS
    with pytest.raises(NotThisDataSet, match=r"no line of others\.csv fits"):
        labelled_by(table, tmp_path / "others.csv")


def test_a_cohort_of_stored_images_is_checked_and_prepared_in_the_store_itself(
    kafka: str, seaweedfs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = connect_to_store(seaweedfs.endpoint, seaweedfs.access_key, seaweedfs.secret_key)
    site = uuid.uuid4().hex  # the broker is shared
    bus = connect(kafka)
    bus.provision([IMAGE_DEIDENTIFIED, IMAGE_KNOWN])
    for number in range(3):
        dataset = specimen(number, image=number, purpose="test", pitch_mm=2.0).dataset
        ref = store.put("images", encoded(dataset, ExplicitVRLittleEndian), "application/dicom")
        down, across = pixel_spacing_mm(dataset)
        told = Acquisition(modality="DX", rows=int(dataset.Rows), columns=int(dataset.Columns), row_spacing_mm=down,
                           column_spacing_mm=across)  # fmt: skip
        one = ImageDeidentified(image_id=f"{site}-{number}", site=site, patient=f"p{number}", object=ref,
                                acquisition=told, pixel_sha256=f"{number}" * 64)  # fmt: skip
        publish(bus, one)
    monkeypatch.setenv("OSTEON_KAFKA_SERVERS", kafka)
    monkeypatch.setenv("OSTEON_STORE_ENDPOINT", seaweedfs.endpoint)
    monkeypatch.setenv("OSTEON_STORE_ACCESS_KEY", seaweedfs.access_key)
    monkeypatch.setenv("OSTEON_STORE_SECRET_KEY", seaweedfs.secret_key)

    (tmp_path / "labels.csv").write_text(f"image id;fynd\n{site}-0;brott\n{site}-1;annat\n")
    table = ("--table", tmp_path / "labels.csv", "--map", "label=fynd", "--map", "case=image id")
    said = run("from-store", tmp_path / "all", *table, "--label-values", "brott=typical_fracture")
    opened = open_cohort(tmp_path / "all")
    cases = opened.frame.filter(pl.col("site") == site).collect()
    write_cohort(cases, tmp_path / "cohort.parquet", opened.description)
    store.delete(ref)  # the last image
    run("check", tmp_path, "--out", tmp_path / "problems.csv", code=1)
    prepared = run("prepare", tmp_path, f"s3://models/shards/{site}", "--rows", 64, "--columns", 32)

    assert "label-unknown (1)" in said
    assert cases["label"].to_list() == ["typical_fracture", None, None]
    problems = pl.read_csv(tmp_path / "problems.csv").filter(pl.col("is_grave"))
    assert problems.select("kind", "line").rows() == [("label-unknown", 3), ("label-unknown", 4), ("missing", 4)]
    assert "2 crops in 1 shards" in prepared
    written = {one.key.removeprefix(f"shards/{site}/") for one in store.list("models", f"shards/{site}/")}
    assert written == {"index.json", "shard-000000.json", "shard-000000.tar"}
    again = run("prepare", tmp_path, f"s3://models/shards/{site}", "--rows", 64, "--columns", 32)
    assert "(0 made now)" in again


def test_of_two_labels_for_one_patient_none_is_taken_and_it_is_told(tmp_path: Path) -> None:
    table, _ = of_records([record("i1", "p1"), record("i2", "p2")])
    (tmp_path / "labels.csv").write_text("patient;label\np1;cAFF\np1;TFF\np2;TFF\n")

    labelled, _, problems = labelled_by(table, tmp_path / "labels.csv")

    assert labelled["label"].to_list() == [None, "typical_fracture"]
    assert [(one.kind, one.line) for one in problems] == [("twice", 3)]

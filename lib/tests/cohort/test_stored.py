"""What ingest has stored, as a cohort."""

from pathlib import Path

import pytest

from osteon.bus.memory import MemoryBus
from osteon.bus.record import Outgoing
from osteon.cohort.readers import NotThisDataSet
from osteon.cohort.readers.stored import of_records, on_the_bus, with_labels
from osteon.cohort.stored_bytes import object_bytes
from osteon.cohort.table import FEMUR_LABELS
from osteon.cohort.tabular import read_tabular
from osteon.contracts.topics import IMAGE_DEIDENTIFIED
from osteon.store import MemoryStore
from osteon.v1.image_pb2 import Acquisition, ImageDeidentified

STORE = MemoryStore()
REF = STORE.put("images", b"an image", "application/dicom")


def record(image: str, patient: str, same_pixels_as: str = "") -> ImageDeidentified:
    told = Acquisition(modality="DX", body_part="Femur", view="LL", laterality="L", rows=3000, columns=1000,
                       row_spacing_mm=0.14, column_spacing_mm=0.15, device="d1")  # fmt: skip
    return ImageDeidentified(image_id=image, site="aspen", patient=patient, object=REF, acquisition=told,
                             pixel_sha256="a" * 64, same_pixels_as=same_pixels_as)  # fmt: skip


def test_records_on_the_bus_become_rows_by_their_latest_word() -> None:
    bus = MemoryBus()
    bus.provision([IMAGE_DEIDENTIFIED])
    publisher = bus.publisher()
    for one in (record("i1", "p1"), record("i2", ""), record("i1", "p1", same_pixels_as="i2")):
        publisher.publish(Outgoing(IMAGE_DEIDENTIFIED, one))

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

    labelled, labels, problems = with_labels(table, read_tabular(tmp_path / "labels.csv"), "labels.csv")

    assert labelled["label"].to_list() == ["AFF_complete", None]
    assert [(one.kind, one.line) for one in problems] == [("missing", 3)]
    assert labels == FEMUR_LABELS
    with pytest.raises(NotThisDataSet, match=r"no line of others\.csv fits"):
        with_labels(table, read_tabular(tmp_path / "others.csv"), "others.csv")


def test_of_two_labels_for_one_patient_none_is_taken_and_it_is_told(tmp_path: Path) -> None:
    table, _ = of_records([record("i1", "p1"), record("i2", "p2")])
    (tmp_path / "labels.csv").write_text("patient;label\np1;cAFF\np1;TFF\np2;TFF\n")

    labelled, _, problems = with_labels(table, read_tabular(tmp_path / "labels.csv"), "labels.csv")

    assert labelled["label"].to_list() == [None, "typical_fracture"]
    assert [(one.kind, one.line) for one in problems] == [("twice", 3)]

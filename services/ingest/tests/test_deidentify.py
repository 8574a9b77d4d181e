"""No identifier survives, wherever it was planted."""

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, FileMetaDataset, dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from osteon.errors import SetAside
from osteon.imaging.dicom import read_dataset
from osteon.imaging.quiet import quiet_pydicom
from osteon_ingest.coverage import (
    NAME,
    attributes,
    page,
    plants,
    survives,
    tags_of,
)
from osteon_ingest.coverage import UID as UID_PLANTED
from osteon_ingest.deidentify import Subject, deidentify, to_bytes
from osteon_ingest.identity import Keys, pseudonym
from osteon_ingest.profile import Action, action_for, codes, rows, words

from .planted_datasets import DESCRIBES_PIXELS, datasets, is_clean, plant_everywhere

KEYS = Keys.from_site_key(bytes(range(32)))
SUBJECT = Subject(pseudonym(KEYS, "site", "4711"), "0" * 32)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(planted_in=datasets())
def test_nothing_planted_survives_wherever_it_lies(new_object: Callable[..., Dataset], planted_in: Dataset) -> None:
    original = new_object(rows=8)
    plant_everywhere(original, planted_in)

    with quiet_pydicom():
        content = to_bytes(deidentify(original, KEYS, SUBJECT))

    assert is_clean(content)


@pytest.mark.parametrize("part", range(8))
def test_each_attribute_of_the_dictionary_loses_what_was_planted_but_those_that_describe_the_pixels(part: int) -> None:
    left = {keyword_for_tag(plant.tag) for tag in attributes()[part::8] for plant in plants(tag) if survives(plant)}

    assert left <= DESCRIBES_PIXELS


def test_each_row_of_the_standards_table_loses_what_was_planted() -> None:
    assert [row for row in rows() for tag in tags_of(row) for plant in plants(tag) if survives(plant)] == []


def test_the_page_lists_what_stays_on_purpose() -> None:
    assert page() in (Path(__file__).parents[3] / "docs/reference/deidentification.md").read_text()


@pytest.mark.parametrize("group", [*range(0x5000, 0x5020, 2), *range(0x6000, 0x6020, 2)])
def test_nothing_of_an_overlay_or_a_curve_stays(new_object: Callable[..., Dataset], group: int) -> None:
    original = new_object(rows=2)
    original.add_new((group, 0x0010), "US", 47110)
    original.add_new((group, 0x0022), "LO", NAME)
    original.add_new((group, 0x3000), "OW", NAME.encode())

    copy = deidentify(original, KEYS, SUBJECT)

    assert [element.tag for element in copy if element.tag.group == group] == []


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("Hand 2 views", "HAND VIEWS"),
        ("Knee left", "KNEE LEFT"),
        ("Wall^Dunn", ""),
        ("Hand Brewster left", "LEFT"),
        ("Femur left, Rao 4711007", "FEMUR LEFT"),
    ],
)
def test_a_word_that_is_also_a_name_stays_only_where_nothing_else_could_be_one(
    new_object: Callable[..., Dataset], text: str, stays: str
) -> None:
    copy = deidentify(new_object(rows=2, StudyDescription=text), KEYS, SUBJECT)

    assert str(copy.get("StudyDescription", "")) == stays


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("KVP", "4711007"),
        ("InstanceNumber", "4711007"),
        ("WindowCenter", ["100", "4711007"]),
        ("PatientWeight", "4711"),
    ],
)
def test_a_number_that_its_meaning_does_not_allow_goes(
    new_object: Callable[..., Dataset], keyword: str, value: object
) -> None:
    assert keyword not in deidentify(new_object(rows=2, **{keyword: value}), KEYS, SUBJECT)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=6, max_size=12))
def test_a_description_keeps_only_words_that_are_known(new_object: Callable[..., Dataset], text: str) -> None:
    original = new_object(rows=2, StudyDescription=f"Femur {text} left", SeriesDescription=text)

    copy = deidentify(original, KEYS, SUBJECT)

    assert set(copy.StudyDescription.split()) <= words()
    assert copy.StudyDescription.split()[0] == "FEMUR"
    assert set(str(copy.get("SeriesDescription", "")).split()) <= words()


def test_no_number_survives_in_a_description(new_object: Callable[..., Dataset]) -> None:
    original = new_object(rows=2, StudyDescription="Femur 1.2.10.1 00-01-03 left")

    assert deidentify(original, KEYS, SUBJECT).StudyDescription == "FEMUR LEFT"


def test_neither_a_small_picture_nor_a_lookup_tables_end_carries_anything_out(
    new_object: Callable[..., Dataset], as_file: Callable[[Dataset], bytes]
) -> None:
    small, table = Dataset(), Dataset()
    small.ReferencedSOPInstanceUID = UID_PLANTED
    small.add_new(0x7FE00010, "OB", NAME.encode())
    table.LUTDescriptor = [2, 0, 16]
    table.add_new(0x00283006, "OW", b"\1\0\2\0" + NAME.encode())
    original = new_object(rows=2, ReferencedImageSequence=[small], VOILUTSequence=[table])
    original.add_new(0x00283006, "OW", NAME.encode())

    copy = deidentify(read_dataset(as_file(original)), KEYS, SUBJECT)

    assert is_clean(to_bytes(copy))
    assert copy.VOILUTSequence[0].LUTData == b"\1\0\2\0"


def test_deep_nesting_is_walked_to_its_end(new_object: Callable[..., Dataset]) -> None:
    original = new_object(rows=2)
    inner = original
    for _ in range(40):
        item = Dataset()
        item.PatientName = NAME
        item.ReferencedSOPInstanceUID = UID_PLANTED
        inner.ReferencedImageSequence = [item]
        inner = item

    copy = deidentify(original, KEYS, SUBJECT)

    assert is_clean(to_bytes(copy))
    depth = 0
    while "ReferencedImageSequence" in copy:
        copy, depth = copy.ReferencedImageSequence[0], depth + 1
    assert depth == 40


def test_a_uid_is_replaced_by_the_same_everywhere(new_object: Callable[..., Dataset]) -> None:
    original = new_object(rows=2)
    item = Dataset()
    item.ReferencedSOPClassUID = original.SOPClassUID
    item.ReferencedSOPInstanceUID = original.SOPInstanceUID
    other = new_object(rows=2, ReferencedImageSequence=[item])

    first, second = (deidentify(one, KEYS, SUBJECT) for one in (original, other))

    assert first.SOPInstanceUID == first.file_meta.MediaStorageSOPInstanceUID != original.SOPInstanceUID
    assert second.ReferencedImageSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert second.ReferencedImageSequence[0].ReferencedSOPClassUID == original.SOPClassUID
    assert UID(first.SOPInstanceUID).is_valid


def test_dates_and_times_move_together(new_object: Callable[..., Dataset]) -> None:
    original = new_object(
        rows=2,
        StudyDate="20200101",
        AcquisitionDateTime="20200103112030.5+0100",
        StudyTime="102030",
        PatientBirthDate="19500101",
    )

    copy = deidentify(original, KEYS, SUBJECT)

    study = datetime.strptime(copy.StudyDate + copy.StudyTime, "%Y%m%d%H%M%S")
    acquired = datetime.strptime(str(copy.AcquisitionDateTime), "%Y%m%d%H%M%S%z").replace(tzinfo=None)
    assert acquired - study == timedelta(days=2, hours=1)
    assert study < datetime(2020, 1, 1)
    assert copy.StudyTime != "102030"
    assert not copy.PatientBirthDate


def test_what_research_needs_is_kept(new_object: Callable[..., Dataset]) -> None:
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "71341001", "SCT", "Femur of Mr Planted"
    local = Dataset()
    local.CodeValue, local.CodingSchemeDesignator, local.CodeMeaning = NAME, "99LOCAL", NAME
    original = new_object(
        rows=2,
        PatientSex="F",
        PatientAge="095Y",
        PatientWeight="61.5",
        BodyPartExamined="FEMUR",
        ViewPosition="AP",
        PixelSpacing=["0.15", "0.15"],
        ImageLaterality="L",
        AnatomicRegionSequence=[region, local],
    )

    copy = deidentify(original, KEYS, SUBJECT)

    kept = (
        copy.PatientSex,
        copy.PatientAge,
        copy.PatientWeight,
        copy.BodyPartExamined,
        copy.ViewPosition,
        copy.ImageLaterality,
    )
    assert kept == ("F", "090Y", 61.5, "FEMUR", "AP", "L")
    assert list(copy.PixelSpacing) == [0.15, 0.15]
    assert [item.CodeMeaning for item in copy.AnatomicRegionSequence] == [codes()["SCT", "71341001"]]
    assert copy.PatientID == SUBJECT.patient
    assert copy.PatientIdentityRemoved == "YES"
    assert copy.LongitudinalTemporalInformationModified == "MODIFIED"
    assert [item.CodeValue for item in copy.DeidentificationMethodCodeSequence] == [
        "113100",
        "113105",
        "113107",
        "113108",
    ]


def test_the_same_object_gives_the_same_bytes(new_object: Callable[..., Dataset]) -> None:
    original = new_object(rows=4, StudyDate="20200101")

    assert to_bytes(deidentify(original, KEYS, SUBJECT)) == to_bytes(deidentify(original, KEYS, SUBJECT))


def test_cleaning_twice_still_reads(new_object: Callable[..., Dataset]) -> None:
    once = deidentify(new_object(rows=4), KEYS, SUBJECT)

    twice = deidentify(read_dataset(to_bytes(once)), KEYS, SUBJECT)

    assert twice.PixelData == once.PixelData


def test_every_row_of_the_standards_table_has_its_action() -> None:
    counts = dict.fromkeys(Action, 0)
    for tag, row in rows().items():
        action = action_for(int(tag.replace("X", "0"), 16))
        counts[action] += 1
        if row.modified_dates or row.clean_descriptors or row.patient_characteristics == "K":
            continue
        is_outside = tag.startswith(("0000", "0002", "0004"))  # command, file meta, directory: nothing stays
        assert action is not Action.SAFE, row
        assert action is Action.REMOVE or row.basic != "X", row
        assert action in (Action.NEW_UID, Action.REMOVE if is_outside else Action.NEW_UID) or "U" not in row.basic, row
    sys.stdout.write(
        f"Table E.1-1: {len(rows())} rows; " + ", ".join(f"{a.name} {n}" for a, n in counts.items()) + "\n"
    )

    assert sum(counts.values()) == len(rows()) >= 655


def test_every_known_word_and_code_is_harmless_in_form() -> None:
    assert all(word.isascii() and word.isalnum() and word.isupper() | word.isdigit() for word in words())
    assert all(meaning.isascii() and len(meaning) <= 64 for meaning in codes().values())
    assert keyword_for_tag(0x00100010) == "PatientName"


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
def test_the_copy_conforms_no_worse_than_the_original(
    new_object: Callable[..., Dataset], as_file: Callable[[Dataset], bytes], tmp_path: Path
) -> None:
    original = new_object(
        rows=8,
        StudyDate="20200101",
        StudyTime="101010",
        PatientBirthDate="19500101",
        PatientSex="M",
        Manufacturer="Maker",
        AccessionNumber="A1",
        StudyID="S1",
        ReferringPhysicianName="Some^Body",
        SeriesNumber="1",
        InstanceNumber="1",
        InstitutionName="Clinic",
        PatientOrientation=["L", "F"],
        Laterality="L",
        BodyPartExamined="LEG",
    )

    wrong = [errors(as_file(original), tmp_path), errors(to_bytes(deidentify(original, KEYS, SUBJECT)), tmp_path)]

    assert wrong[1] <= wrong[0]


def errors(content: bytes, folder: Path) -> set[str]:
    """What dciodvfy calls an error, without values."""
    path = folder / "object.dcm"
    path.write_bytes(content)
    said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    assert dcmread(io.BytesIO(content)).SOPInstanceUID
    return {line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")}


def test_a_copy_with_a_value_that_can_not_be_written_is_unreadable() -> None:
    original = Dataset()
    original.file_meta = FileMetaDataset()
    original.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    original.SOPClassUID, original.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
    copy = deidentify(original, KEYS, SUBJECT)
    with quiet_pydicom():
        copy.add_new("LUTDescriptor", "SS", [-24592, -19290, 26972, 26222])

    with pytest.raises(SetAside) as refusal:
        to_bytes(copy)

    assert refusal.value.reason == "unreadable"

"""No identifier survives, wherever it was planted."""

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import UID

from osteon.imaging.dicom import read_dataset
from osteon.imaging.quiet import quiet_pydicom
from osteon_ingest.deidentify import Subject, deidentify, to_bytes
from osteon_ingest.identity import Keys, pseudonym
from osteon_ingest.profile import Action, action_for, codes, rows, words

KEYS = Keys.from_site_key(bytes(range(32)))
SUBJECT = Subject(pseudonym(KEYS, "site", "4711"), "0" * 32)
NAME = "ZQXPLANTED"  # no word of the standard contains it
STRINGS = ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
BYTES = ("OB", "OW", "UN")
# Elements of the pixels themselves and of what a file can't be without.
SPARED = {0x7FE00010, 0x00080016, 0x00080018, 0x00280002, 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102}
PLANTABLE = sorted(
    tag
    for tag in DicomDictionary
    if dictionary_VR(tag) in (*STRINGS, *BYTES)
    and tag not in SPARED
    and tag >> 16 >= 8
    and (tag >> 16) & 0xFF00 != 0x7F00
)
SEQUENCES = sorted(tag for tag in DicomDictionary if dictionary_VR(tag) == "SQ" and tag >> 16 >= 8)


def planted(vr: str, number: int) -> object:
    text = {"AE": NAME, "AS": NAME[:4], "UI": f"1.2.{777000777 + number}"}.get(vr, f"{NAME}{number}")
    return text.encode() if vr in BYTES else text


def element(tag: int, number: int) -> DataElement:
    vr = dictionary_VR(tag)
    with quiet_pydicom():
        return DataElement(tag, "LO" if vr in ("DS", "IS") else vr, planted(vr, number))


def is_clean(content: bytes) -> bool:
    return NAME[:4].encode() not in content and b"777000777" not in content


@st.composite
def datasets(draw: st.DrawFn, depth: int = 0) -> Dataset:
    """A dataset with identifiers in it, in private blocks and in nested sequences."""
    made = Dataset()
    for number, tag in enumerate(draw(st.lists(st.sampled_from(PLANTABLE), max_size=12))):
        made.add(element(tag, number))
    if draw(st.booleans()):
        block = made.private_block(0x0029, f"{NAME} BLOCK", create=True)
        block.add_new(1, "LO", NAME)
        block.add_new(2, "SQ", Sequence([draw(datasets(depth=depth + 1))] if depth < 3 else []))
    for tag in draw(st.lists(st.sampled_from(SEQUENCES), max_size=3)) if depth < 6 else []:
        made.add(DataElement(tag, "SQ", Sequence([draw(datasets(depth=depth + 1))])))
    return made


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(planted_in=datasets())
def test_nothing_planted_survives_wherever_it_lies(new_object: Callable[..., Dataset], planted_in: Dataset) -> None:
    original = new_object(rows=8)
    for one in planted_in:
        original.add(one)
    original.file_meta.add_new(0x00020016, "AE", NAME)
    original.file_meta.add_new(0x00020100, "UI", "1.2.777000777")
    original.file_meta.add_new(0x00020102, "OB", NAME.encode())
    original.preamble = NAME.encode().ljust(128, b"\0")

    with quiet_pydicom():
        content = to_bytes(deidentify(original, KEYS, SUBJECT))

    assert is_clean(content)


@pytest.mark.parametrize("vr", STRINGS + BYTES)
def test_each_attribute_of_each_kind_loses_what_was_planted(vr: str, new_object: Callable[..., Dataset]) -> None:
    for tag in [tag for tag in PLANTABLE if dictionary_VR(tag) == vr]:
        original = new_object(rows=2)
        original.add(element(tag, 0))

        with quiet_pydicom():
            content = to_bytes(deidentify(original, KEYS, SUBJECT))

        assert is_clean(content), BaseTag(tag)


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
    small.ReferencedSOPInstanceUID = "1.2.777000777"
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
        item.ReferencedSOPInstanceUID = "1.2.777000777"
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


def test_dates_move_together_and_times_stay(new_object: Callable[..., Dataset]) -> None:
    original = new_object(
        rows=2,
        StudyDate="20200101",
        AcquisitionDateTime="20200103102030.5+0100",
        StudyTime="102030",
        PatientBirthDate="19500101",
    )

    copy = deidentify(original, KEYS, SUBJECT)

    assert copy.StudyDate != "20200101"
    moved = [deidentify(new_object(rows=2, StudyDate=day), KEYS, SUBJECT).StudyDate for day in ("20200101", "20200103")]
    assert copy.StudyDate == moved[0]
    assert str(copy.AcquisitionDateTime) == moved[1] + "102030.5+0100"
    assert copy.StudyTime == "102030"
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

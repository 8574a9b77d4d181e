import contextlib
import gzip
import io
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from osteon.errors import SetAside
from osteon_ingest.peek import HEADER_BYTES, Header, peek

HEADER = Header("1.2.3.4", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3")


def dataset() -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 100"
    made.SOPClassUID = HEADER.sop_class_uid
    made.SOPInstanceUID = HEADER.sop_instance_uid
    made.PatientName = "Secret^Sara"
    made.StudyInstanceUID = HEADER.study_instance_uid
    made.Rows = made.Columns = 64
    made.BitsAllocated = 8
    made.PixelData = np.zeros((64, 64), np.uint8).tobytes()
    made["PixelData"].VR = "OB"
    return made


def written(made: Dataset, syntax: str = ExplicitVRLittleEndian, *, is_file: bool = True) -> bytes:
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(syntax)
    stream = io.BytesIO()
    if is_file:
        dcmwrite(stream, made, enforce_file_format=True)
    else:
        del made.file_meta
        is_little = syntax != ExplicitVRBigEndian
        dcmwrite(stream, made, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=is_little)
    return stream.getvalue()


SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_object_of_any_encoding_is_named(syntax: str) -> None:
    assert peek(written(dataset(), syntax)) == HEADER


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
def test_an_object_without_preamble_and_meta_is_named(syntax: str) -> None:
    assert peek(written(dataset(), syntax, is_file=False)) == HEADER


@pytest.mark.parametrize("cut", [0.3, 0.5, 0.9])
def test_a_truncated_object_is_named(cut: float) -> None:
    whole = written(dataset())

    assert peek(whole[: int(len(whole) * cut)]).sop_instance_uid == HEADER.sop_instance_uid


def test_sequences_that_are_too_deep_do_not_hide_the_name() -> None:
    item = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    before, after = written(dataset()).split(b"\x10\x00\x10\x00PN")

    header = peek(before + item * 3000 + b"\x10\x00\x10\x00PN" + after)

    assert header.sop_instance_uid == HEADER.sop_instance_uid


def test_a_private_element_of_no_known_kind_does_not_hide_the_names() -> None:
    made = dataset()
    made.private_block(0x0009, "PLANTED", create=True).add_new(0x04, "LO", "text")

    assert peek(written(made).replace(b"\x09\x00\x04\x10LO", b"\x09\x00\x04\x10D\0")) == HEADER


def test_a_name_of_no_known_kind_that_has_no_end_is_none() -> None:
    whole = written(dataset())
    at = whole.index(b"\x02\x00\x03\x00UI") + 4

    with pytest.raises(SetAside) as refusal:
        peek(whole[:at] + b"MB\xff\xff" + whole[at + 4 :])

    assert refusal.value.reason == "unreadable"


def test_a_deflated_bomb_is_inflated_no_further_than_its_header() -> None:
    plain = written(dataset(), DeflatedExplicitVRLittleEndian)
    at = 144 + int.from_bytes(plain[140:144], "little")  # behind the group of file meta information
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = plain[:at] + packer.compress(bytes(200 * HEADER_BYTES)) + packer.flush()

    assert peek(bomb).sop_instance_uid == HEADER.sop_instance_uid  # from its file meta information


@pytest.mark.parametrize("junk", [b"", b"\0" * 500, b"%PDF-1.7 " * 99, gzip.compress(b"x" * 999), b"DICM"])
def test_what_is_not_dicom_is_refused_as_such(junk: bytes) -> None:
    with pytest.raises(SetAside) as refusal:
        peek(junk)

    assert refusal.value.reason == "not-dicom"


@pytest.mark.parametrize("uid", ["", "none", "1.2.x"])
def test_an_object_without_a_valid_instance_uid_is_refused(uid: str) -> None:
    nameless = written(dataset()).replace(b"1.2.3.4\0", uid.ljust(8, "\0").encode())

    with pytest.raises(SetAside) as refusal:
        peek(nameless)

    assert refusal.value.reason == "unreadable"


@given(st.binary(max_size=600), st.integers(0, 400))
def test_wild_bytes_are_named_or_set_aside(wild: bytes, at: int) -> None:
    whole = written(dataset())

    for data in (wild, whole[:at] + wild + whole[at + len(wild) :]):
        with contextlib.suppress(SetAside):
            assert peek(data).sop_instance_uid

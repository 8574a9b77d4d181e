"""Look at the first elements of a DICOM object, no further: enough to name it and to match it with its request."""

import io
import re
import zlib
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

from pydicom.filereader import read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from osteon.errors import SetAside

__all__ = ["Header", "data_set_sha256", "is_uid", "peek"]

HEADER_BYTES = 1 << 16  # far more than the elements up to the UIDs need, far less than a decompression bomb makes

MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002
MEDIA_STORAGE_SOP_INSTANCE_UID = 0x00020003
TRANSFER_SYNTAX_UID = 0x00020010
SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
STUDY_INSTANCE_UID = 0x0020000D
NAMING = (
    MEDIA_STORAGE_SOP_CLASS_UID,
    MEDIA_STORAGE_SOP_INSTANCE_UID,
    TRANSFER_SYNTAX_UID,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
)
_LAST_OF_META = 0x0002FFFF

Uids = dict[int, str]  # by tag

_VALID_UID = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True)
class Header:
    """The UIDs of an object; those that it does not state are empty, except for `sop_instance_uid`."""

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str


def peek(data: bytes) -> Header:
    """The UIDs of a DICOM object, from its data set or, where that can't be read, from its file meta information.

    Bounded in time and memory, whatever the bytes. Raises SetAside: `not-dicom`, or `unreadable` for
    a DICOM object that states no valid SOP Instance UID.
    """
    is_file = _is_file(data)
    stream = io.BytesIO(data[:HEADER_BYTES])
    meta = _meta(data, stream)
    dataset = _dataset(stream, meta.get(TRANSFER_SYNTAX_UID, ""))
    instance = dataset.get(SOP_INSTANCE_UID) or meta.get(MEDIA_STORAGE_SOP_INSTANCE_UID)
    sop_class = dataset.get(SOP_CLASS_UID) or meta.get(MEDIA_STORAGE_SOP_CLASS_UID) or ""
    if not (is_file or (instance and sop_class)):
        raise SetAside("not-dicom")
    if not instance:
        raise SetAside("unreadable", "The object states no valid SOP Instance UID, so it can't be told from others.")
    return Header(instance, sop_class, dataset.get(STUDY_INSTANCE_UID, ""))


def is_uid(text: str) -> bool:
    """Whether `text` can be a UID: digits and dots, 64 at most."""
    return _VALID_UID.fullmatch(text) is not None


def data_set_sha256(data: bytes) -> str:
    """The hash of an object's transfer syntax and data set: the same by whatever door it came.

    Doors and senders write preamble and file meta information (PS3.10 section 7.1) each in their own way. Bytes
    that have none, or none that can be read, count whole.
    """
    stream = io.BytesIO(data[:HEADER_BYTES])
    syntax = _meta(data, stream).get(TRANSFER_SYNTAX_UID, "")
    start = stream.tell() if syntax else 0
    hashed = sha256(f"{syntax} ".encode())
    hashed.update(memoryview(data)[start:])
    return hashed.hexdigest()


def _is_file(data: bytes) -> bool:
    return data[128:132] == b"DICM"


def _meta(data: bytes, stream: BinaryIO) -> Uids:
    """The file meta information; `stream` is left behind it."""
    stream.seek(132 if _is_file(data) else 0)
    return _uids(stream, _LAST_OF_META, is_implicit=False, is_little=True)


def _dataset(stream: BinaryIO, transfer_syntax: str) -> Uids:
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        try:
            stream = io.BytesIO(zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream.read(), HEADER_BYTES))
        except zlib.error:
            return {}
    start = stream.tell()
    first = stream.read(6)
    stream.seek(start)
    is_implicit = not first[4:].isalpha()  # where explicit, a VR of two letters follows the tag
    is_little = transfer_syntax != ExplicitVRBigEndian and first[:1] != b"\0"  # group 0008 comes as 00 08
    named = _uids(stream, SOP_INSTANCE_UID, is_implicit, is_little)
    # The study comes later, behind sequences that may be broken; the name must not depend on them.
    return named | _uids(stream, STUDY_INSTANCE_UID, is_implicit, is_little)


def _uids(stream: BinaryIO, last: int, is_implicit: bool, is_little: bool) -> Uids:
    """Valid UIDs among the elements up to and including tag `last`, with `stream` left behind them."""
    try:
        elements = read_dataset(stream, is_implicit, is_little, stop_when=lambda tag, *_: tag > last)
    except Exception:  # noqa: BLE001 - what pydicom raises on wild bytes has no common root
        return {}
    # The raw elements: asking for one by its tag may convert it, which stumbles over values not ours to judge.
    return {int(one.tag): uid for one in elements.values() if one.tag in NAMING and (uid := _uid(one.value))}


def _uid(value: object) -> str:
    text = value.decode("ascii", "replace").strip(" \0") if isinstance(value, bytes) else ""
    return text if is_uid(text) else ""

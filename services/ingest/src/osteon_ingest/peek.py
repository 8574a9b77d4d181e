"""Look at the first elements of a DICOM object, no further: enough to name it and to match it with its request."""

import io
import re
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from pydicom import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from osteon.errors import SetAside

__all__ = ["Header", "is_uid", "peek"]

HEADER_BYTES = 1 << 16  # far more than the elements up to the UIDs need, far less than a decompression bomb makes

MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002
MEDIA_STORAGE_SOP_INSTANCE_UID = 0x00020003
TRANSFER_SYNTAX_UID = 0x00020010
SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
STUDY_INSTANCE_UID = 0x0020000D
_LAST_OF_META = 0x0002FFFF

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
    is_file = data[128:132] == b"DICM"
    stream = io.BytesIO(data[:HEADER_BYTES])
    stream.seek(132 if is_file else 0)
    meta = _elements(stream, _LAST_OF_META, is_implicit=False, is_little=True)
    dataset = _dataset(stream, _uid(meta, TRANSFER_SYNTAX_UID))
    instance = _uid(dataset, SOP_INSTANCE_UID) or _uid(meta, MEDIA_STORAGE_SOP_INSTANCE_UID)
    sop_class = _uid(dataset, SOP_CLASS_UID) or _uid(meta, MEDIA_STORAGE_SOP_CLASS_UID)
    if not (is_file or (instance and sop_class)):
        raise SetAside("not-dicom")
    if not instance:
        raise SetAside("unreadable", "The object states no valid SOP Instance UID, so it can't be told from others.")
    return Header(instance, sop_class, _uid(dataset, STUDY_INSTANCE_UID))


def is_uid(text: str) -> bool:
    """Whether `text` can be a UID: digits and dots, 64 at most."""
    return _VALID_UID.fullmatch(text) is not None


def _dataset(stream: BinaryIO, transfer_syntax: str) -> Dataset:
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        try:
            stream = io.BytesIO(zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream.read(), HEADER_BYTES))
        except zlib.error:
            return Dataset()
    start = stream.tell()
    first = stream.read(6)
    stream.seek(start)
    is_implicit = not first[4:].isalpha()  # where explicit, a VR of two letters follows the tag
    is_little = transfer_syntax != ExplicitVRBigEndian and first[:1] != b"\0"  # group 0008 comes as 00 08
    named = _elements(stream, SOP_INSTANCE_UID, is_implicit, is_little)
    # The study comes later, behind sequences that may be broken; the name must not depend on them.
    named.update(_elements(stream, STUDY_INSTANCE_UID, is_implicit, is_little))
    return named


def _elements(stream: BinaryIO, last: int, is_implicit: bool, is_little: bool) -> Dataset:
    """The elements up to and including tag `last`, and `stream` behind them; none if they can't be read."""
    try:
        return read_dataset(stream, is_implicit, is_little, stop_when=lambda tag, *_: tag > last)
    except Exception:  # noqa: BLE001 - what pydicom raises on wild bytes has no common root
        return Dataset()


def _uid(dataset: Dataset, tag: int) -> str:
    # The raw bytes: converting them would warn of, or stumble over, values that are not ours to judge.
    value = dataset.get_item(tag).value if tag in dataset else None
    text = value.decode("ascii", "replace").strip(" \0") if isinstance(value, bytes) else ""
    return text if is_uid(text) else ""

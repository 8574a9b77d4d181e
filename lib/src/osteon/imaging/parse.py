"""Bytes to a pydicom dataset, guarded: bombs, nesting and truncation are found here, before anyone walks it."""

import io
import struct
import zlib
from typing import cast

import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from osteon.errors import SetAside
from osteon.imaging.quiet import BROKEN_INPUT, quiet_pydicom

__all__ = ["MAX_DATASET_BYTES", "MAX_DEPTH", "parse"]

# Far more than the largest radiograph allowed (50 megapixels of 16 bits) and its header; a deflated file of a
# few kilobytes can claim a thousand times more.
MAX_DATASET_BYTES = 256 * 2**20
# Real objects nest less than ten deep (structured reports go deepest); each level costs readers a stack frame.
MAX_DEPTH = 64
UNDEFINED_LENGTH = 0xFFFFFFFF
PREAMBLE_BYTES = 128
META_LENGTH_BYTES = 12  # (0002,0000) UL of four bytes, always the first element of the file meta
SEQUENCE_DELIMITER = b"\xfe\xff\xdd\xe0"
PIXEL_DATA_UNDEFINED = tuple(b"\xe0\x7f\x10\x00" + vr + b"\xff\xff\xff\xff" for vr in (b"OB\0\0", b"OW\0\0", b""))


def parse(data: bytes) -> FileDataset:
    """The DICOM object in `data`, with or without preamble and file meta, in any encoding.

    Its file meta has a transfer syntax unless the file neither states one nor lets it be told. Values stay
    raw until they are asked for, so asking may still raise pydicom's errors; sequences nest at most
    `MAX_DEPTH` deep.
    Raises SetAside: not-dicom, truncated, too-large (inflates beyond `MAX_DATASET_BYTES`), unreadable.
    """
    has_preamble = data[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] == b"DICM"
    if not has_preamble and not _may_start_with_an_element(data):
        raise SetAside("not-dicom")
    if has_preamble:
        _check_meta_is_whole(data)
    with quiet_pydicom():
        try:
            _check_inflated_size(data)
            dataset = pydicom.dcmread(io.BytesIO(data), force=True)
            _check_depth_and_lengths(dataset)
        except BROKEN_INPUT as error:
            is_cut = isinstance(error, (EOFError, struct.error)) or _pixels_have_no_end(data)
            raise SetAside("truncated" if is_cut else "unreadable" if has_preamble else "not-dicom") from None
        # Where an element of undefined length has no end, pydicom gives back an empty dataset without a word.
        if "PixelData" not in dataset and (_pixels_have_no_end(data) or _ends_in_a_header(dataset, data)):
            raise SetAside("truncated")
        if not has_preamble and not any(keyword in dataset for keyword in ("SOPClassUID", "StudyInstanceUID", "Rows")):
            raise SetAside("not-dicom")
        if len(dataset) == 0:
            raise SetAside("unreadable" if len(data) > PREAMBLE_BYTES + 1024 else "truncated")
        _tell_transfer_syntax(dataset)
    return dataset


def _may_start_with_an_element(data: bytes) -> bool:
    """Whether `data` can begin with an element of group 0000, 0002, 0004 or 0008, in either byte order."""
    groups = (0x0000, 0x0002, 0x0004, 0x0008)
    return len(data) >= 8 and any(int.from_bytes(data[:2], order) in groups for order in ("little", "big"))


def _check_meta_is_whole(data: bytes) -> None:
    start = PREAMBLE_BYTES + 4
    header = data[start : start + META_LENGTH_BYTES]
    if header[:4] == b"\x02\x00\x00\x00" and len(header) == META_LENGTH_BYTES:
        end = start + META_LENGTH_BYTES + int.from_bytes(header[8:], "little")
        # Files with a wrong group length exist and pydicom reads them; only one that can't be is refused.
        if end > len(data) and len(data) < start + 1024:
            raise SetAside("truncated")
    elif len(header) < META_LENGTH_BYTES:
        raise SetAside("truncated")


def _check_inflated_size(data: bytes) -> None:
    """Inflate a deflated dataset piece by piece, keeping nothing, to see that its size is bearable."""
    if DeflatedExplicitVRLittleEndian.encode() not in data[:2048]:
        return
    stream = io.BytesIO(data)
    read_preamble(stream, force=True)
    if _read_file_meta_info(stream).get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    rest, n_bytes = stream.read(), 0
    while rest and not inflater.eof:
        n_bytes += len(inflater.decompress(rest, 2**20))
        rest = inflater.unconsumed_tail
        if n_bytes > MAX_DATASET_BYTES:
            raise SetAside("too-large")
    if not inflater.eof:
        raise SetAside("truncated")


def _check_depth_and_lengths(dataset: Dataset) -> None:
    """Walk every sequence without recursion; find values that are shorter than they say."""
    level: list[Dataset] = [dataset]
    for _ in range(MAX_DEPTH):
        inner: list[Dataset] = []
        for item in level:
            for tag in list(item.keys()):
                element = item.get_item(tag)
                if isinstance(element, RawDataElement) and _is_cut(element):
                    raise SetAside("truncated")
                if _is_sequence(element):
                    inner.extend(cast(list[Dataset], item[tag].value or []))
        if not inner:
            return
        level = inner
    raise SetAside("unreadable", f"Sequences are nested more than {MAX_DEPTH} deep.")


def _pixels_have_no_end(data: bytes) -> bool:
    """Whether compressed pixels begin and never end."""
    start = max(data.rfind(start) for start in PIXEL_DATA_UNDEFINED)
    return start >= 0 and data.rfind(SEQUENCE_DELIMITER) < start


def _ends_in_a_header(dataset: Dataset, data: bytes) -> bool:
    """Whether fewer bytes follow the last value than the header of another element has."""
    raw = [element for element in dataset.values() if isinstance(element, RawDataElement)]
    if not raw or DeflatedExplicitVRLittleEndian.encode() in data[:2048]:
        return False
    last = max(raw, key=lambda element: element.value_tell)
    return last.length != UNDEFINED_LENGTH and 0 < len(data) - last.value_tell - last.length < 8


def _is_cut(element: RawDataElement) -> bool:
    if element.length == UNDEFINED_LENGTH or element.length == 0:
        return False
    return element.value is None or len(element.value) < element.length


def _is_sequence(element: DataElement | RawDataElement) -> bool:
    if element.VR is not None and element.VR != "UN":
        return element.VR == "SQ"
    try:
        return dictionary_VR(BaseTag(element.tag)) == "SQ"
    except KeyError:  # private or unknown: bytes
        return False


def _tell_transfer_syntax(dataset: FileDataset) -> None:
    """Add the transfer syntax that a file without one was read in."""
    if dataset.file_meta.get("TransferSyntaxUID"):
        return
    pixels = dataset.get_item("PixelData") if "PixelData" in dataset else None
    if isinstance(pixels, RawDataElement) and pixels.length == UNDEFINED_LENGTH:
        return  # compressed, and nobody says how
    is_implicit, is_little_endian = dataset.original_encoding
    if is_implicit:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    else:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if is_little_endian else ExplicitVRBigEndian

"""Put pixels back into a de-identified object, so that nothing but the picture is left in them.

Pixel data is a place to hide things: unused bits of each word (overlays lay there once), comments and
application segments in a compressed stream, bytes after its end.
"""

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from osteon.imaging.stored import Stored

__all__ = ["has_hidden_bits", "with_pixels", "without_comments"]

START = {b"\xff\xd8": "jpeg", b"\xff\x4f": "jpeg2000"}
JPEG_COMMENTS = (0xFE, *range(0xE0, 0xF0))  # COM and APP0 to APP15; no decoder of monochrome needs one
JPEG_2000_COMMENT = (0x64,)
JPEG_SCAN, JPEG_2000_TILE = 0xDA, 0x90  # from here on entropy-coded data
STREAMS = (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes)


def with_pixels(copy: Dataset, stored: Stored) -> None:
    """Give `copy` these stored values (y, x), uncompressed (Explicit VR Little Endian)."""
    if copy.file_meta.TransferSyntaxUID == ExplicitVRBigEndian:
        _turn_lookup_tables(copy)
    n_bits = 8 * stored.dtype.itemsize
    copy.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    copy.BitsAllocated = n_bits
    copy.BitsStored = min(int(copy.get("BitsStored") or n_bits), n_bits)
    copy.HighBit = copy.BitsStored - 1
    values = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    copy.add_new("PixelData", "OB" if n_bits == 8 else "OW", values + b"\0" * (len(values) % 2))
    copy["PixelData"].is_undefined_length = False


def has_hidden_bits(copy: Dataset, stored: Stored) -> bool:
    """Whether the uncompressed words of `copy` hold anything beside the `stored` values decoded from them."""
    syntax = copy.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated or int(copy.BitsAllocated) == 1:
        return False
    is_big = syntax == ExplicitVRBigEndian
    values = stored.astype(stored.dtype.newbyteorder(">" if is_big else "<")).tobytes()
    return bytes(copy.PixelData[: len(values)]) != values


def without_comments(copy: Dataset) -> None:
    """Take comments, application segments and anything after the frame out of compressed pixel data."""
    syntax = copy.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return
    frame = get_frame(copy.PixelData, 0, number_of_frames=1)
    copy.PixelData = encapsulate([_bare(frame) if syntax in STREAMS else frame])
    copy["PixelData"].is_undefined_length = True


def _bare(stream: bytes) -> bytes:
    """A JPEG, JPEG-LS or JPEG 2000 stream without the marker segments that hold words."""
    kind = START.get(stream[:2])
    if kind is None:
        return stream
    comments = JPEG_COMMENTS if kind == "jpeg" else JPEG_2000_COMMENT
    end = JPEG_SCAN if kind == "jpeg" else JPEG_2000_TILE
    kept, at = [stream[:2]], 2
    while at + 4 <= len(stream) and stream[at] == 0xFF and stream[at + 1] != end:
        if stream[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        length = 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        if stream[at + 1] not in comments:
            kept.append(stream[at : at + length])
        at += length
    return b"".join(kept) + _until_the_end(stream[at:])


def _until_the_end(coded: bytes) -> bytes:
    """Coded data up to its last end marker, which JPEG and JPEG 2000 share."""
    end = coded.rfind(b"\xff\xd9")
    return coded if end < 0 else coded[: end + 2]


def _turn_lookup_tables(copy: Dataset) -> None:
    """Bring the bytes of lookup tables from big to little endian."""
    for keyword in ("ModalityLUTSequence", "VOILUTSequence"):
        for item in copy.get(keyword) or []:
            table = item.get("LUTData")
            if isinstance(table, bytes):
                item.LUTData = np.frombuffer(table, ">u2").astype("<u2").tobytes()

"""Put pixels back into a de-identified object, so that nothing but the picture is left in them.

Pixel data is a place to hide things: unused bits of each word (overlays lay there once), bytes behind the last
pixel, and in a compressed stream comments, unused bytes of its headers, and what follows its coded data, which no
decoder looks at. So compressed pixels don't stay as they came: what was decoded is kept, uncompressed.
"""

from typing import Literal

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from osteon.imaging.stored import LOSSY, Stored

__all__ = ["holds_more", "with_pixels"]


def with_pixels(copy: Dataset, stored: Stored) -> None:
    """Give `copy` these stored values (y, x), uncompressed (Explicit VR Little Endian)."""
    if copy.file_meta.TransferSyntaxUID == ExplicitVRBigEndian:
        _turn_lookup_tables(copy)
    if copy.file_meta.TransferSyntaxUID in LOSSY:  # which the transfer syntax won't tell any more
        copy.LossyImageCompression = "01"
    n_bits = 8 * stored.dtype.itemsize
    copy.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    copy.BitsAllocated = n_bits
    copy.BitsStored = min(int(copy.get("BitsStored") or n_bits), n_bits)
    copy.HighBit = copy.BitsStored - 1
    copy.add_new("PixelData", "OB" if n_bits == 8 else "OW", _padded(stored, "<"))
    copy["PixelData"].is_undefined_length = False


def holds_more(copy: Dataset, stored: Stored) -> bool:
    """Whether the pixel data of `copy` holds, or may hold, anything beside the `stored` values decoded from it."""
    syntax = copy.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated or int(copy.BitsAllocated) == 1:
        return True
    return bool(copy.PixelData != _padded(stored, ">" if syntax == ExplicitVRBigEndian else "<"))


def _padded(stored: Stored, byte_order: Literal["<", ">"]) -> bytes:
    values = stored.astype(stored.dtype.newbyteorder(byte_order)).tobytes()
    return values + b"\0" * (len(values) % 2)


def _turn_lookup_tables(copy: Dataset) -> None:
    """Bring the bytes of lookup tables from big to little endian."""
    for keyword in ("ModalityLUTSequence", "VOILUTSequence"):
        for item in copy.get(keyword) or []:
            table = item.get("LUTData")
            if isinstance(table, bytes):
                item.LUTData = np.frombuffer(table, ">u2").astype("<u2").tobytes()

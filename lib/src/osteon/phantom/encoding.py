"""A dataset → the bytes of a DICOM file in a transfer syntax, always without loss."""

import io

import imagecodecs
import numpy as np
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEG2000Lossless, JPEGLosslessSV1, RLELossless

__all__ = ["encoded"]


def encoded(dataset: Dataset, transfer_syntax: str) -> bytes:
    """The dataset, which holds uncompressed pixels in explicit little endian, as a file in a transfer syntax.

    The dataset itself is changed. pydicom encodes RLE and JPEG 2000; for JPEG Lossless it has no encoder, so
    libjpeg-turbo does that.
    """
    if transfer_syntax in (RLELossless, JPEG2000Lossless):
        dataset.compress(UID(transfer_syntax), generate_instance_uid=False)
    elif transfer_syntax == JPEGLosslessSV1:
        dataset.PixelData = encapsulate([_jpeg_lossless(dataset)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _jpeg_lossless(dataset: Dataset) -> bytes:
    """The pixels as one JPEG Lossless stream (process 14, selection value 1)."""
    stored = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}")
    pixels = stored[: dataset.Rows * dataset.Columns].reshape(dataset.Rows, dataset.Columns)
    return bytes(imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1, bitspersample=dataset.BitsStored))

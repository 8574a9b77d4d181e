"""Radiographs made to order, in any transfer syntax that can be written here."""

import io
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from pydicom import dcmwrite
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
)

Radiograph = Callable[..., FileDataset]
Encode = Callable[[FileDataset, str], bytes]


def _radiograph(stored: npt.NDArray[Any], bits_stored: int = 12, **elements: Any) -> FileDataset:
    """A DX object of `stored` values, with `elements` by keyword; None takes an element away."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = UID("2.25.1")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = UID("2.25.2"), UID("2.25.3")
    dataset.Modality, dataset.PatientID, dataset.PatientName = "DX", "p1", "Nobody"
    dataset.StudyDate, dataset.StudyTime = "20200102", "030405"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = stored.dtype.itemsize * 8
    dataset.BitsStored, dataset.HighBit = bits_stored, bits_stored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.PixelSpacing = [0.2, 0.1]
    dataset.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    for keyword, value in elements.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    return dataset


def _encode(dataset: FileDataset, transfer_syntax: str = ExplicitVRLittleEndian) -> bytes:
    syntax = UID(transfer_syntax)
    buffer = io.BytesIO()
    if syntax == JPEGLosslessSV1:
        words = np.frombuffer(dataset.PixelData, f"u{dataset.BitsAllocated // 8}")
        pixels = words[: dataset.Rows * dataset.Columns].reshape(dataset.Rows, dataset.Columns)
        dataset.PixelData = encapsulate([bytes(imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1))])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    elif syntax.is_encapsulated:
        dataset.compress(syntax, generate_instance_uid=False)
    elif syntax == ExplicitVRBigEndian:
        allocated = dataset.BitsAllocated // 8
        dataset.PixelData = np.frombuffer(dataset.PixelData, f"u{allocated}").byteswap().tobytes()
        dataset["PixelData"].VR = "OB" if allocated == 1 else "OW"
    dataset.file_meta.TransferSyntaxUID = syntax
    is_implicit = syntax == ImplicitVRLittleEndian
    is_little = syntax != ExplicitVRBigEndian
    dcmwrite(buffer, dataset, enforce_file_format=True, implicit_vr=is_implicit, little_endian=is_little)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def radiograph() -> Radiograph:
    return _radiograph


@pytest.fixture(scope="session")
def encode() -> Encode:
    return _encode


@pytest.fixture(scope="session")
def ramp() -> npt.NDArray[np.uint16]:
    """12 bits that differ everywhere: 8 rows, 10 columns."""
    return np.arange(0, 4000, 50, dtype=np.uint16).reshape(8, 10)

"""Sound files that mutations start from: phantoms in every encoding, pydicom's own test files, real radiographs."""

import functools
import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pydicom.data
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from osteon.phantom.cohort import plant_identifiers
from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import DEMO_SITES, specimen

__all__ = ["PLANTED", "Seed", "phantoms", "seeds"]

REAL_FILES = Path(__file__).parents[2].parent / "shared" / "data" / "dicom"  # beside the checkout, where there is one
MAX_BYTES = 600_000  # a larger file costs time and holds nothing else
PITCH_MM = 4.0
PLANTED = (b"PLANTEDNAME", b"PLANTEDSTREET", b"PLANTEDDEVICE")
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLosslessSV1,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEG2000Lossless,
)


@dataclass(frozen=True)
class Seed:
    """A file by a name that says where it came from."""

    name: str
    content: bytes


@functools.cache
def phantoms() -> tuple[Seed, ...]:
    """A small femur in each transfer syntax, with lookup tables, shutters, nested sequences and identifiers."""
    return tuple(Seed(f"phantom-{UID(syntax).name}", _phantom(n, syntax)) for n, syntax in enumerate(SYNTAXES))


@functools.cache
def seeds() -> tuple[Seed, ...]:
    """All files, in an order that follows from their names. pydicom's and the real ones hold no phantom."""
    folders = (("pydicom", Path(pydicom.data.__file__).parent), ("real", REAL_FILES))
    found = [
        Seed(f"{name}-{path.relative_to(folder)}", path.read_bytes())
        for name, folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".py", ".pyc", ".csv", ".md", ".json", ".txt")
    ]
    return (*phantoms(), *(seed for seed in found if len(seed.content) <= MAX_BYTES))


def _phantom(number: int, syntax: str) -> bytes:
    dataset = specimen(number, number % DEMO_SITES, purpose="test", pitch_mm=PITCH_MM).dataset
    plant_identifiers(dataset, number)
    if number % 2 == 0:
        dataset.ShutterShape = ["RECTANGULAR", "CIRCULAR", "POLYGONAL"]
        dataset.ShutterLeftVerticalEdge, dataset.ShutterRightVerticalEdge = 2, dataset.Columns - 2
        dataset.ShutterUpperHorizontalEdge, dataset.ShutterLowerHorizontalEdge = 2, dataset.Rows - 2
        dataset.CenterOfCircularShutter, dataset.RadiusOfCircularShutter = [20, 20], 200
        dataset.VerticesOfThePolygonalShutter = [1, 1, 1, 90, 90, 90, 90, 1]
        dataset.PixelPaddingValue = 0
    if number % 3 == 0:
        table = Dataset()
        table.LUTDescriptor, table.LUTData = [256, 0, 16], np.arange(0, 65536, 256, np.uint16).tobytes()
        dataset.VOILUTSequence = [table]
    if syntax == JPEGBaseline8Bit:
        return _jpeg(dataset)
    if syntax == JPEGLSLossless:
        dataset.compress(UID(syntax), generate_instance_uid=False)
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        return buffer.getvalue()
    if syntax == ExplicitVRBigEndian:
        return _big_endian(encoded(dataset, ExplicitVRLittleEndian))
    return encoded(dataset, syntax)


def _jpeg(dataset: Dataset) -> bytes:
    stored = np.frombuffer(dataset.PixelData, np.uint16)[: dataset.Rows * dataset.Columns]
    gray = (stored.reshape(dataset.Rows, dataset.Columns) >> max(0, dataset.BitsStored - 8)).astype(np.uint8)
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = encapsulate([cv2.imencode(".jpg", gray)[1].tobytes()])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _big_endian(content: bytes) -> bytes:
    dataset = dcmread(io.BytesIO(content))
    dataset.PixelData = np.frombuffer(dataset.PixelData, np.uint16).byteswap().tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True, implicit_vr=False, little_endian=False)
    return buffer.getvalue()

"""A threshold in memory, and DICOM objects to carry over it."""

import io
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from osteon.bus import Outgoing
from osteon.contracts import ImageReceived
from osteon.errors import Passing
from osteon.runtime import read_settings
from osteon.store import MemoryStore
from osteon_ingest.identity import Keys
from osteon_ingest.receive import Threshold
from osteon_ingest.settings import IngestSettings

DX = "1.2.840.10008.5.1.4.1.1.1.1"


@dataclass
class Announcements:
    """What was announced, or nothing while the bus `is_away`."""

    is_away: bool = False
    images: list[ImageReceived] = field(default_factory=list)
    traceparents: list[str] = field(default_factory=list)

    def publish(self, outgoing: Outgoing, traceparent: str) -> None:
        if self.is_away:
            raise Passing("bus", "the bus is away")
        assert isinstance(outgoing.message, ImageReceived)
        self.images.append(outgoing.message)
        self.traceparents.append(traceparent)


@pytest.fixture
def settings() -> IngestSettings:
    return read_settings(IngestSettings, {}, site_key=secrets.token_hex(32), max_object_bytes=400_000, drain_s=2.0)


@pytest.fixture
def announcements() -> Announcements:
    return Announcements()


@pytest.fixture
def threshold(settings: IngestSettings, announcements: Announcements) -> Threshold:
    keys = Keys.from_site_key(settings.site_key.get_secret_value())
    return Threshold("test", keys, MemoryStore(), announcements, settings.max_object_bytes)


@pytest.fixture
def new_object() -> Callable[..., Dataset]:
    """Makes a radiograph of noise, each under UIDs of its own."""

    def make(rows: int = 64, **elements: object) -> Dataset:
        made = Dataset()
        made.SOPClassUID = DX
        made.SOPInstanceUID = generate_uid(prefix="1.2.826.0.1.3680043.10.999.")
        made.StudyInstanceUID = generate_uid(prefix="1.2.826.0.1.3680043.10.999.")
        made.SeriesInstanceUID = generate_uid(prefix="1.2.826.0.1.3680043.10.999.")
        made.Modality = "DX"
        made.PatientID = "ZZ-1729"
        made.PatientName = "Planted^Name"
        made.SamplesPerPixel = 1
        made.PhotometricInterpretation = "MONOCHROME2"
        made.Rows = made.Columns = rows
        made.BitsAllocated = made.BitsStored = 16
        made.HighBit = 15
        made.PixelRepresentation = 0
        made.PixelData = np.random.default_rng().integers(0, 1 << 16, (rows, rows), np.uint16).tobytes()
        made["PixelData"].VR = "OW"
        for keyword, value in elements.items():
            setattr(made, keyword, value)
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
        return made

    return make


@pytest.fixture
def as_file() -> Callable[[Dataset], bytes]:
    """Writes an object as a DICOM file."""

    def write(made: Dataset) -> bytes:
        stream = io.BytesIO()
        dcmwrite(stream, made, enforce_file_format=True)
        return stream.getvalue()

    return write


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Finds a port that nobody listens on; another one each time."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find


@pytest.fixture
def unused_port(free_port: Callable[[], int]) -> int:
    """A port that nobody listens on."""
    return free_port()


@pytest.fixture
def new_radiograph(new_object: Callable[..., Dataset]) -> Callable[..., Dataset]:
    """A radiograph with a spacing, smooth, so that nothing in it looks like text."""

    def make(level: int = 1000, **elements: object) -> Dataset:
        made = new_object(rows=64, PixelSpacing=["0.5", "0.5"], StudyDate="20200101", BodyPartExamined="FEMUR")
        ramp = np.linspace(level, level + 3000, 64).astype(np.uint16)
        made.PixelData = np.tile(ramp, (64, 1)).tobytes()
        for keyword, value in elements.items():
            setattr(made, keyword, value)
        return made

    return make

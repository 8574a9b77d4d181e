"""The fixed input: 3 megapixels, 16 bits stored, every second one JPEG 2000 lossless; small ones for long runs."""

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pydicom
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from osteon.phantom.encoding import encoded
from osteon.phantom.radiograph import deterministic_uid
from osteon.phantom.specimen import specimen

__all__ = ["small_radiographs", "write_radiographs"]

SITE, PITCH_MM = 4, 0.22  # maple: 1591 x 1955 pixels of 16 bits, taken across
SMALLER = 4
N_DIFFERENT = 4  # rendering takes longer than the path; the others differ in their identifiers and one pixel


def write_radiographs(folder: Path, n_images: int, run: str) -> Iterator[Path]:
    """`n_images` files whose UIDs are their own in each `run`, so that no run meets duplicates of another."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n_images):
        dataset = _rendered(number)
        _name(dataset, run, number)
        pixels = dataset.pixel_array.copy()
        pixels[-1, -1] = number + 1
        dataset.PixelData = pixels.tobytes()
        path = folder / f"{run}-{number:05d}.dcm"
        path.write_bytes(encoded(dataset, ExplicitVRLittleEndian if number % 2 == 0 else JPEG2000Lossless))
        yield path


def small_radiographs(folder: Path, n_images: int, run: str) -> list[Path]:
    """`n_images` uncompressed files of every fourth pixel of a radiograph, each with UIDs of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset = _rendered(0)
    pixels = dataset.pixel_array[::SMALLER, ::SMALLER].copy()
    dataset.Rows, dataset.Columns = pixels.shape
    paths = []
    for number in range(n_images):
        pixels[-1, -1] = number + 1
        dataset.PixelData = pixels.tobytes()
        _name(dataset, run, number)
        paths.append(folder / f"{run}-{number:05d}.dcm")
        pydicom.dcmwrite(paths[-1], dataset, enforce_file_format=True)
    return paths


@cache
def _encoded(number: int) -> bytes:
    return encoded(specimen(900 + number, SITE, pitch_mm=PITCH_MM).dataset, ExplicitVRLittleEndian)


def _rendered(number: int) -> pydicom.FileDataset:
    """One of the few different pictures."""
    return pydicom.dcmread(io.BytesIO(_encoded(number % N_DIFFERENT)))


def _name(dataset: pydicom.Dataset, run: str, number: int) -> None:
    dataset.PatientID = f"BENCH{run}-{number}"
    dataset.SOPInstanceUID = deterministic_uid("bench", run, number)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID

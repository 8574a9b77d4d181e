"""The fixed input of every benchmark: 3 megapixels, 16 bits stored, every second one JPEG 2000 lossless."""

import io
from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from osteon.phantom.encoding import encoded
from osteon.phantom.radiograph import Case, deterministic_uid, femur_radiograph
from osteon.phantom.scanner import SITES

__all__ = ["write_radiographs"]

SITE = next(site for site in SITES if site.name == "maple")  # 2125 x 1438 pixels of 16 bits
N_DIFFERENT = 4  # rendering takes longer than the path; the others differ in their identifiers and one pixel


def write_radiographs(folder: Path, n_images: int, run: str) -> Iterator[Path]:
    """`n_images` files whose UIDs are their own in each `run`, so that no run meets duplicates of another."""
    folder.mkdir(parents=True, exist_ok=True)
    patients = [femur_radiograph(Case(0, "demo", 900 + n, "atypical"), SITE) for n in range(N_DIFFERENT)]
    bases = [(encoded(dataset, ExplicitVRLittleEndian)) for dataset in patients]
    for number in range(n_images):
        dataset = pydicom.dcmread(io.BytesIO(bases[number % N_DIFFERENT]))
        dataset.PatientID = f"BENCH{run}-{number}"
        dataset.SOPInstanceUID = deterministic_uid("bench", run, number)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        pixels = dataset.pixel_array.copy()
        pixels[-1, -1] = number + 1
        dataset.PixelData = pixels.tobytes()
        path = folder / f"{run}-{number:05d}.dcm"
        path.write_bytes(encoded(dataset, ExplicitVRLittleEndian if number % 2 == 0 else JPEG2000Lossless))
        yield path

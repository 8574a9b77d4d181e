"""What is sent: femurs of the digital cohort, a few hundred pixels wide, two to a patient; every 20th is blank."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import DEMO_SITES, specimen

__all__ = ["Radiograph", "write_radiographs"]

PER_PATIENT = 2  # so that a partition holds several images of one patient
BLANK_EVERY = 20
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


@dataclass(frozen=True)
class Radiograph:
    """A file, its SOP Instance UID, and the outcome that it should have: `classified`, or why it is set aside."""

    path: Path
    uid: str
    expected: str


def write_radiographs(folder: Path, n_images: int, seed: int) -> Iterator[Radiograph]:
    """Write and give one after the other; all follow from the seed."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n_images):
        patient, image = divmod(number, PER_PATIENT)
        dataset = specimen(patient, patient % DEMO_SITES, image=image, seed=seed).dataset
        is_blank = number % BLANK_EVERY == BLANK_EVERY - 1
        if is_blank:
            dataset.PixelData = bytes(len(dataset.PixelData))
        path = folder / f"{number:05d}.dcm"
        path.write_bytes(encoded(dataset, EXPLICIT_LITTLE_ENDIAN))
        yield Radiograph(path, str(dataset.SOPInstanceUID), "blank" if is_blank else "classified")

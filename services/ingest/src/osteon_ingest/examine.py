"""Examine: the bytes of a DICOM object in, an image without identifiers out, or set aside for a stated reason.

Pure: no bus, no store, no clock. The order is by price: what can be refused by its header is not decoded.
"""

from dataclasses import dataclass

from pydicom.dataset import Dataset

from osteon.contracts import Acquisition
from osteon.errors import SetAside
from osteon.imaging.derived import is_own_output
from osteon.imaging.dicom import decode, pixel_sha256, pixel_spacing_mm, read_dataset
from osteon.imaging.quiet import BROKEN_INPUT, quiet_pydicom
from osteon.imaging.stored import Stored
from osteon_ingest.burnt_in import find_text, mask_text
from osteon_ingest.deidentify import CLEANER, Subject, deidentify, state_clean_pixels, to_bytes
from osteon_ingest.identity import Keys, device_pseudonym, pseudonym
from osteon_ingest.repack import holds_more, with_pixels
from osteon_ingest.vault import Entry

__all__ = ["Deidentified", "examine"]

# An element with a wrong VR can often be read; it is not what its name says, and does not stay (see `deidentify`).
DESCRIBE_PIXELS = ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation", "PixelData")


@dataclass(frozen=True, repr=False)
class Deidentified:
    """An image without identifiers, as the bytes of a DICOM file, and what goes into the record and the vault."""

    content: bytes
    patient: str
    pixel_sha256: str
    acquisition: Acquisition
    entry: Entry


def examine(keys: Keys, site: str, image_id: str, original: bytes) -> Deidentified:
    """De-identify the DICOM object in `original`. Raises SetAside."""
    dataset = read_dataset(original)
    if _is_own(dataset):
        raise SetAside("own-output")
    stored = decode(dataset)
    if stored.min() == stored.max():
        raise SetAside("blank")
    spacing_mm = pixel_spacing_mm(dataset)
    entry = _entry(keys, site, image_id, dataset)
    copy = deidentify(dataset, keys, Subject(entry.patient, image_id))
    if not all(keyword in copy for keyword in DESCRIBE_PIXELS):
        raise SetAside("unreadable", "What describes the pixels is not of the kind that the standard says.")
    _clean_pixels(copy, stored)
    acquisition = _acquisition(copy, spacing_mm)
    acquisition.device = _device(keys, dataset)
    return Deidentified(to_bytes(copy), entry.patient, pixel_sha256(stored), acquisition, entry)


def _is_own(dataset: Dataset) -> bool:
    """Whether Osteon made this object: derived it, or de-identified it."""
    return is_own_output(dataset) or CLEANER.split()[0] in _text(dataset, "DeidentificationMethod")


def _clean_pixels(copy: Dataset, stored: Stored) -> None:
    """Mask text in the pixels of `copy`, and leave nothing hidden beside them. Raises SetAside."""
    boxes = find_text(stored)
    with quiet_pydicom():
        if boxes:
            with_pixels(copy, mask_text(stored, boxes))
        elif holds_more(copy, stored):
            with_pixels(copy, stored)
        state_clean_pixels(copy)


def _entry(keys: Keys, site: str, image_id: str, dataset: Dataset) -> Entry:
    """What the vault keeps of an original."""
    issuer = _text(dataset, "IssuerOfPatientID")
    patient_id = _text(dataset, "PatientID")
    return Entry(
        image_id=image_id,
        patient=pseudonym(keys, issuer or site, patient_id),
        issuer_of_patient_id=issuer,
        patient_id=patient_id,
        patient_name=_text(dataset, "PatientName"),
        patient_birth_date=_text(dataset, "PatientBirthDate"),
        accession_number=_text(dataset, "AccessionNumber"),
        study_instance_uid=_text(dataset, "StudyInstanceUID"),
        series_instance_uid=_text(dataset, "SeriesInstanceUID"),
        sop_instance_uid=_text(dataset, "SOPInstanceUID"),
        sop_class_uid=_text(dataset, "SOPClassUID"),
        character_set=_text(dataset, "SpecificCharacterSet"),
    )


def _acquisition(copy: Dataset, spacing_mm: tuple[float, float]) -> Acquisition:
    """How the picture was taken, read from the de-identified copy, so that it can't tell more than that does."""
    return Acquisition(
        modality=_text(copy, "Modality"),
        body_part=(_text(copy, "BodyPartExamined") or _meaning(copy, "AnatomicRegionSequence")).upper(),
        view=(_text(copy, "ViewPosition") or _meaning(copy, "ViewCodeSequence")).upper(),
        laterality=_text(copy, "ImageLaterality") or _text(copy, "Laterality"),
        rows=int(copy.Rows),
        columns=int(copy.Columns),
        row_spacing_mm=spacing_mm[0],
        column_spacing_mm=spacing_mm[1],
    )


def _device(keys: Keys, dataset: Dataset) -> str:
    """The machine's pseudonym: by serial number if it states one, else by its station."""
    name = _text(dataset, "DeviceSerialNumber") or _text(dataset, "StationName")
    if not name:
        return ""
    return device_pseudonym(keys, _text(dataset, "Manufacturer"), _text(dataset, "ManufacturerModelName"), name)


def _meaning(dataset: Dataset, keyword: str) -> str:
    items = dataset.get(keyword) or []
    return _text(items[0], "CodeMeaning") if items else ""


def _text(dataset: Dataset, keyword: str) -> str:
    """The value as text; empty if there is none or it can't be read."""
    with quiet_pydicom():
        try:
            value = dataset.get(keyword)
        except BROKEN_INPUT:
            return ""
    return "" if value is None else str(value).strip(" \0")

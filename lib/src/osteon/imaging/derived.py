"""An `Image` back to DICOM: a derived object that conforms, says what it was made of, and is the same every time.

It is a Secondary Capture object with the modality of its source. A Digital X-Ray object would have to state
the patient's orientation, laterality, detector and spacing at the detector (all type 1), which the source
may not know and which turning the image changes; viewers hang images by them, so they may not be guessed.
"""

import hashlib
import io
import uuid

import numpy as np
import numpy.typing as npt
from pydicom.config import RAISE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pydicom.valuerep import format_number_as_ds, validate_value

from osteon.imaging.image import Image
from osteon.imaging.quiet import BROKEN_INPUT, quiet_pydicom
from osteon.imaging.stored import LOSSY

__all__ = ["CARRIED_OVER", "MANUFACTURER", "derived_dicom", "derived_uid", "is_own_output"]

MANUFACTURER = "Osteon"
LEVELS = 65535  # 16 stored bits: the step is 1.5e-5 of the image's range
# Of the source, as it stands: (keyword, whether it must be there even if empty).
CARRIED_OVER = (
    ("SpecificCharacterSet", False),
    ("TimezoneOffsetFromUTC", False),
    ("PatientName", True),
    ("PatientID", True),
    ("PatientBirthDate", True),
    ("PatientSex", True),
    ("PatientAge", False),
    ("PatientIdentityRemoved", False),
    ("DeidentificationMethod", False),
    ("DeidentificationMethodCodeSequence", False),
    ("LongitudinalTemporalInformationModified", False),
    ("StudyDate", True),
    ("StudyTime", True),
    ("ReferringPhysicianName", True),
    ("StudyID", True),
    ("AccessionNumber", True),
    ("SeriesDate", False),
    ("SeriesTime", False),
    ("Laterality", True),
    ("BodyPartExamined", False),
    ("AcquisitionDate", False),
    ("AcquisitionTime", False),
    ("ContentDate", False),
    ("ContentTime", False),
    ("BurnedInAnnotation", False),
    ("LossyImageCompressionRatio", False),
    ("LossyImageCompressionMethod", False),
)


def derived_dicom(source: Dataset, image: Image, role: str, release_set: str) -> bytes:
    """`image` as a DICOM file, made from the (de-identified) `source` in a `role` such as "harmonized".

    The same arguments give the same bytes: UIDs come from the source's UIDs, `role` and `release_set`; dates
    and times are those of the source. Pixels are 16 bit MONOCHROME2 with a rescale, so that `read_image`
    returns `image` to within half a step, (max - min) / 65535 / 2. Pixel Spacing is that of `image`.
    """
    names = (role, release_set)
    with quiet_pydicom():
        derived = FileDataset("", {}, file_meta=_file_meta(), preamble=b"\0" * 128)
        for keyword, is_required in CARRIED_OVER:
            _carry_over(derived, source, keyword, is_required)
        _identify(derived, source, names)
        _say_how_it_came_about(derived, source, names)
        _add_pixels(derived, image)
        buffer = io.BytesIO()
        derived.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def derived_uid(*parts: str) -> UID:
    """A UID that follows from `parts` alone: a name-based UUID under 2.25 (PS3.5 B.2), over SHA-256."""
    digest = hashlib.sha256("\0".join(("osteon", *parts)).encode()).digest()
    return UID(f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}")


def is_own_output(dataset: Dataset) -> bool:
    """Whether Osteon derived this object, also after a PACS has rewritten its file meta."""
    with quiet_pydicom():
        try:
            if "DERIVED" not in str(dataset.get("ImageType", "")):
                return False
            equipment = [dataset, *(dataset.get("ContributingEquipmentSequence") or [])]
            makers = [item.get("Manufacturer") for item in equipment]
            return MANUFACTURER in [*makers, dataset.get("SecondaryCaptureDeviceManufacturer")]
        except BROKEN_INPUT:  # Osteon writes none of these so that they can't be read
            return False


def _file_meta() -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = derived_uid("implementation")
    meta.ImplementationVersionName = "OSTEON"
    return meta


def _carry_over(derived: Dataset, source: Dataset, keyword: str, is_required: bool) -> None:
    """A value that breaks its own representation is left out: the derived object is ours to answer for."""
    if keyword in source and _is_valid(source[keyword]):
        derived[keyword] = source[keyword]
    elif is_required:
        setattr(derived, keyword, None)


def _is_valid(element: DataElement) -> bool:
    values = element.value if isinstance(element.value, MultiValue) else [element.value]
    try:
        for value in values:
            validate_value(element.VR, value, RAISE)
    except ValueError:
        return False
    return True


def _identify(derived: Dataset, source: Dataset, names: tuple[str, str]) -> None:
    """Same patient and study as the source; a series for each role and release set."""
    uid = str(source.SOPInstanceUID)
    series_uid = str(source.get("SeriesInstanceUID") or uid)
    derived.SOPClassUID = derived.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    derived.SOPInstanceUID = derived.file_meta.MediaStorageSOPInstanceUID = derived_uid("image", uid, *names)
    derived.StudyInstanceUID = source.get("StudyInstanceUID") or derived_uid("study", uid)
    derived.SeriesInstanceUID = derived_uid("series", series_uid, *names)
    derived.Modality = source.get("Modality") or "OT"
    derived.SeriesDescription = f"{MANUFACTURER} {names[0]}"
    derived.SeriesNumber = None
    derived.InstanceNumber = source.get("InstanceNumber")
    derived.PatientOrientation = None
    if source.get("ImageLaterality") in ("R", "L"):
        derived.Laterality = source.ImageLaterality
    derived.ConversionType = "WSD"
    derived.Manufacturer = derived.SecondaryCaptureDeviceManufacturer = MANUFACTURER


def _say_how_it_came_about(derived: Dataset, source: Dataset, names: tuple[str, str]) -> None:
    role, release_set = names
    derived.ImageType = ["DERIVED", "PRIMARY"]
    derived.DerivationDescription = f"{role} by {MANUFACTURER}, release set {release_set}"
    # Once lost is lost for ever (PS3.3 C.7.6.1.1.5), also where the header forgot to say so.
    syntax = str(source.file_meta.get("TransferSyntaxUID", "")) if hasattr(source, "file_meta") else ""
    is_lossy = source.get("LossyImageCompression") == "01" or syntax in LOSSY
    derived.LossyImageCompression = "01" if is_lossy else "00"

    origin = Dataset()
    origin.ReferencedSOPClassUID = source.SOPClassUID
    origin.ReferencedSOPInstanceUID = source.SOPInstanceUID
    origin.PurposeOfReferenceCodeSequence = _code("121322", "Source image for image processing operation")
    derived.SourceImageSequence = Sequence([origin])

    osteon = Dataset()
    osteon.Manufacturer = MANUFACTURER
    osteon.SoftwareVersions = release_set
    osteon.PurposeOfReferenceCodeSequence = _code("109103", "Modifying Equipment")
    derived.ContributingEquipmentSequence = Sequence([osteon])


def _code(value: str, meaning: str) -> Sequence:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return Sequence([code])


def _add_pixels(derived: Dataset, image: Image) -> None:
    low, high = float(image.pixels.min()), float(image.pixels.max())
    slope, intercept = format_number_as_ds((high - low) / LEVELS or 1.0), format_number_as_ds(low)
    # The step that a reader will use is the one that is written, rounded to 16 characters.
    stored = np.rint((image.pixels.astype(np.float64) - float(intercept)) / float(slope))
    stored16: npt.NDArray[np.uint16] = np.clip(stored, 0, LEVELS).astype("<u2")
    derived.Rows, derived.Columns = image.pixels.shape
    derived.SamplesPerPixel = 1
    derived.PhotometricInterpretation = "MONOCHROME2"
    derived.BitsAllocated = derived.BitsStored = 16
    derived.HighBit = 15
    derived.PixelRepresentation = 0
    derived.PixelSpacing = [format_number_as_ds(spacing) for spacing in image.spacing_mm]
    derived.RescaleSlope, derived.RescaleIntercept, derived.RescaleType = slope, intercept, "US"
    derived.WindowCenter = format_number_as_ds((low + high) / 2)
    derived.WindowWidth = format_number_as_ds((high - low) or 1.0)
    derived.VOILUTFunction = "LINEAR_EXACT"  # LINEAR takes one from the width, which may be all there is
    derived.PixelData = stored16.tobytes()

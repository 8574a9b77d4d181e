"""One exposure as a DICOM object: DX or CR, with the identifiers of a patient who never was in its header."""

import hashlib
from dataclasses import dataclass
from datetime import date

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

from osteon.phantom.exposure import Stored
from osteon.phantom.sites import Site

__all__ = ["Exam", "deterministic_uid", "radiograph"]

ANATOMY = {  # body part: code of SNOMED CT, which DICOM's context group 4009 uses, and its meaning
    "FEMUR": ("71341001", "Femur"),
    "THIGH": ("68367000", "Thigh"),
    "CHEST": ("51185008", "Chest"),
}
VIEWS = {  # as DICOM's context group 4010 has them
    "AP": ("399348003", "antero-posterior"),
    "lateral": ("399067008", "lateral"),
}
DETECTORS = {"caesium-iodide": "SCINTILLATOR", "phosphor": "STORAGE", "selenium": "DIRECT"}


@dataclass(frozen=True)
class Exam:
    """What a header says of the patient and the visit. All of it is artificial.

    `patient_id` names the patient in the whole cohort; `study` counts the patient's visits and `image` the images, both
    from 0. `view` is AP or lateral, `side` R or L, or U where there is none,
    `sex` F or M.
    """

    patient_id: str
    day: date
    view: str = "AP"
    side: str = "R"
    image: int = 0
    study: int = 0
    sex: str = "F"
    birth_date: date = date(1935, 1, 1)


def radiograph(stored: Stored, site: Site, room: int, exam: Exam) -> Dataset:
    """The exposure as a dataset with uncompressed pixels; `osteon.phantom.encoding.encoded` makes it a file.

    The transfer syntax that the site writes is `stored.scanner.geometry.transfer_syntax`.
    """
    is_dx = stored.scanner.modality == "DX"
    ds = _identity(site, room, stored, exam)
    _add_patient_and_visit(ds, site, exam)
    _add_acquisition(ds, stored, exam)
    if is_dx:
        _add_dx_modules(ds, stored, site, exam)
    else:
        ds.Laterality = exam.side if exam.side in ("R", "L") else ""
    _add_pixels(ds, stored, is_dx=is_dx)
    return ds


def deterministic_uid(*parts: object) -> str:
    """A UID that follows from `parts` alone, below the root for UUIDs (PS3.5, annex B.2)."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16])}"


def _identity(site: Site, room: int, stored: Stored, exam: Exam) -> Dataset:
    scanner = stored.scanner
    shape = "x".join(str(n) for n in stored.pixels.shape)
    names = (exam.patient_id, exam.study, exam.image, site.name, room, exam.day, exam.view, shape)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = (
        DigitalXRayImageStorageForPresentation if scanner.modality == "DX" else ComputedRadiographyImageStorage
    )
    ds.SOPInstanceUID = deterministic_uid("instance", *names)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.StudyInstanceUID = deterministic_uid("study", exam.patient_id, exam.study, site.name)
    ds.SeriesInstanceUID = deterministic_uid("series", *names)
    ds.Modality = scanner.modality
    ds.Manufacturer = scanner.manufacturer
    ds.ManufacturerModelName = scanner.model
    ds.DeviceSerialNumber = f"PHANTOM-{site.name}-{room}"
    ds.SoftwareVersions = "phantom"
    ds.InstitutionName = f"Phantom Hospital {site.name.capitalize()}"
    ds.StationName = f"{site.name}{room}".upper()[:16]
    return ds


def _add_patient_and_visit(ds: Dataset, site: Site, exam: Exam) -> None:
    number = hashlib.sha256(exam.patient_id.encode()).hexdigest()[:8].upper()
    day, hour = exam.day.strftime("%Y%m%d"), f"{8 + (exam.image + exam.study) % 10:02d}3000"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = day
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = hour
    ds.AccessionNumber = f"PHACC{number}{exam.study}"
    ds.ReferringPhysicianName = f"PHANTOMREFERRER^{number}"
    ds.StudyID = f"PS{number}{exam.study}"
    ds.StudyDescription = site.body_part
    ds.PatientName = f"PHANTOM^{number}"
    ds.PatientID = exam.patient_id
    ds.PatientBirthDate = exam.birth_date.strftime("%Y%m%d")
    ds.PatientSex = exam.sex
    born = exam.birth_date
    years = exam.day.year - born.year - ((exam.day.month, exam.day.day) < (born.month, born.day))
    ds.PatientAge = f"{years:03d}Y"
    ds.BodyPartExamined = site.body_part
    ds.SeriesNumber = ds.InstanceNumber = exam.image + 1


def _add_acquisition(ds: Dataset, stored: Stored, exam: Exam) -> None:
    """How the exposure was made (PS3.3, C.8.7.5 and C.8.11.3); lengths in mm."""
    geometry = stored.scanner.geometry
    ds.ViewPosition = "AP" if exam.view == "AP" else "LL"
    across = "L" if exam.view == "AP" else "A"
    ds.PatientOrientation = [across, "F"] if not geometry.is_crosswise else ["F", {"L": "R", "A": "P"}[across]]
    ds.KVP = geometry.tube.kvp
    ds.DistanceSourceToDetector = geometry.distance_mm
    ds.DistanceSourceToPatient = round(geometry.distance_mm / geometry.magnification, 3)
    ds.ExposureIndex = round(100 * stored.scanner.noise.dose_uGy)  # IEC 62494-1: 100 for each uGy at the detector


def _add_dx_modules(ds: Dataset, stored: Stored, site: Site, exam: Exam) -> None:
    """What the DX object asks for beyond CR (PS3.3, A.26)."""
    geometry, scatter = stored.scanner.geometry, stored.scanner.scatter
    is_inverted = geometry.photometric == "MONOCHROME1"
    ds.ImageLaterality = exam.side
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.PositionerType = "COLUMN"
    ds.EstimatedRadiographicMagnificationFactor = round(geometry.magnification, 6)
    ds.DetectorType = DETECTORS[stored.scanner.noise.absorber]
    ds.DetectorConfiguration = "AREA"
    ds.FocalSpots = round(stored.scanner.frequency.focus_mm, 2)
    ds.Grid = "NONE" if scatter.grid_scatter >= 1 else ("FIXED" if scatter.lines_contrast else "RECIPROCATING")
    ds.FilterMaterial = ["ALUMINUM", "COPPER"] if geometry.tube.copper_mm else "ALUMINUM"
    thicknesses = [geometry.tube.aluminium_mm, geometry.tube.copper_mm][: 2 if geometry.tube.copper_mm else 1]
    ds.FilterThicknessMinimum = ds.FilterThicknessMaximum = thicknesses
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = 1 if is_inverted else -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.PresentationLUTShape = "INVERSE" if is_inverted else "IDENTITY"
    ds.BurnedInAnnotation = "YES" if geometry.is_annotated else "NO"  # few devices tell of a burnt-in marker
    ds.AcquisitionContextSequence = []
    ds.AnatomicRegionSequence = [_code(*ANATOMY[site.body_part])]
    ds.ViewCodeSequence = [_code(*VIEWS[exam.view])]
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = []


def _add_pixels(ds: Dataset, stored: Stored, *, is_dx: bool) -> None:
    geometry = stored.scanner.geometry
    is_lossy = stored.scanner.local.jpeg_quality < 99.5
    made = "DERIVED" if is_lossy or stored.is_crop else "ORIGINAL"
    ds.ImageType = [made, "PRIMARY", ""] if is_dx else [made, "PRIMARY"]
    ds.LossyImageCompression = "01" if is_lossy else "00"
    if is_lossy:
        ds.LossyImageCompressionRatio, ds.LossyImageCompressionMethod = 12, "ISO_10918_1"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = geometry.photometric
    ds.Rows, ds.Columns = stored.pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, geometry.bits_stored, geometry.bits_stored - 1
    ds.PixelRepresentation = 0
    ds.ImagerPixelSpacing = [round(stored.pitch_mm, 6), round(stored.pitch_mm, 6)]
    ds.WindowCenter, ds.WindowWidth = (round(value) for value in stored.window)
    ds.PixelData = stored.pixels.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "SCT", meaning
    return code

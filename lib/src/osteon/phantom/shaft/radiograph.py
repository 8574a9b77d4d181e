"""One image of the digital cohort as a DICOM object: DX or CR, with a patient's identifiers in its header."""

from dataclasses import dataclass

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

from osteon.phantom.chest import project_chest
from osteon.phantom.projection import Thickness
from osteon.phantom.radiograph import deterministic_uid
from osteon.phantom.seeds import generator
from osteon.phantom.shaft.femur import draw_femur, draw_thigh
from osteon.phantom.shaft.fracture import Label, break_femur
from osteon.phantom.shaft.projection import draw_pose, project
from osteon.phantom.shaft.scanner import Site, Stored, develop
from osteon.phantom.shaft.xray import expose

__all__ = ["Case", "chest_radiograph", "femur_radiograph"]

FINEST_RENDERED_MM = 0.3  # about the blur of focus and detector together; finer geometry costs time and shows nothing
ANATOMY = {  # body part: code of SNOMED CT, which DICOM's context group 4009 uses, and its meaning
    "FEMUR": ("71341001", "Femur"),
    "THIGH": ("68367000", "Thigh"),
    "CHEST": ("51185008", "Chest"),
}


@dataclass(frozen=True)
class Case:
    """Which image: number `image` of patient number `patient` of a purpose (see `osteon.phantom.seeds`)."""

    seed: int
    purpose: str
    patient: int
    label: Label
    image: int = 0


def femur_radiograph(case: Case, site: Site, *, pitch_mm: float | None = None) -> Dataset:
    """The case imaged at a site; `pitch_mm` is the site's own unless a coarser one will do, as in training."""
    pitch_mm = pitch_mm or site.pitch_mm
    patient_rng = generator(case.seed, case.purpose, case.patient)
    thigh = draw_thigh(patient_rng)
    femur, fracture = break_femur(draw_femur(patient_rng), case.label, patient_rng)
    rng = generator(case.seed, case.purpose, case.patient, case.image)
    pose = draw_pose(femur, fracture, rng)
    thickness = project(
        femur, thigh, fracture, pose, field_mm=site.field_mm, spacing_mm=_rendered_mm(pitch_mm), rng=rng
    )
    side = "L" if pose.is_left else "R"
    stored = _imaged(thickness, case, site, pitch_mm, side)
    dataset = _header(case, site, site.body_part, side)
    return _with_pixels(dataset, stored, site, pitch_mm)


def chest_radiograph(case: Case, site: Site) -> Dataset:
    """A chest film of the case's patient, which says so in its header."""
    rng = generator(case.seed, case.purpose, case.patient, case.image)
    thickness = project_chest(site.field_mm, _rendered_mm(site.pitch_mm), rng)
    stored = _imaged(thickness, case, site, site.pitch_mm, "L")
    return _with_pixels(_header(case, site, "CHEST", "U"), stored, site, site.pitch_mm)


def _rendered_mm(pitch_mm: float) -> float:
    return max(FINEST_RENDERED_MM, pitch_mm)


def _imaged(thickness: Thickness, case: Case, site: Site, pitch_mm: float, side: str) -> Stored:
    """Noise and processing have random numbers of their own, so that neither depends on the number of pixels."""
    noise, processing = (generator(case.seed, case.purpose, case.patient, case.image, n) for n in (0, 1))
    shape = (round(site.field_mm[0] / pitch_mm), round(site.field_mm[1] / pitch_mm))
    return develop(expose(thickness, site.beam, site.detector, shape, noise), site, side, processing)


def _header(case: Case, site: Site, body_part: str, side: str) -> Dataset:
    """All but the pixels. Names are clearly artificial; dates follow from the patient's number."""
    number = f"{case.patient:04d}"
    names = (case.seed, case.purpose, case.patient, case.image, site.name, body_part)
    is_dx = site.modality == "DX"
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = DigitalXRayImageStorageForPresentation if is_dx else ComputedRadiographyImageStorage
    ds.SOPInstanceUID = deterministic_uid("instance", *names)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.StudyInstanceUID = deterministic_uid("study", *names[:3], site.name)
    ds.SeriesInstanceUID = deterministic_uid("series", *names)
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = f"2021{1 + case.patient % 12:02d}15"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = f"{8 + case.image % 10:02d}3000"
    ds.Modality = site.modality
    ds.Manufacturer = site.manufacturer
    ds.ManufacturerModelName = f"{site.manufacturer} {site.modality} {site.pitch_mm:g}"
    ds.DeviceSerialNumber = f"PHANTOM-{site.name}"
    ds.SoftwareVersions = "phantom"
    ds.InstitutionName = f"Phantom Hospital {site.name.capitalize()}"
    ds.AccessionNumber = f"PHACC{number}"
    ds.ReferringPhysicianName = f"PHANTOMREFERRER^{number}"
    ds.StudyID = f"PS{number}"
    ds.StudyDescription = body_part
    ds.PatientName = f"PHANTOM^{number}"
    ds.PatientID = f"PHID{number}"
    ds.PatientBirthDate = f"19{30 + case.patient % 30}0101"
    ds.PatientSex = "F" if case.patient % 5 else "M"
    ds.PatientAge = "078Y"
    ds.BodyPartExamined = body_part
    ds.ViewPosition = "AP"
    ds.Laterality = side if side in "LR" else ""
    ds.KVP = site.kvp
    ds.SeriesNumber = ds.InstanceNumber = case.image + 1
    ds.PatientOrientation = ["L", "F"] if not site.is_crosswise else ["F", "R"]
    if is_dx:
        _add_dx_modules(ds, site, body_part, side)
    return ds


def _add_dx_modules(ds: Dataset, site: Site, body_part: str, side: str) -> None:
    """What the DX object asks for beyond CR (PS3.3, A.26)."""
    del ds.Laterality  # ImageLaterality says it for each image
    ds.ImageLaterality = side
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.PositionerType = "COLUMN"
    ds.DetectorType = "SCINTILLATOR"
    ds.DetectorConfiguration = "AREA"
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = 1 if site.photometric == "MONOCHROME1" else -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.PresentationLUTShape = "INVERSE" if site.photometric == "MONOCHROME1" else "IDENTITY"
    ds.LossyImageCompression = "00"
    ds.BurnedInAnnotation = "NO"  # as many devices claim, although the marker is burnt in
    ds.AcquisitionContextSequence = []
    code = Dataset()
    code.CodeValue, code.CodeMeaning = ANATOMY[body_part]
    code.CodingSchemeDesignator = "SCT"
    ds.AnatomicRegionSequence = [code]


def _with_pixels(ds: Dataset, stored: Stored, site: Site, pitch_mm: float) -> Dataset:
    ds.ImageType = ["ORIGINAL", "PRIMARY"] if site.modality == "CR" else ["ORIGINAL", "PRIMARY", ""]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = site.photometric
    ds.Rows, ds.Columns = stored.pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, site.bits_stored, site.bits_stored - 1
    ds.PixelRepresentation = 0
    ds.ImagerPixelSpacing = [round(pitch_mm, 6), round(pitch_mm, 6)]
    top = 2**site.bits_stored - 1
    center, width = stored.window or ((top + 1) / 2, top + 1)
    ds.WindowCenter, ds.WindowWidth = round(center), round(width)
    ds.PixelData = stored.pixels.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    return ds

"""A DICOM object to an `Image`, or set aside for a stated reason; and what else the path asks of DICOM."""

from pydicom.dataset import Dataset, FileDataset

from osteon.errors import SetAside
from osteon.imaging.derived import derived_dicom, derived_uid, is_own_output
from osteon.imaging.grayscale import bone_bright
from osteon.imaging.image import Image
from osteon.imaging.parse import parse
from osteon.imaging.quiet import BROKEN_INPUT, quiet_pydicom
from osteon.imaging.stored import MAX_PIXELS, Stored, decode, pixel_format, pixel_sha256

# Detectors have pixels of 0.02 to 0.4 mm; beyond these bounds by far, grids overflow that are made of them.
LEAST_SPACING_MM, LARGEST_SPACING_MM = 1e-3, 1e2
# The longest films show two legs or a whole spine. What looks for the bone takes time by the area in millimeters:
# minutes and gigabytes for a picture that says it is forty meters wide.
LARGEST_SIDE_MM = 3000.0

__all__ = [
    "MAX_PIXELS",
    "decode",
    "derived_dicom",
    "derived_uid",
    "image_from",
    "is_own_output",
    "pixel_sha256",
    "pixel_spacing_mm",
    "read_dataset",
    "read_image",
]


def read_dataset(data: bytes) -> FileDataset:
    """The DICOM object in `data`, with or without preamble and file meta, as a pydicom dataset.

    Raises SetAside: not-dicom, truncated, too-large, unreadable.
    """
    return parse(data)


def read_image(source: Dataset | bytes, max_pixels: int = MAX_PIXELS) -> Image:
    """The radiograph in a DICOM object (or its bytes): bone bright, with its spacing.

    See `osteon.imaging.grayscale` for what is honoured, and how. Raises SetAside with the reasons of
    `read_dataset` and `decode`, and: no-spacing, blank. Nothing else is raised for bad input.
    """
    dataset = read_dataset(source) if isinstance(source, bytes) else source
    pixel_format(dataset, max_pixels)
    pixel_spacing_mm(dataset)  # cheap, so before decoding
    return image_from(dataset, decode(dataset, max_pixels))


def image_from(dataset: Dataset, stored: Stored) -> Image:
    """The `Image` of `dataset` whose `stored` values are decoded already (and perhaps masked)."""
    form = pixel_format(dataset)
    spacing_mm = pixel_spacing_mm(dataset)
    with quiet_pydicom():
        try:
            return Image(bone_bright(stored, dataset, form), spacing_mm)
        except BROKEN_INPUT:
            raise SetAside("unreadable") from None


def pixel_spacing_mm(dataset: Dataset) -> tuple[float, float]:
    """Spacing (row, column) in the patient where the file tells it, in mm; raises SetAside("no-spacing").

    Pixel Spacing counts first: it is calibrated where both are given. Imager Pixel Spacing is that of the
    detector, so it is divided by the magnification if that is stated (PS3.3 10.7.1.3). Then that of a
    scanned film. The first that is present decides: a wrong one, zero or absurd, is not replaced by another.
    """
    with quiet_pydicom():
        try:
            for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
                if values := dataset.get(keyword):
                    spacing = float(values[0]), float(values[1])
                    magnification = float(dataset.get("EstimatedRadiographicMagnificationFactor") or 1)
                    if keyword == "ImagerPixelSpacing":
                        spacing = spacing[0] / magnification, spacing[1] / magnification
                    if _is_bearable(dataset, spacing):
                        return spacing
                    break
        except BROKEN_INPUT:
            raise SetAside("no-spacing") from None
    raise SetAside("no-spacing")


def _is_bearable(dataset: Dataset, spacing_mm: tuple[float, float]) -> bool:
    if not all(LEAST_SPACING_MM <= value <= LARGEST_SPACING_MM for value in spacing_mm):
        return False
    sides = int(dataset.get("Rows") or 0) * spacing_mm[0], int(dataset.get("Columns") or 0) * spacing_mm[1]
    return max(sides) <= LARGEST_SIDE_MM

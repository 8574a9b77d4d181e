"""One file of a data set: its size, spacing and hashes; and its pixels, as an `Image`.

DICOM, PNG, TIFF and JPEG are radiographs (and WebP, which collections pass off as JPEG); NIfTI is a volume. Nothing is
decoded before the header's claims have been found bearable, so that a small file that claims to be huge costs nothing.
"""

import gzip
import hashlib
import io
import math
import zlib
from dataclasses import dataclass
from typing import Any, Final

import nibabel
import numpy as np
import numpy.typing as npt
import PIL.Image
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from osteon.errors import OsteonError, SetAside
from osteon.imaging.dicom import image_from, pixel_spacing_mm, read_dataset
from osteon.imaging.image import Image
from osteon.imaging.stored import MAX_PIXELS, decode, pixel_sha256

__all__ = ["PICTURES", "VOLUMES", "Measured", "Unreadable", "grey_pixels", "image_of", "measure_bytes"]

PICTURES: Final = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
VOLUMES: Final = (".nii", ".nii.gz")
MAX_FILE_BYTES = 1 << 30
MAX_VOLUME_BYTES = 2 << 30  # a heart in time at 0.7 mm has a quarter of it
# What a header says of a file's values; NIfTI's code for its units of length (nifti1.h, NIFTI_UNITS_*).
MM_OF_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
BROKEN_PICTURE = (
    OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, TypeError, OverflowError, MemoryError, zlib.error,
    PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning,
)  # fmt: skip
BROKEN_VOLUME = (*BROKEN_PICTURE, ImageFileError, HeaderDataError, WrapStructError, gzip.BadGzipFile)


class Unreadable(OsteonError):
    """A file that holds no image that can be read here; the text says why, without its name."""


@dataclass(frozen=True)
class Measured:
    """What a file says of itself; lengths in mm, None where it does not say. `pixels_sha256` is empty if not asked."""

    height: int
    width: int
    depth: int | None
    spacing_mm: tuple[float | None, float, float] | None
    sha256: str
    pixels_sha256: str = ""


def measure_bytes(data: bytes, name: str, *, has_pixels_read: bool = True, spacing_rule: str = "") -> Measured:
    """Size, spacing and hashes of a file's content; `name` tells its kind.

    `spacing_rule` is for pictures, whose files tell none: `dpi` believes their resolution, `width:430` says that all
    are 430 mm wide, `0.14` that all have pixels of 0.14 mm; `` leaves it open. Raises Unreadable.
    """
    if len(data) > MAX_FILE_BYTES:
        raise Unreadable(f"the file has more than {MAX_FILE_BYTES >> 20} MiB")
    sha256 = hashlib.sha256(data).hexdigest()
    if name.lower().endswith(VOLUMES):
        return _measured_volume(data, name, sha256, has_pixels_read=has_pixels_read)
    if name.lower().endswith(PICTURES):
        with _opened(data) as picture:
            width, height = picture.size
            spacing = _ruled_spacing(picture, spacing_rule)
            pixels = pixel_sha256(_countable(_grey(picture))) if has_pixels_read else ""
        return Measured(height, width, None, spacing and (None, *spacing), sha256, pixels)
    return _measured_dicom(data, sha256, has_pixels_read=has_pixels_read)


def image_of(
    data: bytes, name: str, spacing_mm: tuple[float, float] | None = None, *, is_inverted: bool = False
) -> Image:
    """The radiograph in a file's content, bone bright.

    DICOM tells spacing and polarity itself, and `spacing_mm` counts only where it tells none; a picture needs
    `spacing_mm`, and `is_inverted` where bone is dark in it. Raises Unreadable.
    """
    if name.lower().endswith(VOLUMES):
        raise Unreadable("a volume is no radiograph")
    if not name.lower().endswith(PICTURES):
        return _dicom_image(data, spacing_mm)
    if spacing_mm is None:
        raise Unreadable("nothing tells its pixel spacing: state one in the table")
    pixels = grey_pixels(data).astype(np.float32)
    if is_inverted:
        pixels = pixels.max() + pixels.min() - pixels
    if not np.isfinite(pixels).all():
        raise Unreadable("it holds values that are not finite")
    return Image(pixels, spacing_mm)


def grey_pixels(data: bytes) -> npt.NDArray[Any]:
    """The values of a PNG, TIFF or JPEG with axes (y, x); colors become their luminance. Raises Unreadable."""
    with _opened(data) as picture:
        return _grey(picture)


def _opened(data: bytes) -> PIL.Image.Image:
    try:
        picture = PIL.Image.open(io.BytesIO(data), formats=("PNG", "TIFF", "JPEG", "WEBP"))
    except BROKEN_PICTURE:
        raise Unreadable("it is no PNG, TIFF, JPEG or WebP that can be read, or claims to be huge") from None
    if picture.width * picture.height > MAX_PIXELS:
        raise Unreadable(f"it claims {picture.width} x {picture.height} pixels")
    return picture


def _grey(picture: PIL.Image.Image) -> npt.NDArray[Any]:
    try:
        if picture.mode in ("I;16", "I;16B", "I;16L", "I", "F", "L"):
            pixels = np.asarray(picture)
        else:
            pixels = np.asarray(picture.convert("L"))
    except BROKEN_PICTURE:
        raise Unreadable("its pixels can't be decoded: it is cut off or damaged") from None
    if pixels.dtype.byteorder == ">":
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    return pixels


def _countable(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values that a hash of integers can take: floats by their bits."""
    return np.ascontiguousarray(pixels, np.float32).view(np.int32) if pixels.dtype.kind == "f" else pixels


def _ruled_spacing(picture: PIL.Image.Image, rule: str) -> tuple[float, float] | None:
    if not rule:
        return None
    if rule == "dpi":
        x, y = (float(value) for value in picture.info.get("dpi", (0, 0)))
        return (25.4 / y, 25.4 / x) if 0 < x < math.inf and 0 < y < math.inf else None
    try:
        kind, _, number = rule.rpartition(":")
        value = float(number)
    except ValueError:
        kind, value = "?", 0.0
    if kind not in ("", "width") or not 0 < value < math.inf:
        raise OsteonError("a rule for spacing is `dpi`, `width:<mm>` or a number of mm for each pixel")
    pitch_mm = value / picture.width if kind == "width" else value
    return pitch_mm, pitch_mm


def _measured_dicom(data: bytes, sha256: str, *, has_pixels_read: bool) -> Measured:
    try:
        dataset = read_dataset(data)
        stored = decode(dataset) if has_pixels_read else None
        rows, columns = (int(dataset.get(name) or 0) for name in ("Rows", "Columns"))
    except SetAside as error:
        raise Unreadable(f"{error.reason}: {error}") from None
    except (ValueError, TypeError):
        raise Unreadable("its header does not tell its size") from None
    try:
        spacing = (None, *pixel_spacing_mm(dataset))
    except SetAside:
        spacing = None
    return Measured(rows, columns, None, spacing, sha256, "" if stored is None else pixel_sha256(stored))


def _dicom_image(data: bytes, spacing_mm: tuple[float, float] | None) -> Image:
    try:
        dataset = read_dataset(data)
        stored = decode(dataset)
        try:
            pixel_spacing_mm(dataset)
        except SetAside:
            if spacing_mm is None:
                raise
            dataset.PixelSpacing = [f"{value:.10g}" for value in spacing_mm]
        return image_from(dataset, stored)
    except SetAside as error:
        raise Unreadable(f"{error.reason}: {error}") from None


def _measured_volume(data: bytes, name: str, sha256: str, *, has_pixels_read: bool) -> Measured:
    try:
        stream = gzip.GzipFile(fileobj=io.BytesIO(data)) if name.lower().endswith(".gz") else io.BytesIO(data)
        image: Any = nibabel.Nifti1Image.from_stream(stream)
        shape = image.header.get_data_shape()
        n_bytes = math.prod(shape) * image.header.get_data_dtype().itemsize
        zooms = [float(zoom) for zoom in image.header.get_zooms()[:3]]
        unit = MM_OF_UNIT.get(int(image.header["xyzt_units"]) & 7, 1.0)
    except BROKEN_VOLUME:
        raise Unreadable("it is no NIfTI that can be read") from None
    if len(shape) < 3 or min(shape) < 1:
        raise Unreadable(f"it has {len(shape)} axes: a volume has three, or four with time")
    if n_bytes > MAX_VOLUME_BYTES:
        raise Unreadable(f"it claims {n_bytes >> 20} MiB")
    pixels = _hash_of_volume(image, shape) if has_pixels_read else ""
    known = all(0 < zoom < math.inf for zoom in zooms)
    spacing = (zooms[2] * unit, zooms[1] * unit, zooms[0] * unit) if known else None  # NIfTI's axes are (x, y, z)
    return Measured(int(shape[1]), int(shape[0]), int(shape[2]), spacing, sha256, pixels)


def _hash_of_volume(image: Any, shape: tuple[int, ...]) -> str:
    try:
        values = np.asanyarray(image.dataobj.get_unscaled())
    except BROKEN_VOLUME:
        raise Unreadable("its voxels can't be read: it is cut off or damaged") from None
    digest = hashlib.sha256(np.array(shape, "<i8").tobytes())
    digest.update(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).data)
    return digest.hexdigest()

"""The stored values of an image, decoded from any transfer syntax, and their hash."""

import hashlib
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from osteon.errors import SetAside
from osteon.imaging.codestream import Claim, claim_of_jpeg, claim_of_jpeg_2000, rle_is_plausible
from osteon.imaging.quiet import BROKEN_INPUT, quiet_pydicom

__all__ = ["LOSSY", "MAX_PIXELS", "PixelFormat", "Stored", "decode", "is_decodable", "pixel_format", "pixel_sha256"]

Stored = npt.NDArray[np.integer[Any]]

# pydicom annotates each option as if it were all of them.
_AS_THEY_LIE: dict[str, Any] = {"correct_unused_bits": False}
# A 43 cm detector at 0.1 mm has 18 million, a mammogram or two stitched legs 30. Working one takes some 20 bytes.
MAX_PIXELS = 50_000_000
# The fastest first. Named, since pydicom would also take what else is installed: GDCM ends the process on wild input.
DECODERS = ("pylibjpeg", "pyjpegls", "pydicom", "pillow")
LOSSY = {  # transfer syntaxes that lose information, whatever the header says
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.203",
}


@dataclass(frozen=True)
class PixelFormat:
    """The Image Pixel module (PS3.3 C.7.6.3) of a monochrome image with one frame."""

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    transfer_syntax: UID

    @property
    def stored_range(self) -> tuple[int, int]:
        """The smallest and the largest value that the stored bits can hold."""
        if self.is_signed:
            return -(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1
        return 0, (1 << self.bits_stored) - 1


def decode(dataset: Dataset, max_pixels: int = MAX_PIXELS) -> Stored:
    """Stored values with axes (y, x), as an integer array of the sign that the header states.

    Only the stored bits count: overlays or noise in the bits around them are removed. Sizes are compared
    before anything is decoded. Raises SetAside: no-pixels, color, multi-frame, too-large, truncated,
    wrong-length, unknown-transfer-syntax, undecodable, unreadable.
    """
    with quiet_pydicom():
        form = pixel_format(dataset, max_pixels)
        decoder = _decoder(form.transfer_syntax)
        if not form.transfer_syntax.is_encapsulated:
            _check_native_length(dataset, form)
            return _decode_native(dataset, form, decoder)
        _check_codestream(dataset, form)
        return _decode_compressed(dataset, form, decoder)


def pixel_sha256(stored: Stored) -> str:
    """A hash of shape and values, the same in whatever container and transfer syntax they came; 64 hex digits."""
    digest = hashlib.sha256(np.array(stored.shape, "<i8").tobytes())
    fits = stored.size == 0 or (stored.min() >= -(2**31) and stored.max() < 2**31)
    digest.update(np.ascontiguousarray(stored, "<i4" if fits else "<i8").data)
    return digest.hexdigest()


def pixel_format(dataset: Dataset, max_pixels: int = MAX_PIXELS) -> PixelFormat:
    """What the header says about the pixels, checked; raises as `decode` does, without decoding."""
    with quiet_pydicom():
        return _check_format(*_read_format(dataset), max_pixels)


def _read_format(dataset: Dataset) -> tuple[PixelFormat, int, str, int]:
    """The header's word on the pixels, samples per pixel, photometric interpretation and number of frames."""
    if "PixelData" not in dataset:
        raise SetAside("no-pixels")
    try:
        samples = int(dataset.get("SamplesPerPixel") or 1)
        photometric = str(dataset.get("PhotometricInterpretation") or "")
        n_frames = int(dataset.get("NumberOfFrames") or 1)
        allocated = int(dataset.BitsAllocated)
        stored = int(dataset.get("BitsStored") or allocated)
        high_bit = dataset.get("HighBit")
        form = PixelFormat(
            rows=int(dataset.Rows),
            columns=int(dataset.Columns),
            bits_allocated=allocated,
            bits_stored=stored,
            high_bit=stored - 1 if high_bit is None else int(high_bit),
            is_signed=int(dataset.get("PixelRepresentation") or 0) == 1,
            transfer_syntax=UID(dataset.file_meta.get("TransferSyntaxUID") or ""),
        )
    except BROKEN_INPUT:
        raise SetAside("unreadable") from None
    return form, samples, photometric, n_frames


def _check_format(form: PixelFormat, samples: int, photometric: str, n_frames: int, max_pixels: int) -> PixelFormat:
    if samples != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise SetAside("color" if samples != 1 or photometric else "unreadable")
    if n_frames != 1:
        raise SetAside("multi-frame")
    if form.rows * form.columns > max_pixels:
        raise SetAside("too-large")
    if form.rows < 1 or form.columns < 1 or not _bits_make_sense(form):
        raise SetAside("unreadable")
    return form


def _bits_make_sense(form: PixelFormat) -> bool:
    if form.bits_allocated not in (1, 8, 16, 32):
        return False
    return 1 <= form.bits_stored <= form.high_bit + 1 <= form.bits_allocated


def is_decodable(transfer_syntax: UID) -> bool:
    """Whether there is a decoder here for images in this transfer syntax."""
    try:
        _decoder(transfer_syntax)
    except SetAside:
        return False
    return True


def _decoder(transfer_syntax: UID) -> Decoder:
    try:
        decoder = get_decoder(transfer_syntax)
    except BROKEN_INPUT:
        raise SetAside("unknown-transfer-syntax") from None
    if decoder.is_native or transfer_syntax in JPEGTransferSyntaxes:
        return decoder
    if set(DECODERS).isdisjoint(decoder.available_plugins):
        raise SetAside("unknown-transfer-syntax")
    return decoder


def _check_native_length(dataset: Dataset, form: PixelFormat) -> None:
    expected = (form.rows * form.columns * form.bits_allocated + 7) // 8
    n_bytes = len(dataset["PixelData"].value or b"")
    if n_bytes == 0:
        raise SetAside("no-pixels")
    if not expected <= n_bytes <= expected + expected % 2:
        raise SetAside("wrong-length")


def _decode_native(dataset: Dataset, form: PixelFormat, decoder: Decoder) -> Stored:
    try:
        pixels, _ = decoder.as_array(dataset, raw=True, **_AS_THEY_LIE)
    except BROKEN_INPUT:
        raise SetAside("unreadable") from None
    if form.bits_allocated == 1 or form.bits_stored == form.bits_allocated:
        return pixels
    # The stored bits may lie anywhere in the word; shifting up and down again also extends the sign.
    pixels = pixels << (form.bits_allocated - 1 - form.high_bit)
    shifted: Stored = pixels >> (form.bits_allocated - form.bits_stored)
    return shifted


def _check_codestream(dataset: Dataset, form: PixelFormat) -> None:
    """Compare what the compressed stream claims with what the header claims."""
    try:
        stream = get_frame(dataset.PixelData, 0, number_of_frames=1)
    except BROKEN_INPUT:
        raise SetAside("undecodable") from None
    if not stream:
        raise SetAside("no-pixels")
    if form.transfer_syntax == RLELossless:
        if not rle_is_plausible(stream, form.bits_allocated // 8):
            raise SetAside("undecodable")
        return
    claim = _claim(stream, form.transfer_syntax)
    if claim is None:
        return
    if (claim.rows, claim.columns) != (form.rows, form.columns) or claim.samples != 1:
        raise SetAside("wrong-length")
    if not claim.is_ended:
        raise SetAside("truncated")


def _claim(stream: bytes, transfer_syntax: UID) -> Claim | None:
    try:
        if transfer_syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes):
            return claim_of_jpeg(stream)
        if transfer_syntax in JPEG2000TransferSyntaxes:
            return claim_of_jpeg_2000(stream)
    except ValueError:
        raise SetAside("undecodable") from None
    return None


def _decode_compressed(dataset: Dataset, form: PixelFormat, decoder: Decoder) -> Stored:
    if form.transfer_syntax in JPEGTransferSyntaxes:
        return _only_stored_bits(_decode_jpeg(dataset, form), form)
    for plugin in DECODERS:
        if plugin not in decoder.available_plugins:
            continue
        try:
            pixels, _ = decoder.as_array(dataset, raw=True, index=0, decoding_plugin=plugin)
        except BROKEN_INPUT:
            continue
        except BaseException as error:
            # A panic in Rust (pylibjpeg-rle, on a run that leaves its segment) is none of Python's errors.
            if type(error).__name__ != "PanicException":
                raise
            continue
        if pixels.shape == (form.rows, form.columns):
            return _only_stored_bits(pixels, form)
    raise SetAside("undecodable")


def _decode_jpeg(dataset: Dataset, form: PixelFormat) -> Stored:
    """By libjpeg-turbo itself: 8 and 12 bits, and lossless. GDCM, pydicom's way, ends the process on wild input."""
    try:
        pixels: Stored = imagecodecs.jpeg8_decode(get_frame(dataset.PixelData, 0, number_of_frames=1))
    except BROKEN_INPUT:
        raise SetAside("undecodable") from None
    if pixels.shape != (form.rows, form.columns):
        raise SetAside("undecodable")
    return pixels.view(f"i{pixels.itemsize}") if form.is_signed else pixels


def _only_stored_bits(pixels: Stored, form: PixelFormat) -> Stored:
    """`pixels` of a stream of more bits than the header says are stored, without what lies in the bits above."""
    low, high = form.stored_range
    if low <= pixels.min() and pixels.max() <= high:
        return pixels
    if form.transfer_syntax in LOSSY:  # the ringing of an edge, which must not turn white into black
        return np.clip(pixels, low, high)
    n_above = 8 * pixels.dtype.itemsize - form.bits_stored
    stored: Stored = pixels << n_above >> n_above
    return stored

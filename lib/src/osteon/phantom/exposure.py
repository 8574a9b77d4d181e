"""Thickness maps → stored pixels: one exposure in a room of a site."""

from dataclasses import dataclass
from datetime import date
from zlib import crc32

import numpy as np
import numpy.typing as npt

from osteon.phantom.marks import annotate, burn_in, draw_blades, lead_marker
from osteon.phantom.processing import compressed, develop
from osteon.phantom.projection import Thickness
from osteon.phantom.scanner import REFERENCE, Knobs, Scanner, spread, turned
from osteon.phantom.seeds import generator
from osteon.phantom.sites import Site
from osteon.phantom.xray import detect, noise_free

__all__ = ["CROP_MM", "Stored", "expose", "exposed_with", "field_of", "reference_image"]

FloatArray = npt.NDArray[np.float32]

CROP_MM = 204.8  # 512 pixels of 0.4 mm
CROP_PIXELS = 512
FINEST_RENDERED_MM = 0.3  # about the blur of focus and detector together; finer geometry costs time and shows little
# The reference image is 0 in air and 1 at this attenuation: more than a thigh's with thick cortex, less than a nail's.
REFERENCE_DEPTH = 7.0


@dataclass(frozen=True)
class Stored:
    """Stored pixels (y, x), uint16, as the photometric interpretation wants them, and how they were made.

    `window` is the VOI window as (center, width) in stored values; `pitch_mm` that of the detector's plane; `scanner`
    as it was for this exposure.
    """

    pixels: npt.NDArray[np.uint16]
    window: tuple[float, float]
    pitch_mm: float
    scanner: Scanner
    is_crop: bool = False


def field_of(scanner: Scanner, *, is_crop: bool = False, pitch_mm: float = 0.0) -> tuple[tuple[float, float], float]:
    """The field (height, width) in mm and the spacing at which to `project` a patient for a scanner, in the femur's
    plane: the whole detector at its own pitch or a coarser one, or the crop of 512 pixels around its middle."""
    geometry = scanner.geometry
    magnification = geometry.magnification
    if is_crop:
        return (CROP_MM / magnification, CROP_MM / magnification), CROP_MM / CROP_PIXELS / magnification
    return (
        (geometry.height_mm / magnification, geometry.width_mm / magnification),
        max(FINEST_RENDERED_MM, max(geometry.pitch_mm, pitch_mm) / magnification),
    )


def expose(
    thickness: Thickness,
    site: Site,
    room: int,
    rng: np.random.Generator,
    *,
    on: date | None = None,
    view: str = "AP",
    letter: str = "R",
    is_crop: bool = False,
    pitch_mm: float = 0.0,
    knobs: Knobs | None = None,
) -> Stored:
    """The stored pixels of an exposure at a site, in room number `room`, on a date (or with its first equipment).

    `thickness` covers `field_of(site.scanner(room, on, view), is_crop=is_crop, pitch_mm=pitch_mm)`; `letter` is the
    side marker. A `pitch_mm` above the detector's own makes fewer pixels of the whole field. `knobs` turn the
    site's axes. The same `rng` state gives the same pixels.
    """
    scanner = turned(site.scanner(room, on, view), knobs or {})
    structure = generator(0, "rooms", site.number, room, crc32(scanner.model.encode()) % 2**31)
    return exposed_with(thickness, scanner, rng, letter=letter, is_crop=is_crop, pitch_mm=pitch_mm, structure=structure)


def exposed_with(
    thickness: Thickness,
    scanner: Scanner,
    rng: np.random.Generator,
    *,
    letter: str = "R",
    is_crop: bool = False,
    pitch_mm: float = 0.0,
    structure: np.random.Generator | None = None,
) -> Stored:
    """The stored pixels of an exposure with a scanner; `structure` draws what all images of a room share."""
    hand, noise = rng.spawn(2)
    scanner = spread(scanner, hand)
    geometry = scanner.geometry
    blades = draw_blades(geometry, hand)
    pitch_mm = CROP_MM / CROP_PIXELS if is_crop else max(geometry.pitch_mm, pitch_mm)
    field_mm = (CROP_MM, CROP_MM) if is_crop else (geometry.height_mm, geometry.width_mm)
    rows, columns = (round(side_mm / pitch_mm) for side_mm in field_mm)
    signal = detect(thickness, scanner, (rows, columns), noise, blades=blades, room=structure, is_crop=is_crop)
    if geometry.marker == "lead":
        lead_marker(signal, letter, pitch_mm, blades, hand)
    opening = blades.opening((rows, columns), pitch_mm) > 0.5
    tone = develop(signal, scanner, pitch_mm, opening)
    if geometry.shutter:
        tone[~opening] = 0
    if geometry.marker == "burnt-in":
        burn_in(tone, letter, pitch_mm, blades, hand)
    if geometry.is_annotated:
        annotate(tone, f"{scanner.model}  {geometry.kvp:.0f} kV", pitch_mm)
    if scanner.local.jpeg_quality < 99.5:
        tone = compressed(tone, scanner.local.jpeg_quality)
    return _quantized(tone, scanner, pitch_mm, is_crop=is_crop)


def reference_image(thickness: Thickness, shape: tuple[int, int] | None = None) -> FloatArray:
    """The noise-free image at the reference site, float32 (y, x) on `shape` pixels or those of the maps.

    It is the attenuation of the reference beam over a fixed depth, the same for every image: 0 in air, about 1 in the
    densest bone, bone bright. No scatter, blur, noise, or processing.
    """
    signal = np.maximum(noise_free(thickness, REFERENCE, shape), np.float32(np.exp(-1.5 * REFERENCE_DEPTH)))
    return np.asarray(-np.log(signal) / np.float32(REFERENCE_DEPTH), dtype=np.float32)


def _quantized(tone: FloatArray, scanner: Scanner, pitch_mm: float, *, is_crop: bool) -> Stored:
    geometry = scanner.geometry
    top = 2**geometry.bits_stored - 1
    center, width = scanner.tone.window_center, scanner.tone.window_width
    if geometry.photometric == "MONOCHROME1":
        tone, center = 1 - tone, 1 - center
    pixels = tone * np.float32(top)
    pixels += np.float32(0.5)
    stored = pixels.astype(np.uint16)
    if geometry.is_crosswise:
        stored = np.rot90(stored)
    return Stored(np.ascontiguousarray(stored), (center * top, max(width * top, 2.0)), pitch_mm, scanner, is_crop)

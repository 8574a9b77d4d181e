"""Six sites that look different: each turns the detector's signal into stored pixels in its own way."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from osteon.phantom.shaft.xray import Beam, Detector, resized

__all__ = ["SITES", "Look", "Site", "Stored", "develop"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """The processing of a site's radiographs; every value is per image jittered by a little.

    `gamma` bends the tone curve and `toe` rounds both its ends; `latitude` is the share of slow brightness changes
    (over `slow_mm`) that is taken out; `sharpening` is how much of the detail finer than `sharp_mm` is added again;
    `margins` are the shares of the output range left below the skin and above the densest bone. `window` is the part
    of the range that the file's VOI window shows, (center, width) as shares, or None for the whole.
    """

    gamma: float = 1.0
    toe: float = 0.0
    latitude: float = 0.0
    slow_mm: float = 30.0
    sharpening: float = 0.0
    sharp_mm: float = 2.0
    margins: tuple[float, float] = (0.05, 0.05)
    window: tuple[float, float] | None = None


@dataclass(frozen=True)
class Site:
    """A hospital's X-ray room: detector, processing, and how it writes its files. Lengths in mm."""

    name: str
    modality: str
    manufacturer: str
    pitch_mm: float
    field_mm: tuple[float, float]
    bits_stored: int
    photometric: str
    transfer_syntax: str
    beam: Beam
    detector: Detector
    look: Look = field(default_factory=Look)
    collimation_mm: tuple[float, float] = (
        0.0,
        0.0,
    )  # most that the blades cover on a side: (top and bottom, left and right)
    is_crosswise: bool = False  # the detector lies across the leg, and the file keeps it so
    kvp: int = 70
    body_part: str = "FEMUR"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns along and across the leg."""
        return round(self.field_mm[0] / self.pitch_mm), round(self.field_mm[1] / self.pitch_mm)


@dataclass(frozen=True)
class Stored:
    """Stored pixels (y, x), uint16, as the site's photometric interpretation wants them, and their VOI window in
    stored values, or None."""

    pixels: npt.NDArray[np.uint16]
    window: tuple[float, float] | None


EXPLICIT, IMPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.5"
JPEG_LOSSLESS, JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"

SITES = (
    Site(
        "birch",
        "DX",
        "Phantom Optics",
        0.1,
        (350, 235),
        14,
        "MONOCHROME2",
        EXPLICIT,
        Beam((0.45, 0.42, 0.13)),
        Detector(3.0, 0.65, 0.12, 0.25),
        Look(gamma=0.9, sharpening=0.5, latitude=0.25),
        collimation_mm=(8, 18),
        kvp=73,
    ),
    Site(
        "cedar",
        "CR",
        "Plate and Sons",
        0.2,
        (340, 220),
        10,
        "MONOCHROME1",
        RLE,
        Beam((0.55, 0.37, 0.08)),
        Detector(4.0, 0.25, 0.25, 0.55),
        Look(gamma=1.25, toe=0.6, margins=(0.02, 0.1)),
        collimation_mm=(15, 10),
        kvp=66,
        body_part="THIGH",
    ),
    Site(
        "elm",
        "DX",
        "Flat Panel Works",
        0.143,
        (345, 240),
        12,
        "MONOCHROME2",
        JPEG_LOSSLESS,
        Beam((0.38, 0.46, 0.16)),
        Detector(2.0, 0.6, 0.15, 0.35),
        Look(gamma=0.75, latitude=0.5, sharpening=1.1, sharp_mm=1.2),
        collimation_mm=(5, 30),
        kvp=77,
    ),
    Site(
        "hazel",
        "CR",
        "Plate and Sons",
        0.25,
        (335, 205),
        12,
        "MONOCHROME1",
        IMPLICIT,
        Beam((0.6, 0.34, 0.06)),
        Detector(1.6, 0.22, 0.28, 0.7),
        Look(gamma=1.0, toe=0.25, window=(0.52, 0.7)),
        kvp=64,
    ),
    Site(
        "maple",
        "DX",
        "Phantom Optics",
        0.16,
        (340, 230),
        16,
        "MONOCHROME2",
        JPEG_2000_LOSSLESS,
        Beam((0.42, 0.44, 0.14)),
        Detector(2.5, 0.68, 0.14, 0.2),
        Look(gamma=1.4, sharpening=0.3, window=(0.45, 0.8)),
        collimation_mm=(10, 12),
        is_crosswise=True,
        kvp=75,
    ),
    Site(
        "rowan",
        "DX",
        "Flat Panel Works",
        0.125,
        (340, 215),
        15,
        "MONOCHROME1",
        EXPLICIT,
        Beam((0.5, 0.4, 0.1)),
        Detector(1.2, 0.55, 0.18, 0.45),
        Look(gamma=1.1, toe=0.4, latitude=0.35, sharpening=1.6, sharp_mm=0.8),
        collimation_mm=(20, 5),
        kvp=70,
    ),
)


def develop(signal: FloatArray, site: Site, letter: str, rng: np.random.Generator) -> Stored:
    """The site's stored pixels of a detector signal; `letter` is the side marker, R or L, burnt in beside the leg."""
    pitch_mm = site.field_mm[0] / signal.shape[0]
    look = site.look
    # 1. Logarithm: proportional to attenuation, bone bright.
    dark = -np.log(np.maximum(signal, 1e-4))
    open_field = _open_field(dark.shape, site, pitch_mm, rng)
    # 2. Exposure recognition: scale what lies in the open field.
    seen = dark[open_field][:: max(1, dark[open_field].size // 20000)]
    low, high = np.percentile(seen[seen > 0.25], [2, 99.7])
    dark -= np.float32(low)
    dark /= np.float32((high - low) * rng.uniform(0.93, 1.08))
    # 3. Latitude and detail.
    if look.latitude:
        dark -= np.float32(look.latitude) * (
            _blurred(np.clip(dark, -0.3, 1.2), look.slow_mm, pitch_mm) - np.float32(0.5)
        )
    if look.sharpening:
        strength = np.float32(look.sharpening * rng.uniform(0.8, 1.2))
        dark += strength * (dark - _blurred(dark, look.sharp_mm, pitch_mm))
    # 4. Tone curve.
    tone = np.clip(dark, 0, 1) ** np.float32(look.gamma * rng.uniform(0.92, 1.08))
    tone = (1 - look.toe) * tone + np.float32(look.toe) * tone * tone * (3 - 2 * tone)
    tone = look.margins[0] + np.float32(1 - sum(look.margins)) * tone
    tone[dark < -0.25] = 0  # air beside the leg
    # 5. Blades and marker.
    tone[~open_field] = 0
    _burn_in(tone, letter, site, pitch_mm)
    return _quantized(tone.astype(np.float32), site)


def _quantized(tone: FloatArray, site: Site) -> Stored:
    top = 2**site.bits_stored - 1
    if site.photometric == "MONOCHROME1":
        tone = 1 - tone
    pixels = np.rint(np.clip(tone, 0, 1) * top).astype(np.uint16)
    if site.is_crosswise:
        pixels = np.rot90(pixels)
    if site.look.window is None:
        return Stored(np.ascontiguousarray(pixels), None)
    center, width = site.look.window
    if site.photometric == "MONOCHROME1":
        center = 1 - center
    return Stored(np.ascontiguousarray(pixels), (center * top, width * top))


def _open_field(shape: tuple[int, int], site: Site, pitch_mm: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """True where the blades of the collimator let the beam through."""
    limits_mm = np.repeat(site.collimation_mm, 2)
    top, bottom, left, right = np.rint(rng.uniform(0, 1, 4) * limits_mm / pitch_mm).astype(int)
    is_open = np.zeros(shape, dtype=np.bool_)
    is_open[top : shape[0] - bottom, left : shape[1] - right] = True
    return is_open


def _blurred(array: FloatArray, width_mm: float, pitch_mm: float) -> FloatArray:
    """A smooth copy, about `width_mm` wide, by way of a coarse grid: the same look at any pixel pitch."""
    coarse = tuple(max(2, round(n * pitch_mm / width_mm)) for n in array.shape)
    return resized(resized(array, (coarse[0], coarse[1])), (array.shape[0], array.shape[1]))


def _burn_in(tone: FloatArray, letter: str, site: Site, pitch_mm: float) -> None:
    """Draws a letter of 12 mm, as white as lead, in the darkest corner: beside the leg, as radiographers do."""
    size = round(12 / pitch_mm)
    picture = Picture.new("L", (size, size), 0)
    ImageDraw.Draw(picture).text((size // 6, 0), letter, fill=255, font=ImageFont.load_default(size))
    glyph = np.asarray(picture, dtype=np.float32) / 255
    # 4 mm away from where the blades may be; the top comes first where two corners are alike.
    rows, columns = (int((mm + 4) / pitch_mm) for mm in site.collimation_mm)
    corners = [
        tone[row : row + size, column : column + size]
        for row in (rows, tone.shape[0] - rows - size)
        for column in (columns, tone.shape[1] - columns - size)
    ]
    corner = min(corners, key=lambda one: float(one.mean()))
    np.maximum(corner, glyph, out=corner)

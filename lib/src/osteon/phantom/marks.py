"""What is on a radiograph beside the patient: blades, side markers of lead, letters burnt in by the console."""

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from osteon.phantom.scanner import Geometry
from osteon.phantom.xray import Blades

__all__ = ["annotate", "burn_in", "draw_blades", "lead_marker"]

FloatArray = npt.NDArray[np.float32]

MARKER_MM = 14.0  # lead letters are sold at 10 to 25 mm
LEAD_PASSES = 0.02
NARROWEST_MM = 150.0  # the thigh is wanted in the field, and now and then a little of it is cut


def draw_blades(geometry: Geometry, rng: np.random.Generator) -> Blades:
    """Where the radiographer put the blades, off the middle of the field by each side's own distance."""
    top, bottom, left, right = (float(one) for one in rng.uniform(0, 1, 4) * geometry.collimation_mm)
    height, width = geometry.height_mm / 2, geometry.width_mm / 2
    left, right = (max(width - 2 * one, NARROWEST_MM / 2) for one in (left, right))
    return Blades((top - height, height - bottom), (-left, right))


def lead_marker(signal: FloatArray, letter: str, pitch_mm: float, blades: Blades, rng: np.random.Generator) -> None:
    """Lays a letter of lead on the detector, beside the leg where there is room, hardly ever straight."""
    glyph = _glyph(letter, MARKER_MM, pitch_mm, float(rng.uniform(-12, 12)))
    place = _corner(signal, glyph.shape[0], pitch_mm, blades, rng)
    signal[place] *= 1 - glyph * np.float32(1 - LEAD_PASSES)


def burn_in(tone: FloatArray, letter: str, pitch_mm: float, blades: Blades, rng: np.random.Generator) -> None:
    """Writes a letter as white as can be over the tones, where it is darkest."""
    glyph = _glyph(letter, MARKER_MM * 0.8, pitch_mm, 0.0)
    place = _corner(-tone, glyph.shape[0], pitch_mm, blades, rng)
    np.maximum(tone[place], glyph, out=tone[place])


def annotate(tone: FloatArray, text: str, pitch_mm: float) -> None:
    """Writes a line of text of 5 mm at the top, as consoles do; `text` holds no patient's data."""
    size = max(6, round(5 / pitch_mm))
    picture = Picture.new("L", (tone.shape[1], size + size // 2), 0)
    ImageDraw.Draw(picture).text((size, 0), text, fill=255, font=ImageFont.load_default(size))
    line = np.asarray(picture, dtype=np.float32) / 255
    np.maximum(tone[: line.shape[0]], line, out=tone[: line.shape[0]])


def _glyph(letter: str, height_mm: float, pitch_mm: float, tilt_deg: float) -> FloatArray:
    size = max(6, round(height_mm / pitch_mm))
    picture = Picture.new("L", (round(1.4 * size), round(1.4 * size)), 0)
    font = ImageFont.load_default(size)
    ImageDraw.Draw(picture).text((0.7 * size, 0.7 * size), letter, fill=255, font=font, anchor="mm")
    return np.asarray(picture.rotate(tilt_deg, Picture.Resampling.BILINEAR), dtype=np.float32) / 255


def _corner(
    bright: FloatArray, size: int, pitch_mm: float, blades: Blades, rng: np.random.Generator
) -> tuple[slice, slice]:
    """The brightest of four places inside the opening, a few mm off its edges."""
    gap_mm = float(rng.uniform(4, 15))
    starts = []
    for n, (first_mm, last_mm) in zip(bright.shape, (blades.along_mm, blades.across_mm), strict=True):
        half_mm = n * pitch_mm / 2
        first = int((max(first_mm, -half_mm) + half_mm + gap_mm) / pitch_mm)
        last = int((min(last_mm, half_mm) + half_mm - gap_mm) / pitch_mm) - size
        starts.append([min(max(0, at), max(0, n - size)) for at in (first, last)])
    places = [(slice(y, y + size), slice(x, x + size)) for y in starts[0] for x in starts[1]]
    return max(places, key=lambda place: float(bright[place].mean()))

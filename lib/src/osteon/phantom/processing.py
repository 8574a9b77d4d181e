"""Detector signal → tones from 0 to 1, bone bright: what a vendor's processing makes of an exposure."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture

from osteon.phantom.scanner import Frequency, Local, Noise, Scanner, Tone
from osteon.phantom.xray import resized

__all__ = ["compressed", "develop"]

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

FLOOR = 3e-4  # of the signal in air: what glare and digitization leave behind metal
# Detail is told apart by its size: octaves from 0.4 mm up to 25 mm. The first two are fine, the next three middle,
# what is coarser than the last is latitude.
OCTAVES_MM = (0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)
N_FINE, N_MIDDLE = 2, 3
TILES = 8  # along each side, for the equalization of neighbourhoods
GRAY_LEVELS = 64


def develop(signal: FloatArray, scanner: Scanner, pitch_mm: float, opening: Mask) -> FloatArray:
    """Tones of a detector signal (y, x), 0 where nothing stopped the beam and 1 behind the densest bone.

    `opening` is where the blades let the beam through.
    """
    # 1. Logarithm: proportional to attenuation, bone bright.
    dark = np.log(np.maximum(signal, np.float32(FLOOR)))
    np.negative(dark, out=dark)
    # 2. Exposure recognition: which part of the range is tissue.
    low, high = _range(dark, scanner.local, opening)
    if scanner.geometry.shutter:
        dark[~opening] = np.float32((low + high) / 2)  # what will be black shall not bleed into its neighbours
    dark -= np.float32(low)
    dark /= np.float32(high - low)
    np.clip(dark, -0.6, 1.6, out=dark)
    # 3. Detail and latitude.
    dark = _enhanced(dark, scanner.frequency, scanner.noise, scanner.local, pitch_mm)
    # 4. Tone curve.
    tone = _curved(dark, scanner.tone)
    # 5. The neighbourhood's own contrast.
    if scanner.local.equalization > 0.01:
        tone += _equalization(tone, min(scanner.local.equalization, 1.0), pitch_mm)
    span = 1 - scanner.tone.low_margin - scanner.tone.high_margin
    tone *= np.float32(span)
    tone += np.float32(scanner.tone.low_margin)
    return np.clip(tone, 0, 1, out=tone)


def compressed(tone: FloatArray, quality: float) -> FloatArray:
    """The tones after lossy JPEG at a quality of 1 to 99, as some archives keep them."""
    buffer = io.BytesIO()
    Picture.fromarray(np.rint(tone * 255).astype(np.uint8)).save(buffer, "JPEG", quality=round(quality))
    return np.asarray(Picture.open(buffer), dtype=np.float32) / 255


def _range(dark: FloatArray, local: Local, opening: Mask) -> tuple[float, float]:
    """The two attenuations that become 0 and 1."""
    step = max(1, int(np.sqrt(dark.size / 60000)))
    seen, is_open = dark[::step, ::step], opening[::step, ::step]
    if local.window == "field" and is_open.mean() > 0.1:
        seen = seen[is_open]
        seen = seen[(seen > 0.25) & (seen < 5.5)] if np.mean(seen > 0.25) > 0.1 else seen
    clipped = min(local.clipped, 0.1)
    low, high = np.percentile(seen, [100 * clipped, 100 * (1 - clipped)])
    return float(low), float(max(high, low + 0.3))


def _enhanced(dark: FloatArray, frequency: Frequency, noise: Noise, local: Local, pitch_mm: float) -> FloatArray:
    """Octaves of detail, each times its gain. Octaves finer than two pixels do not exist and cost nothing."""
    gains = [1 + frequency.fine] * N_FINE + [1 + frequency.middle] * N_MIDDLE
    gains += [1.0] * (len(OCTAVES_MM) - len(gains))
    if max(gains) < 1.01 and local.latitude < 0.01 and noise.reduction < 0.01:
        return dark
    levels, kept = [dark], []
    for size_mm, gain in zip(OCTAVES_MM, gains, strict=True):
        if size_mm < 1.5 * pitch_mm:
            continue
        rows, columns = (max(2, round(n * pitch_mm / size_mm)) for n in dark.shape)
        levels.append(resized(levels[-1], (rows, columns)))
        kept.append(gain)
    result = levels[-1] - np.float32(local.latitude) * (levels[-1] - np.float32(0.45))
    for number in reversed(range(len(kept))):
        level = levels[number]
        shape = level.shape[0], level.shape[1]
        detail = level - resized(levels[number + 1], shape)
        if number == 0 and noise.reduction > 0.01:
            detail = _cored(detail, min(noise.reduction, 1.0))
        if kept[number] != 1:
            detail *= np.float32(kept[number])
        result = resized(result, shape)
        result += detail
    return result


def _cored(detail: FloatArray, reduction: float) -> FloatArray:
    """Less of the detail that is no larger than noise is (its median, which edges hardly move)."""
    sigma = np.median(np.abs(detail[::5, ::5])) / 0.6745 + 1e-6
    kept = np.exp(-0.5 * np.square(detail / np.float32(2 * sigma)))
    kept *= -np.float32(reduction)
    kept += 1
    return np.asarray(detail * kept, dtype=np.float32)


def _curved(dark: FloatArray, tone: Tone) -> FloatArray:
    """The look-up curve: clipped, bent, and rounded at both ends."""
    curved = np.clip(dark, 0, 1)
    if abs(tone.gamma - 1) > 1e-3:
        curved = np.power(curved, np.float32(tone.gamma), out=curved)
    share = np.float32(min(tone.s_curve, 1.0))
    if share > 0:
        curved = curved * (1 - share) + share * curved * curved * (3 - 2 * curved)
    return np.asarray(curved, dtype=np.float32)


def _equalization(tone: FloatArray, strength: float, pitch_mm: float) -> FloatArray:
    """What contrast-limited equalization of tiles would add, worked out on a grid of 1.5 mm."""
    shape = tone.shape[0], tone.shape[1]
    coarse = max(TILES * 4, round(shape[0] * pitch_mm / 1.5)), max(TILES * 4, round(shape[1] * pitch_mm / 1.5))
    small = np.clip(resized(tone, coarse), 0, 1)
    gray = np.minimum((small * GRAY_LEVELS).astype(np.int64), GRAY_LEVELS - 1)
    maps = np.empty((TILES, TILES, GRAY_LEVELS), dtype=np.float32)
    for row, band in enumerate(np.array_split(gray, TILES, axis=0)):
        for column, tile in enumerate(np.array_split(band, TILES, axis=1)):
            counts = np.bincount(tile.ravel(), minlength=GRAY_LEVELS) / tile.size
            limited = np.minimum(counts, 4 / GRAY_LEVELS)
            limited += (1 - limited.sum()) / GRAY_LEVELS
            maps[row, column] = np.cumsum(limited) - limited / 2
    # The four nearest tiles' maps, mixed by distance: each gray level's maps are an image of 8 by 8, made larger.
    equalized = np.zeros_like(small)
    for level in range(GRAY_LEVELS):
        here = gray == level
        if here.any():
            equalized[here] = resized(np.ascontiguousarray(maps[:, :, level]), coarse)[here]
    return np.float32(strength) * resized(equalized - small, shape)

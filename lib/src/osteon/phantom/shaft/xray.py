"""Thickness maps → detector signal, in physical units: attenuation, scatter, blur, quantum noise."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from scipy.ndimage import gaussian_filter

from osteon.phantom.projection import Thickness

__all__ = ["Beam", "Detector", "expose", "resized", "transmission"]

FloatArray = npt.NDArray[np.float32]

# Linear attenuation in 1/mm at 40, 60 and 80 keV: mass attenuation of the ICRU-44 tissues (Hubbell and Seltzer, NIST
# tables of X-ray mass attenuation coefficients, table 4) times density: cortical bone 1.92, skeletal muscle 1.05,
# adipose tissue 0.95 g/cm3.
ENERGIES_KEV = (40.0, 60.0, 80.0)
BONE_PER_MM = np.array([0.6655, 0.3148, 0.2229]) * 1.92 / 10
MUSCLE_PER_MM = np.array([0.2688, 0.2048, 0.1823]) * 1.05 / 10
FAT_PER_MM = np.array([0.2396, 0.1974, 0.1800]) * 0.95 / 10

# Photons per mm2 and uGy of air kerma in the beam quality RQA5, from IEC 62220-1: what turns a dose into noise.
PHOTONS_PER_MM2_UGY = 30174.0
SCATTER_SPREAD_MM = 25.0  # scatter from 15 cm of tissue is smooth on a scale of centimetres
SCATTER_GRID_MM = 5.0  # so it may be computed on a coarse grid


@dataclass(frozen=True)
class Beam:
    """Shares of the photons that reach the patient at 40, 60 and 80 keV: more at 80 keV means a higher tube voltage."""

    shares: tuple[float, float, float]

    def __post_init__(self) -> None:
        if abs(sum(self.shares) - 1) > 1e-6 or min(self.shares) < 0:
            raise ValueError(f"shares of a beam are positive and sum to 1, not {self.shares}")


@dataclass(frozen=True)
class Detector:
    """What receives the X-rays.

    `dose_uGy` is the air kerma behind the thigh; `efficiency` the DQE; `blur_mm` the sigma of the point spread of focus
    and detector together; `scatter_ratio` scatter over primary, behind the grid.
    """

    dose_uGy: float  # noqa: N815  (the unit is written so)
    efficiency: float
    blur_mm: float
    scatter_ratio: float


def transmission(thickness: Thickness, beam: Beam) -> FloatArray:
    """Share of the energy that passes, 0 to 1, for an energy-integrating detector (Beer-Lambert)."""
    passed = np.zeros_like(thickness.muscle_mm)
    weights = np.array(beam.shares) * ENERGIES_KEV
    weights = (weights / weights.sum()).astype(np.float32)
    bone_mm = thickness.cortex_mm + thickness.spongy_mm
    for weight, bone, muscle, fat in zip(weights, BONE_PER_MM, MUSCLE_PER_MM, FAT_PER_MM, strict=True):
        depth = np.float32(bone) * bone_mm + np.float32(muscle) * thickness.muscle_mm
        depth += np.float32(fat) * thickness.fat_mm
        passed += weight * np.exp(-depth)
    return passed


def expose(
    thickness: Thickness, beam: Beam, detector: Detector, shape: tuple[int, int], rng: np.random.Generator
) -> FloatArray:
    """Signal of each of `shape` detector pixels over the same field, 1 in unattenuated air, noise included."""
    height_mm = thickness.muscle_mm.shape[0] * thickness.spacing_mm
    pitch_mm = height_mm / shape[0]
    primary = transmission(thickness, beam)
    signal = resized(primary, shape)
    signal += resized(detector.scatter_ratio * _scatter(primary, thickness.spacing_mm), shape)
    signal /= 1 + detector.scatter_ratio
    # 1. Quantum noise. Automatic exposure control gives the dose behind the thigh, not in air.
    behind_thigh = float(np.median(primary[primary < 0.5 * primary.max()]))
    photons_per_unit = detector.dose_uGy * detector.efficiency * PHOTONS_PER_MM2_UGY * pitch_mm**2 / behind_thigh
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise *= np.sqrt(np.clip(signal, 0, None) / np.float32(photons_per_unit))
    signal += noise
    # 2. Blur: a third of a pixel and less can't be seen.
    sigma = detector.blur_mm / pitch_mm
    if sigma <= 0.35:
        return signal
    blurred: FloatArray = gaussian_filter(signal, sigma, truncate=2.5)
    return blurred


def resized(array: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """The same field on another grid of pixels, bicubic, anti-aliased where it becomes coarser."""
    if array.shape == shape:
        return array.copy()
    picture = Picture.fromarray(np.ascontiguousarray(array, dtype=np.float32))
    return np.array(picture.resize((shape[1], shape[0]), Picture.Resampling.BICUBIC), dtype=np.float32)


def _scatter(primary: FloatArray, spacing_mm: float) -> FloatArray:
    """Scatter that would equal the primary on average, on a coarse grid."""
    coarse = (
        max(2, round(primary.shape[0] * spacing_mm / SCATTER_GRID_MM)),
        max(2, round(primary.shape[1] * spacing_mm / SCATTER_GRID_MM)),
    )
    sigma = SCATTER_SPREAD_MM / SCATTER_GRID_MM
    smooth: FloatArray = gaussian_filter(resized(primary, coarse), sigma, mode="nearest")
    return smooth

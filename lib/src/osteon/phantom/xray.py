"""Thickness maps → detector signal: attenuation, scatter and grid, heel effect, blur, noise, structure.

Lengths are in the plane of the detector: the maps arrive magnified.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from scipy import fft
from scipy.ndimage import gaussian_filter

from osteon.phantom.attenuation import ENERGIES_KEV, air_kerma_uGy, per_mm, table
from osteon.phantom.projection import Thickness
from osteon.phantom.scanner import Frequency, Geometry, Scanner
from osteon.phantom.spectrum import FewBins, Tube, absorbed, few_bins, photons

__all__ = ["Blades", "detect", "noise_free", "photons_per_mm2_uGy", "primary", "resized"]

FloatArray = npt.NDArray[np.float32]

THIGH_MM = 120.0  # of muscle: hardens the beam about as the added filter of the beam quality RQA 5 does
BLADES_LEAK = 0.002

# Scatter over primary in a wide field without grid is RATIO * depth ** POWER, with depth in units of mean free paths:
# about 1.1 behind 10 cm and 3 behind 20 cm of water at 70 kV. Calibrated to the order of published values.
SCATTER_RATIO, SCATTER_POWER = 0.22, 1.6
SCATTER_SPREAD_MM = 30.0  # scatter from a thigh is smooth on a scale of centimetres
SCATTER_GRID_MM = 5.0  # so it may be computed on a coarse grid
LITTLE_ELECTRONIC = 0.15  # of the quantum noise: adds 1 % to it, so that whether the blur shapes it can't be seen
MOTTLE_MM, BAND_MM = 1.5, 0.5  # how wide the plate's grains and the panel's columns are
SCATTER_KEV = 0.92  # energy of scattered over that of primary photons near 50 keV (Compton, all angles that leave)


@dataclass(frozen=True)
class Blades:
    """Where the collimator's opening begins and ends, in mm from the middle of the field: along and across the leg."""

    along_mm: tuple[float, float] = (-np.inf, np.inf)
    across_mm: tuple[float, float] = (-np.inf, np.inf)

    def opening(self, shape: tuple[int, int], pitch_mm: float) -> FloatArray:
        """1 in the opening, 0 outside, shared at its edges; axes (y, x)."""
        along, across = (
            _within((np.arange(n, dtype=np.float32) + 0.5 - n / 2) * np.float32(pitch_mm), ends, pitch_mm)
            for n, ends in zip(shape, (self.along_mm, self.across_mm), strict=True)
        )
        return along[:, None] * across[None, :]


def primary(thickness: Thickness, bins: FewBins) -> tuple[FloatArray, FloatArray]:
    """The primary signal of each ray, 1 in air, and the mean energy in keV of what makes it (weighted by signal)."""
    maps = (thickness.cortex_mm + thickness.spongy_mm, thickness.muscle_mm, thickness.fat_mm, thickness.metal_mm)
    passed = np.zeros_like(thickness.muscle_mm)
    energy = np.zeros_like(passed)
    for weight, energy_kev, attenuation in zip(bins.weights, bins.energies_kev, bins.per_mm, strict=True):
        depth = np.zeros_like(passed)
        for tissue_per_mm, tissue_mm in zip(attenuation, maps, strict=True):
            depth -= np.float32(tissue_per_mm) * tissue_mm
        part = np.exp(depth, out=depth)
        part *= np.float32(weight)
        passed += part
        energy += np.float32(energy_kev) * part
    return passed, energy / np.maximum(passed, np.float32(1e-12))


def detect(
    thickness: Thickness,
    scanner: Scanner,
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    blades: Blades | None = None,
    room: np.random.Generator | None = None,
    is_crop: bool = False,
) -> FloatArray:
    """Signal of each of `shape` detector pixels over the field of the maps, 1 in unattenuated air.

    A crop is part of a larger field, whose scatter it gets too.
    `room` draws the structure that all images of a room share; without it there is none.
    """
    blades = blades or Blades()
    geometry, noise = scanner.geometry, scanner.noise
    spacing_mm = thickness.spacing_mm * geometry.magnification
    pitch_mm = thickness.muscle_mm.shape[0] * spacing_mm / shape[0]
    # 1. What passes blades, thigh and grid, on the grid of the maps.
    passed, energy_kev = primary(thickness, few_bins(geometry.tube, scanner.absorber))
    opening = blades.opening((passed.shape[0], passed.shape[1]), spacing_mm)
    passed *= BLADES_LEAK + (1 - BLADES_LEAK) * opening
    scattered = _scattered(passed, spacing_mm, scanner, is_crop=is_crop)
    behind = _behind_thigh(passed, opening, scattered)
    energy_kev += (np.float32(SCATTER_KEV) - 1) * energy_kev * scattered / (passed + scattered)
    passed += scattered
    passed *= _heel(passed.shape[0], spacing_mm, geometry)
    passed = _focused(passed, spacing_mm, scanner)
    # 2. Quantum noise, before the detector blurs it with the image.
    signal = resized(passed, shape)
    quanta = noise.dose_uGy * photons_per_mm2_uGy(geometry.tube, THIGH_MM) * pitch_mm**2 * _taken(scanner)
    variance = np.float32(behind / max(quanta, 1e-9)) * signal
    variance *= resized(energy_kev / np.float32(_mean_energy_kev(scanner)), shape)
    electronic = noise.electronic * behind / np.sqrt(max(quanta, 1e-9))
    is_separate = noise.electronic > LITTLE_ELECTRONIC
    if not is_separate:
        variance += np.float32(electronic**2)
    grain = rng.standard_normal(shape, dtype=np.float32)
    grain *= np.sqrt(np.maximum(variance, 0, out=variance), out=variance)
    signal += grain
    # 3. The detector: blur, electronics, structure, the grid's lines.
    signal = _blurred(signal, pitch_mm, scanner.frequency)
    if is_separate:
        rng.standard_normal(out=grain, dtype=np.float32)
        grain *= np.float32(electronic)
        signal += grain
    signal *= _grid_lines(shape[1], pitch_mm, scanner)
    if room is not None:
        _add_structure(signal, pitch_mm, scanner, room)
    return signal


def noise_free(thickness: Thickness, scanner: Scanner, shape: tuple[int, int] | None = None) -> FloatArray:
    """The primary signal alone on `shape` pixels, or those of the maps, 1 in air: no scatter, blur, noise or heel."""
    passed, _ = primary(thickness, few_bins(scanner.geometry.tube, scanner.absorber))
    return passed if shape is None else resized(passed, shape)


def photons_per_mm2_uGy(tube: Tube, muscle_mm: float = 0.0) -> float:  # noqa: N802  (the unit is written so)
    """Photons per mm2 and µGy of air kerma of the tube's beam behind muscle: what turns a dose into noise."""
    fluence = photons(tube) * np.exp(-per_mm("muscle") * muscle_mm)
    return float(fluence.sum()) / air_kerma_uGy(fluence)


def resized(array: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """The same field on another grid of pixels, bicubic, anti-aliased where it becomes coarser."""
    if array.shape == shape:
        return array.copy()
    picture = Picture.fromarray(np.ascontiguousarray(array, dtype=np.float32))
    return np.array(picture.resize((shape[1], shape[0]), Picture.Resampling.BICUBIC), dtype=np.float32)


def _scattered(passed: FloatArray, spacing_mm: float, scanner: Scanner, *, is_crop: bool) -> FloatArray:
    """Scatter behind the grid, in units of primary behind the grid.

    Each part of the thigh scatters by its depth and what passes it; what arrives is that, spread over centimetres.
    Beyond the field nothing scatters; beyond a crop, what is at its edge goes on.
    """
    shape = passed.shape[0], passed.shape[1]
    coarse = _coarser(shape, spacing_mm, SCATTER_GRID_MM)
    small = np.clip(resized(passed, coarse), 1e-5, None)
    depth = np.clip(-np.log(np.minimum(small, 1)), 0, 6)  # metal and blades do not scatter by their depth
    grid = scanner.scatter.grid_scatter / scanner.scatter.grid_primary
    source = scanner.scatter.ratio * grid * SCATTER_RATIO * small * depth**SCATTER_POWER
    smooth = gaussian_filter(source, SCATTER_SPREAD_MM / SCATTER_GRID_MM, mode="nearest" if is_crop else "constant")
    return np.maximum(resized(smooth.astype(np.float32), shape), 0)


def _behind_thigh(passed: FloatArray, opening: FloatArray, scattered: FloatArray) -> float:
    """The signal that automatic exposure holds constant: the median under the three chambers, in the field's middle."""
    middle = tuple(slice(n // 3, n - n // 3) for n in passed.shape)
    exposed = (passed + scattered)[middle][opening[middle] > 0.5][::7]
    under_tissue = exposed[exposed < 0.5]
    chambers = under_tissue if under_tissue.size else exposed
    return float(np.median(chambers)) if chambers.size else 1.0


def _heel(n_rows: int, spacing_mm: float, geometry: Geometry) -> FloatArray:
    """The tube's heel effect along the leg, cathode towards the hip, as far as flat-fielding left it; axes (y, 1)."""
    angles, columns = table("heel")
    along_mm = (np.arange(n_rows) + 0.5 - n_rows / 2) * spacing_mm
    off_axis_deg = np.degrees(np.arctan(-along_mm / geometry.distance_mm))
    relative = np.interp(off_axis_deg, angles, columns[str(geometry.anode_deg)])
    return np.asarray(relative**geometry.heel, dtype=np.float32)[:, None]


def _focused(passed: FloatArray, spacing_mm: float, scanner: Scanner) -> FloatArray:
    """Blurred by the focal spot, seen through the femur as through a pinhole (sigma of a uniform square)."""
    sigma = scanner.frequency.focus_mm * (scanner.geometry.magnification - 1) / np.sqrt(12) / spacing_mm
    return passed if sigma < 0.2 else np.asarray(gaussian_filter(passed, sigma, truncate=3), dtype=np.float32)


def _taken(scanner: Scanner) -> float:
    """The detective quantum efficiency at frequency 0: share of photons absorbed, times the Swank factor."""
    fluence = photons(scanner.geometry.tube) * np.exp(-per_mm("muscle") * THIGH_MM)
    return float((fluence * absorbed(scanner.absorber)).sum() / fluence.sum()) * scanner.noise.statistics


def _mean_energy_kev(scanner: Scanner) -> float:
    """Mean energy of the signal behind a thigh."""
    signal = (
        photons(scanner.geometry.tube)
        * np.exp(-per_mm("muscle") * THIGH_MM)
        * ENERGIES_KEV
        * absorbed(scanner.absorber)
    )
    return float((signal * ENERGIES_KEV).sum() / signal.sum())


def _blurred(signal: FloatArray, pitch_mm: float, frequency: Frequency) -> FloatArray:
    """Through the detector's modulation transfer, which is a sum of two that are products along the axes."""
    shape = tuple(fft.next_fast_len(n + 8, real=True) for n in signal.shape)
    padded = np.pad(signal, [(0, longer - n) for longer, n in zip(shape, signal.shape, strict=True)], mode="edge")
    transformed = fft.rfft2(padded)
    per_mm_y, per_mm_x = fft.fftfreq(shape[0], pitch_mm), fft.rfftfreq(shape[1], pitch_mm)
    transfer = np.zeros((len(per_mm_y), len(per_mm_x)), dtype=np.float32)
    for share, sigma_mm in ((1 - frequency.tail, frequency.core_mm), (frequency.tail, frequency.tail_mm)):
        y, x = (np.exp(-2 * np.square(np.pi * sigma_mm * one)).astype(np.float32) for one in (per_mm_y, per_mm_x))
        transfer += (np.float32(share) * y)[:, None] * x[None, :]
    transformed *= transfer
    return np.asarray(fft.irfft2(transformed, shape)[: signal.shape[0], : signal.shape[1]], dtype=np.float32)


def _grid_lines(n_columns: int, pitch_mm: float, scanner: Scanner) -> FloatArray:
    """The lines of a grid that stands still, as the detector's own pixels sample them; axes (1, x)."""
    scatter = scanner.scatter
    if not scatter.lines_contrast:
        return np.ones((1, 1), dtype=np.float32)
    sampling = 1 / scanner.geometry.pitch_mm
    seen_per_mm = abs(scatter.lines_per_mm - sampling * round(scatter.lines_per_mm / sampling))
    aperture = float(np.sinc(scatter.lines_per_mm / sampling) * np.sinc(seen_per_mm * pitch_mm))
    transfer = float(scanner.frequency.mtf(np.array([scatter.lines_per_mm]))[0])
    x_mm = (np.arange(n_columns) + 0.5) * pitch_mm
    lines = 1 + scatter.lines_contrast * abs(aperture) * transfer * np.cos(2 * np.pi * seen_per_mm * x_mm)
    return np.asarray(lines[None, :], dtype=np.float32)


def _add_structure(signal: FloatArray, pitch_mm: float, scanner: Scanner, room: np.random.Generator) -> None:
    """What flat-fielding left of the plate's or panel's own structure, the same in every image of the room."""
    noise, shape = scanner.noise, (signal.shape[0], signal.shape[1])
    grains = room.standard_normal(_coarser(shape, pitch_mm, MOTTLE_MM), dtype=np.float32)
    columns = room.standard_normal((1, _coarser(shape, pitch_mm, BAND_MM)[1]), dtype=np.float32)
    if noise.mottle:
        signal *= resized(1 + np.float32(noise.mottle) * grains, shape)
    if noise.lines:
        signal *= resized(1 + np.float32(noise.lines) * columns, (1, shape[1]))


def _coarser(shape: tuple[int, int], spacing_mm: float, coarse_mm: float) -> tuple[int, int]:
    return max(2, round(shape[0] * spacing_mm / coarse_mm)), max(2, round(shape[1] * spacing_mm / coarse_mm))


def _within(at_mm: FloatArray, ends_mm: tuple[float, float], pitch_mm: float) -> FloatArray:
    inside = np.minimum(at_mm - ends_mm[0], ends_mm[1] - at_mm) / pitch_mm + 0.5
    return np.asarray(np.clip(inside, 0, 1), dtype=np.float32)

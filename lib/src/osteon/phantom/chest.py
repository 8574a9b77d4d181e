"""A crude thorax, only good enough to be no femur."""

import numpy as np
import numpy.typing as npt

from osteon.phantom.projection import Thickness

__all__ = ["project_chest"]

FloatArray = npt.NDArray[np.float32]


def project_chest(field_mm: tuple[float, float], spacing_mm: float, rng: np.random.Generator) -> Thickness:
    """Thickness maps of a chest from the front: two lungs, heart, spine, twelve pairs of ribs, collar bones."""
    n_rows, n_columns = (round(side_mm / spacing_mm) for side_mm in field_mm)
    v = np.linspace(-1, 1, n_rows, dtype=np.float32)[:, None]
    u = np.linspace(-1, 1, n_columns, dtype=np.float32)[None, :]
    size = float(rng.uniform(0.92, 1.05))
    left, right = (_ball(v + 0.02, u - side * 0.42, 0.66 * size, 0.30 * size) for side in (-1, 1))
    lungs_mm = 150 * (left + right)
    heart_mm = 90 * _ball(v - 0.22, u - 0.14, 0.36, 0.32)
    body_mm = 200 * np.sqrt(np.clip(1 - (u / 1.05) ** 2, 0, None)) * np.ones_like(v)
    cortex_mm = 9 * np.exp(-((u / 0.07) ** 4)) * (1 + 0.25 * np.cos(v * 40)) * np.ones_like(v)
    for number in range(12):
        middle = -0.78 + 0.125 * number
        cortex_mm += 2.5 * _band(v - middle - 0.35 * (np.abs(u) - 0.3) ** 2, 0.018) * (np.abs(u) < 0.8)
        cortex_mm += 1.5 * _band(v - middle - 0.3 + 0.4 * np.abs(u), 0.015) * ((np.abs(u) > 0.2) & (np.abs(u) < 0.8))
    cortex_mm += 4 * _band(v + 0.82 - 0.12 * np.abs(u), 0.022) * ((np.abs(u) > 0.08) & (np.abs(u) < 0.75))
    muscle_mm = np.clip(body_mm - np.clip(lungs_mm - heart_mm, 0, None) - cortex_mm, 15, None)
    return Thickness(
        cortex_mm=cortex_mm.astype(np.float32),
        spongy_mm=np.zeros((n_rows, n_columns), dtype=np.float32),
        muscle_mm=muscle_mm.astype(np.float32),
        fat_mm=np.full((n_rows, n_columns), rng.uniform(15, 35), dtype=np.float32),
        metal_mm=np.zeros((n_rows, n_columns), dtype=np.float32),
        spacing_mm=spacing_mm,
    )


def _ball(v: FloatArray, u: FloatArray, height: float, width: float) -> FloatArray:
    return np.asarray(np.sqrt(np.clip(1 - (v / height) ** 2 - (u / width) ** 2, 0, None)), dtype=np.float32)


def _band(distance: FloatArray, width: float) -> FloatArray:
    return np.asarray(np.exp(-((distance / width) ** 4)), dtype=np.float32)

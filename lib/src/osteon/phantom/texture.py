"""Fine structure of each patient's own: spongy bone, streaks in muscle. Fixed to the bone, so that it moves with it."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

__all__ = ["Texture", "draw_texture"]

FloatArray = npt.NDArray[np.float32]
SHAPE = (512, 256)  # powers of two, so that places wrap by a bit mask
STEP_MM = 0.35  # a trabecula is 0.1 to 0.2 mm thick and they lie 0.6 to 1 mm apart
# Power falls with frequency to this exponent, as in films of spongy bone and most natural textures; a choice.
EXPONENT = 1.6


class Texture:
    """A patient's noise of mean 0 and deviation 1, without end in both directions."""

    def __init__(self, tile: FloatArray) -> None:
        self._tile = tile

    def at(self, p: FloatArray, q: FloatArray) -> FloatArray:
        """The noise at each (p, q) in mm."""
        rows = (p * np.float32(1 / STEP_MM)).astype(np.int32) & (SHAPE[0] - 1)
        columns = (q * np.float32(1 / STEP_MM)).astype(np.int32) & (SHAPE[1] - 1)
        return np.asarray(self._tile.take(rows * np.int32(SHAPE[1]) + columns), dtype=np.float32)

    def between(self, p: FloatArray, q: FloatArray) -> FloatArray:
        """The noise at each (p, q) in mm, with straight lines between its steps: for what is drawn out much larger."""
        p, q = p * np.float32(1 / STEP_MM), q * np.float32(1 / STEP_MM)
        row, column = np.floor(p), np.floor(q)
        down, right = p - row, q - column
        rows = [(row.astype(np.int32) + n & (SHAPE[0] - 1)) * np.int32(SHAPE[1]) for n in (0, 1)]
        columns = [column.astype(np.int32) + n & (SHAPE[1] - 1) for n in (0, 1)]
        upper, lower = (
            (1 - right) * self._tile.take(one + columns[0]) + right * self._tile.take(one + columns[1]) for one in rows
        )
        return np.asarray((1 - down) * upper + down * lower, dtype=np.float32)


def draw_texture(rng: np.random.Generator) -> Texture:
    """A texture that no other patient has."""
    white = fft.rfft2(rng.standard_normal(SHAPE, dtype=np.float32))
    tile = fft.irfft2(white * _filter(), s=SHAPE)
    return Texture((tile / tile.std()).astype(np.float32))


@lru_cache(maxsize=1)
def _filter() -> FloatArray:
    """Amplitude by spatial frequency: a power law between 1 per 12 mm and 1 per 0.8 mm."""
    down = fft.fftfreq(SHAPE[0], STEP_MM)[:, None]
    right = fft.rfftfreq(SHAPE[1], STEP_MM)[None, :]
    frequency = np.hypot(down, right)
    power = np.maximum(frequency, 1 / 12) ** -EXPONENT * np.exp(-((frequency * 0.8) ** 4))
    power[frequency < 1 / 25] = 0
    return np.asarray(np.sqrt(power), dtype=np.float32)

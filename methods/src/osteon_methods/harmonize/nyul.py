"""Nyúl: standardise intensities to landmarks learned from a cohort.

Nyúl and Udupa, "On standardizing the MR image intensity scale", Magn Reson Med 42 (1999) 1072-1081; landmarks as in
Nyúl, Udupa and Zhang, IEEE TMI 19 (2000) 143-150. It undoes a site's monotone tone curve as far as deciles can tell;
it can't undo noise, blur or sharpening, and an image with much more bone in its field than the cohort's is pulled
towards the average.

The network below says in PyTorch, and so in ONNX, what `osteon.imaging.intensity` says in NumPy; a test holds the two
equal.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from osteon.imaging.geometry import Geometry
from osteon.imaging.intensity import DECILES, landmarks, standard_scale
from osteon.release.card import Card, Cohort, Scope
from osteon.release.card import Tensor as TensorCard

__all__ = ["NAME", "SCOPE", "Config", "Nyul", "card", "learn"]

NAME = "nyul"
STRIDE = 2  # landmarks from every second row and column: sorting costs a quarter, a decile moves by less than 0.3 %
SCOPE = Scope(modalities=("DX", "CR"), body_parts=("FEMUR", "THIGH", "HIP"), views=())


@dataclass(frozen=True)
class Config:
    """`percentiles` of the foreground that are the landmarks, 0 to 100, increasing."""

    percentiles: tuple[float, ...] = DECILES


class Nyul(nn.Module):
    """Image (batch, 1, rows, columns) in arbitrary linear units → the same in [0, 1]. Nothing in it is trained."""

    percentiles: Tensor
    scale: Tensor

    def __init__(self, scale: npt.NDArray[np.float64], percentiles: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("scale", torch.from_numpy(scale.astype(np.float32)))
        self.register_buffer("percentiles", torch.tensor(percentiles, dtype=torch.float32))

    def forward(self, image: Tensor) -> Tensor:
        """The standardised images."""
        low, high = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
        image = (image - low) / (high - low).clamp_min(1e-6)  # units no longer matter, nor does float32's precision
        source = self._landmarks(image[:, :, ::STRIDE, ::STRIDE].flatten(1))  # (batch, landmarks)
        # The map is a sum of ramps: each rises from 0 to its piece's height between two landmarks, and stays there.
        start = source[:, :-1, None, None]
        width = source.diff(dim=1)[:, :, None, None].clamp_min(1e-9)
        height = self.scale.diff()[:, None, None]
        standard = self.scale[0]
        for piece in range(height.numel()):
            here = slice(piece, piece + 1)
            standard = standard + height[here] * ((image - start[:, here]) / width[:, here]).clamp(0, 1)
        return standard.clamp(0, 1)

    def _landmarks(self, flat: Tensor) -> Tensor:
        """Percentiles of the pixels above the mean, linearly interpolated (type 7 of Hyndman and Fan 1996)."""
        n_pixels = flat.shape[1]
        n_inside = (flat > flat.mean(1, keepdim=True)).sum(1, keepdim=True)  # (batch, 1)
        n_inside = torch.where(n_inside > 0, n_inside, n_pixels)  # of a blank image all pixels count
        ordered = flat.sort(dim=1).values  # the foreground is at its end
        position = (n_pixels - n_inside) + self.percentiles / 100 * (n_inside - 1).float()  # (batch, landmarks)
        below = position.floor().long().clamp(0, n_pixels - 1)
        above = (below + 1).clamp(0, n_pixels - 1)
        part = position - below.float()
        return torch.lerp(ordered.gather(1, below), ordered.gather(1, above), part)


def learn(images: Iterable[npt.NDArray[np.float32]], config: Config) -> Nyul:
    """The network for a cohort of images (rows, columns). Raises ValueError for an empty cohort or a blank image."""
    scale = standard_scale(landmarks(image[::STRIDE, ::STRIDE], config.percentiles) for image in images)
    return Nyul(scale, config.percentiles)


def card(cohort: Cohort, geometry: Geometry, *, seed: int, command: str, trained_on: str) -> Card:
    """What the network takes and gives."""
    shape = (None, 1, geometry.rows, geometry.columns)
    return Card(
        name=NAME,
        version=1,
        role="harmonizer",
        inputs=(TensorCard("image", "float32", shape, None, "arbitrary, linear; bone bright"),),
        outputs=(TensorCard("harmonized", "float32", shape, (0.0, 1.0), "share of the standard scale"),),
        geometry=geometry,
        scope=SCOPE,
        cohort=cohort,
        tolerance=1e-3,  # a pixel at a steep landmark moves by more than float32's own error
        seed=seed,
        command=command,
        trained_on=trained_on,
    )

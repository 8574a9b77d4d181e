"""CNN: is the fracture atypical? The smallest honest model.

A few strided convolutions, max-pooled (as in Pinheiro and Collobert, CVPR 2015), without any normalisation: batch
statistics neither aggregate over sites nor suit differential privacy, and group normalisation let leg against air drown
the fracture, so that nothing was learned. A fracture fills a hundredth of the field, and a few hundred labels don't
suffice to find it. So one network is taught, by the masks of the digital cohort, where a fracture is, and another reads
a window round that place.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from osteon.imaging.geometry import Geometry
from osteon.release.card import Calibration, Card, Cohort, Scope
from osteon.release.card import Tensor as TensorCard

__all__ = [
    "NAME",
    "NOWHERE",
    "SCOPE",
    "Cnn",
    "Config",
    "augment",
    "card",
    "mirrored",
    "places",
    "strip",
    "training_step",
    "window",
]

NAME = "cnn"
SCOPE = Scope(modalities=("DX", "CR"), body_parts=("FEMUR", "THIGH", "HIP"), views=())
STRIP_PIXELS = 192  # 96 mm round the middle, where the reference geometry puts the bone: 19 of 20 fractures lie there
COARSE = 2  # the fracture is sought at 1 mm
STEP_PIXELS = 16  # 8 mm: the grid of places where it may be
WINDOW_PIXELS = 128  # 64 mm: a shaft with a displaced, oblique fracture fits
SMOOTH_PIXELS = 8  # 4 mm: wider than a crack, narrower than a shaft; divides the window
PLACE_WEIGHT = 0.2  # a place is one of 480, so that its loss begins nine times as large as that of two labels
NOWHERE = -1  # the number of the place where the strip does not show the fracture


@dataclass(frozen=True)
class Config:
    """`planes` of each convolution that reads and of each that seeks, every one of which halves the resolution; the
    last one that seeks looks wider instead."""

    planes: tuple[int, ...] = (16, 32, 64, 64)
    seeking: tuple[int, int, int] = (16, 32, 32)


class Cnn(nn.Module):
    """Harmonized image (batch, 1, rows, columns) in [0, 1] → logit (batch, 1); positive means atypical."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.features = nn.Sequential(*_halving(2, config.planes))
        self.score = nn.Linear(config.planes[-1], 1)
        wide = config.seeking[-1]
        self.seeking = nn.Sequential(
            *_halving(2, config.seeking),
            nn.Conv2d(wide, wide, kernel_size=7, padding=3),
            nn.ReLU(),
            nn.Conv2d(wide, 1, kernel_size=1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """The logit of each image."""
        place = self.seek(strip(image)).argmax(1)
        n_columns = STRIP_PIXELS // STEP_PIXELS
        row = place // n_columns * STEP_PIXELS + STEP_PIXELS // 2
        column = place % n_columns * STEP_PIXELS + STEP_PIXELS // 2 + (image.shape[3] - STRIP_PIXELS) // 2
        return self.read(window(image, row, column))

    def seek(self, strip: Tensor) -> Tensor:
        """How much speaks for a fracture at each place (batch, places) of what `strip` gives, row by row."""
        logits: Tensor = self.seeking(_with_detail(strip, SMOOTH_PIXELS // COARSE))
        return logits.flatten(1)

    def read(self, window: Tensor) -> Tensor:
        """The logit of each window that `window` gives."""
        features = self.features(_with_detail(window, SMOOTH_PIXELS))
        logit: Tensor = self.score(features.amax((2, 3)))  # (batch, 1)
        return logit


def strip(image: Tensor) -> Tensor:
    """The middle of each image (batch, 1, rows / COARSE, STRIP_PIXELS / COARSE)."""
    left = (image.shape[3] - STRIP_PIXELS) // 2
    return nn.functional.avg_pool2d(image[:, :, :, left : left + STRIP_PIXELS], COARSE)


def window(image: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """The window (batch, 1, WINDOW_PIXELS, WINDOW_PIXELS) of each image round a pixel; beyond the image all is dark."""
    half = WINDOW_PIXELS // 2
    padded = nn.functional.pad(image, (half, half, half, half))
    steps = torch.arange(WINDOW_PIXELS)
    rows, columns = row[:, None] + steps, column[:, None] + steps  # (batch, window)
    lines = padded.gather(2, rows[:, None, :, None].expand(-1, 1, -1, padded.shape[3]))
    return lines.gather(3, columns[:, None, None, :].expand(-1, 1, WINDOW_PIXELS, -1))


def places(row: Tensor, column: Tensor, n_columns: int) -> Tensor:
    """The number of the place that each pixel of images `n_columns` wide lies in; NOWHERE outside the strip, and where
    the pixel is NaN."""
    column = column - (n_columns - STRIP_PIXELS) // 2
    is_there = (column >= 0) & (column < STRIP_PIXELS)  # NaN is not
    row, column = row.nan_to_num().long() // STEP_PIXELS, column.nan_to_num().long() // STEP_PIXELS
    return torch.where(is_there, row * (STRIP_PIXELS // STEP_PIXELS) + column, NOWHERE)


def _halving(n_in: int, planes: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise((n_in, *planes)):
        layers += [nn.Conv2d(before, after, kernel_size=5, stride=2, padding=2), nn.ReLU()]
    return layers


def _with_detail(image: Tensor, size: int) -> Tensor:
    """The image, and in a channel of its own what is finer than `size` pixels: a crack is a hundredth as strong as
    bone against air."""
    smooth = nn.functional.avg_pool2d(image, size)
    smooth = nn.functional.interpolate(smooth, scale_factor=float(size), mode="bilinear")
    return torch.cat([2 * (image - 0.5), 8 * (image - smooth)], dim=1)


def mirrored(strip: Tensor, place: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Strips, and the numbers of their places, with side or end or both exchanged at random."""
    n_columns = STRIP_PIXELS // STEP_PIXELS
    row, column = place // n_columns, place % n_columns
    n_rows = strip.shape[2] * COARSE // STEP_PIXELS
    if torch.rand((), generator=generator) < 0.5:
        strip, column = strip.flip(-1), n_columns - 1 - column
    if torch.rand((), generator=generator) < 0.5:
        strip, row = strip.flip(-2), n_rows - 1 - row
    return strip, row * n_columns + column


def augment(window: Tensor, generator: torch.Generator) -> Tensor:
    """What the leg's side, its place, and a site's leftover contrast may change, and the diagnosis may not."""
    if torch.rand((), generator=generator) < 0.5:
        window = window.flip(-1)
    if torch.rand((), generator=generator) < 0.5:
        window = window.flip(-2)
    down, right = torch.randint(-16, 17, (2,), generator=generator).tolist()
    window = window.roll((down, right), dims=(-2, -1))
    shape = (window.shape[0], 1, 1, 1)
    gamma = torch.exp(0.2 * torch.randn(shape, generator=generator))
    noise = 0.015 * torch.randn(window.shape, generator=generator) * torch.rand(shape, generator=generator)
    return window.clamp(1e-4, 1) ** gamma + noise


def training_step(network: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
    """Mean cross-entropy of a batch of (strip, place, window, target): of the place, and of the target (batch,), 1 for
    atypical. The window is that round the true place, so that reading is learned while seeking is not yet."""
    assert isinstance(network, Cnn)
    strips, place, windows, target = batch
    strips, place = mirrored(strips.float(), place, generator)
    missed = nn.functional.cross_entropy(network.seek(strips), place)
    logit = network.read(augment(windows.float(), generator))
    wrong = nn.functional.binary_cross_entropy_with_logits(logit.flatten(), target.float())
    return PLACE_WEIGHT * missed + wrong


def card(
    cohort: Cohort,
    geometry: Geometry,
    calibration: Calibration,
    operating_point: float,
    *,
    seed: int,
    command: str,
    trained_on: str,
) -> Card:
    """What the network takes and gives."""
    shape = (None, 1, geometry.rows, geometry.columns)
    return Card(
        name=NAME,
        version=1,
        role="classifier",
        inputs=(TensorCard("image", "float32", shape, (0.0, 1.0), "share of the standard scale"),),
        outputs=(TensorCard("logit", "float32", (None, 1), None, "log odds before calibration"),),
        geometry=geometry,
        scope=SCOPE,
        cohort=cohort,
        tolerance=1e-3,
        labels=("typical", "atypical"),
        operating_point=operating_point,
        calibration=calibration,
        seed=seed,
        command=command,
        trained_on=trained_on,
    )

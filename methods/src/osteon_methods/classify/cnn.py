"""CNN: is the fracture atypical? The smallest honest model.

A few strided convolutions, max-pooled (as in Pinheiro and Collobert, CVPR 2015), without any normalisation: batch
statistics neither aggregate over sites nor suit differential privacy, and group normalisation let leg against air drown
the fracture, so that nothing was learned. A fracture fills a hundredth of the field, and a few hundred labels don't
suffice to find it: so where to look is computed, not learned, and only a window round that place is read.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from osteon.imaging.geometry import Geometry
from osteon.release.card import Calibration, Card, Cohort, Scope
from osteon.release.card import Tensor as TensorCard

__all__ = ["NAME", "SCOPE", "Cnn", "Config", "augment", "card", "look", "training_step"]

NAME = "cnn"
SCOPE = Scope(modalities=("DX", "CR"), body_parts=("FEMUR", "THIGH", "HIP"), views=())
STEP_PIXELS = 4  # 2 mm at the reference spacing, about the width of a fracture line
PLACE_PIXELS = 32  # the grid on which the fracture is sought; a shaft is twice as wide
WINDOW_PIXELS = 128  # 64 mm: a shaft with a displaced, oblique fracture fits
SMOOTH_PIXELS = 8  # 4 mm: wider than a crack, narrower than a shaft; divides the window


@dataclass(frozen=True)
class Config:
    """`planes` of each convolution, every one of which halves the resolution."""

    planes: tuple[int, ...] = (16, 32, 64, 64)


class Cnn(nn.Module):
    """Harmonized image (batch, 1, rows, columns) in [0, 1] → logit (batch, 1); positive means atypical."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise((2, *config.planes)):
            layers += [nn.Conv2d(n_in, n_out, kernel_size=5, stride=2, padding=2), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.score = nn.Linear(config.planes[-1], 1)

    def forward(self, image: Tensor) -> Tensor:
        """The logit of each image."""
        return self.read(look(image))

    def read(self, window: Tensor) -> Tensor:
        """The logit of each window that `look` gives."""
        smooth = nn.functional.avg_pool2d(window, SMOOTH_PIXELS)
        smooth = nn.functional.interpolate(smooth, scale_factor=float(SMOOTH_PIXELS), mode="bilinear")
        # A crack is a hundredth as strong as bone against air: what is finer than 4 mm has a channel of its own.
        features = self.features(torch.cat([2 * (window - 0.5), 8 * (window - smooth)], dim=1))
        logit: Tensor = self.score(features.amax((2, 3)))  # (batch, 1)
        return logit


def look(image: Tensor) -> Tensor:
    """The window (batch, 1, WINDOW_PIXELS, WINDOW_PIXELS) of each image round the place where most changes along the
    leg within what is bright.

    Cortices run along the leg and hardly change; a fracture does. Edges of the field have darkness on one side.
    """
    # 1. How much changes, at each place and its neighbours, which hold beaks and splinters.
    above, below = image[:, :, :-STEP_PIXELS], image[:, :, STEP_PIXELS:]
    change = (above - below).abs() * torch.minimum(above, below) ** 2
    change = nn.functional.pad(change, (0, 0, STEP_PIXELS // 2, STEP_PIXELS // 2))
    places = nn.functional.avg_pool2d(change, PLACE_PIXELS)  # (batch, 1, rows / 32, columns / 32)
    places = places + nn.functional.avg_pool2d(places, 3, stride=1, padding=1)
    # 2. The most prominent place, and the window round it; beyond the image all is dark.
    n_columns = places.shape[3]
    place = places.flatten(1).argmax(1)
    half = WINDOW_PIXELS // 2
    padded = nn.functional.pad(image, (half, half, half, half))
    steps = torch.arange(WINDOW_PIXELS)
    rows = (place // n_columns * PLACE_PIXELS + PLACE_PIXELS // 2)[:, None] + steps  # (batch, window)
    columns = (place % n_columns * PLACE_PIXELS + PLACE_PIXELS // 2)[:, None] + steps
    strip = padded.gather(2, rows[:, None, :, None].expand(-1, 1, -1, padded.shape[3]))
    return strip.gather(3, columns[:, None, None, :].expand(-1, 1, WINDOW_PIXELS, -1))


def augment(window: Tensor, generator: torch.Generator) -> Tensor:
    """What the leg's side, its place, and a site's leftover contrast may change, and the diagnosis may not."""
    if torch.rand((), generator=generator) < 0.5:
        window = window.flip(-1)
    if torch.rand((), generator=generator) < 0.5:
        window = window.flip(-2)
    down, right = torch.randint(-10, 11, (2,), generator=generator).tolist()
    window = window.roll((down, right), dims=(-2, -1))
    shape = (window.shape[0], 1, 1, 1)
    gamma = torch.exp(0.2 * torch.randn(shape, generator=generator))
    noise = 0.015 * torch.randn(window.shape, generator=generator) * torch.rand(shape, generator=generator)
    return window.clamp(1e-4, 1) ** gamma + noise


def training_step(network: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
    """Mean cross-entropy of a batch of (window, target), targets (batch,) 1 for atypical."""
    assert isinstance(network, Cnn)
    window, target = batch
    logit = network.read(augment(window.float(), generator))
    return nn.functional.binary_cross_entropy_with_logits(logit.flatten(), target.float())


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

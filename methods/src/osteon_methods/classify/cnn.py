"""CNN: is the fracture atypical? The smallest honest model.

Residual blocks (He et al., "Deep residual learning for image recognition", CVPR 2016; MONAI's `ResidualUnit`) with
group normalisation (Wu and He, ECCV 2018), since batch statistics neither aggregate over sites nor suit differential
privacy. A fracture fills a hundredth of the field, and a few hundred labels don't suffice to find it: with mean or
log-sum-exp pooling this network learned nothing. So it is told where to look: places are pooled by an attention that
is computed, not learned, from how much the image changes along the leg.
"""

import itertools
from dataclasses import dataclass

import torch
from monai.networks.blocks.convolutions import ResidualUnit
from torch import Tensor, nn

from osteon.imaging.geometry import Geometry
from osteon.release.card import Calibration, Card, Cohort, Scope
from osteon.release.card import Tensor as TensorCard

__all__ = ["NAME", "SCOPE", "Cnn", "Config", "augment", "card", "training_step"]

NAME = "cnn"
STEP_PIXELS = 4  # 2 mm at the reference spacing, about the width of a fracture line
SMOOTH_PIXELS = 8  # 4 mm at the reference spacing: wider than a crack, narrower than a shaft; divides the grid
SCOPE = Scope(modalities=("DX", "CR"), body_parts=("FEMUR", "THIGH", "HIP"), views=())


@dataclass(frozen=True)
class Config:
    """`patch` pixels a side become one vector of `planes[0]` filters (2 mm: a crack is a part of it, and seen); each
    further block halves the resolution. `sharpness` of the attention: 0 is the mean."""

    patch: int = 4
    planes: tuple[int, ...] = (12, 16, 32, 48)
    groups: int = 4
    sharpness: float = 1.5


class Cnn(nn.Module):
    """Harmonized image (batch, 1, rows, columns) in [0, 1] → logit (batch, 1); positive means atypical."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.sharpness = config.sharpness
        self.stem = nn.Conv2d(2, config.planes[0], config.patch, stride=config.patch)
        self.blocks = nn.Sequential(
            *(
                ResidualUnit(2, n_in, n_out, strides=2, act="RELU", norm=("GROUP", {"num_groups": config.groups}))
                for n_in, n_out in itertools.pairwise(config.planes)
            )
        )
        self.score = nn.Conv2d(config.planes[-1], 1, kernel_size=1)
        self.stride = config.patch * 2 ** (len(config.planes) - 1)

    def forward(self, image: Tensor) -> Tensor:
        """The logit of each image."""
        patches = self.stem(self._with_detail(image))  # (batch, planes, rows / 4, columns / 4)
        features = self.blocks(patches)  # (batch, planes, rows / 32, columns / 32)
        scores = self.score(features).flatten(1)  # (batch, places)
        attention = self._prominence(image).flatten(1)
        attention = attention / (attention.mean(1, keepdim=True) + 1e-6)  # how many times the average place
        logit: Tensor = (scores * (self.sharpness * attention).softmax(1)).sum(1, keepdim=True)
        return logit  # (batch, 1)

    def _prominence(self, image: Tensor) -> Tensor:
        """Change along the leg, within what is bright, at each place: (batch, 1, rows / 32, columns / 32).

        Cortices run along the leg and hardly change; a fracture does. Edges of the field have darkness on one side.
        """
        above, below = image[:, :, :-STEP_PIXELS], image[:, :, STEP_PIXELS:]
        change = (above - below).abs() * torch.minimum(above, below) ** 2
        change = nn.functional.pad(change, (0, 0, STEP_PIXELS // 2, STEP_PIXELS // 2))
        places = nn.functional.avg_pool2d(change, self.stride)
        return nn.functional.max_pool2d(places, 3, stride=1, padding=1)  # neighbours hold beaks and splinters

    def _with_detail(self, image: Tensor) -> Tensor:
        """The image and what in it is finer than a few mm, each about as strong: (batch, 2, rows, columns).

        Without the second, leg against air outweighs a crack a hundredfold, and group normalisation hides it.
        """
        smooth = nn.functional.avg_pool2d(image, SMOOTH_PIXELS)
        smooth = nn.functional.interpolate(smooth, scale_factor=float(SMOOTH_PIXELS), mode="bilinear")
        return torch.cat([2 * (image - 0.5), 8 * (image - smooth)], dim=1)


def augment(image: Tensor, generator: torch.Generator) -> Tensor:
    """What the leg's side, its place, and a site's leftover contrast may change, and the diagnosis may not."""
    if torch.rand((), generator=generator) < 0.5:
        image = image.flip(-1)
    if torch.rand((), generator=generator) < 0.5:
        image = image.flip(-2)
    down, right = torch.randint(-24, 25, (2,), generator=generator).tolist()
    image = image.roll((down, right), dims=(-2, -1))
    shape = (image.shape[0], 1, 1, 1)
    gamma = torch.exp(0.2 * torch.randn(shape, generator=generator))
    noise = 0.015 * torch.randn(image.shape, generator=generator) * torch.rand(shape, generator=generator)
    return image.clamp(1e-4, 1) ** gamma + noise


def training_step(network: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
    """Mean cross-entropy of a batch of (image, target), targets (batch,) 1 for atypical."""
    image, target = batch
    logit = network(augment(image.float(), generator))
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

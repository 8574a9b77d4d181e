"""CNN: is the fracture atypical? The smallest honest model.

Residual blocks (He et al., "Deep residual learning for image recognition", CVPR 2016; MONAI's `ResidualUnit`) with
group normalisation (Wu and He, ECCV 2018), since batch statistics neither aggregate over sites nor suit differential
privacy. A fracture fills a small part of the field, so the last map is pooled by log-sum-exp (Pinheiro and Collobert,
CVPR 2015), which lies between mean and maximum.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from monai.networks.blocks.convolutions import ResidualUnit
from torch import Tensor, nn

from osteon.imaging.geometry import Geometry
from osteon.release.card import Calibration, Card, Cohort, Scope
from osteon.release.card import Tensor as TensorCard

__all__ = ["NAME", "SCOPE", "Cnn", "Config", "augment", "card", "training_step"]

NAME = "cnn"
SCOPE = Scope(modalities=("DX", "CR"), body_parts=("FEMUR", "THIGH", "HIP"), views=())


@dataclass(frozen=True)
class Config:
    """`patch` pixels a side become one vector of `planes[0]` filters (2 mm: a crack is a part of it, and seen); each
    further block halves the resolution. `sharpness` of the pooling: 0 is the mean."""

    patch: int = 4
    planes: tuple[int, ...] = (12, 16, 32, 48)
    groups: int = 4
    sharpness: float = 3.0


class Cnn(nn.Module):
    """Harmonized image (batch, 1, rows, columns) in [0, 1] → logit (batch, 1); positive means atypical."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.sharpness = config.sharpness
        self.stem = nn.Conv2d(1, config.planes[0], config.patch, stride=config.patch)
        self.blocks = nn.Sequential(
            *(
                ResidualUnit(2, n_in, n_out, strides=2, act="RELU", norm=("GROUP", {"num_groups": config.groups}))
                for n_in, n_out in itertools.pairwise(config.planes)
            )
        )
        self.score = nn.Conv2d(config.planes[-1], 1, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """The logit of each image."""
        patches = self.stem(4 * (image - 0.5))  # (batch, planes, rows / 4, columns / 4)
        features = self.blocks(patches)  # (batch, planes, rows / 32, columns / 32)
        scores = self.score(features).flatten(1)  # (batch, places)
        pooled = torch.logsumexp(self.sharpness * scores, dim=1, keepdim=True) - math.log(scores.shape[1])
        return pooled / self.sharpness  # (batch, 1)


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

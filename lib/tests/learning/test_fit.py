"""The training loop."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from osteon.learning.fit import Plan, fit, seeded

PLAN = Plan(epochs=30, batch_size=8, learning_rate=0.2)


def step(network: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
    inputs, target = batch
    return nn.functional.mse_loss(network(inputs), target)


def line() -> TensorDataset:
    inputs = torch.linspace(-1, 1, 32)[:, None]
    return TensorDataset(inputs, 3 * inputs + 1)


def test_it_learns_a_line_and_tells_how_far_it_is() -> None:
    told: list[tuple[int, int, float]] = []
    with seeded(0) as generator:
        network = nn.Linear(1, 1)
        fit(network, step, line(), PLAN, generator=generator, progress=lambda *told_now: told.append(told_now))

    assert network.weight.item() == pytest.approx(3, abs=0.2)
    assert [done for done, _, _ in told] == list(range(1, 31))
    assert told[-1][2] < 0.05 * told[0][2]


def test_the_same_seed_gives_the_same_weights_and_leaves_the_outside_alone() -> None:
    weights = []
    torch.manual_seed(99)
    before = torch.get_rng_state()
    for _ in range(2):
        with seeded(5) as generator:
            network = nn.Linear(1, 1)
            fit(network, step, line(), PLAN, generator=generator)
        weights.append(network.weight.item())

    assert weights[0] == weights[1]
    assert torch.equal(torch.get_rng_state(), before)


def test_batch_normalisation_is_refused() -> None:
    network = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

    with pytest.raises(ValueError, match="GroupNorm"):
        fit(network, step, line(), PLAN, generator=torch.Generator())


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    def broken(network: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        return step(network, batch, generator) * float("nan")

    with pytest.raises(FloatingPointError, match="learning rate"):
        fit(nn.Linear(1, 1), broken, line(), PLAN, generator=torch.Generator())

"""The training loop, written once. A method brings a network and its `training_step`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

__all__ = ["Plan", "TrainingStep", "fit", "seeded"]

TrainingStep = Callable[[nn.Module, tuple[Tensor, ...], torch.Generator], Tensor]
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Plan:
    """How long and how fast a network learns. `learning_rate` is the peak of a one-cycle schedule."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 1e-3
    max_gradient_norm: float = 5.0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or self.learning_rate <= 0:
            raise ValueError(f"epochs, batch size and learning rate must be positive: {self}")


@contextmanager
def seeded(seed: int) -> Iterator[torch.Generator]:
    """Inside, PyTorch's random numbers follow from `seed`; outside, its state is as before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


def fit(
    network: nn.Module,
    training_step: TrainingStep,
    cases: TensorDataset,
    plan: Plan,
    *,
    generator: torch.Generator,
    progress: Progress | None = None,
    may_normalize_batches: bool = False,
) -> None:
    """Trains `network` in place, on the CPU, and leaves it in evaluation mode.

    `training_step` takes the network, a batch, and the random generator for its augmentation, and gives the mean loss
    of the batch. `progress` is called after each epoch with (epochs done, epochs in all, mean loss). Raises
    ValueError for a network with batch normalisation, whose statistics neither aggregate nor suit privacy, unless
    `may_normalize_batches` says that it never leaves this machine, and FloatingPointError as soon as a loss is not
    finite.
    """
    if not may_normalize_batches and any(
        isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()
    ):
        raise ValueError("no batch normalisation in training: use GroupNorm or InstanceNorm")
    loader = DataLoader(cases, plan.batch_size, shuffle=True, generator=generator)
    optimizer = torch.optim.AdamW(network.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.learning_rate, epochs=plan.epochs, steps_per_epoch=len(loader)
    )
    network.train()
    for epoch in range(plan.epochs):
        total = 0.0
        for batch in loader:
            optimizer.zero_grad(set_to_none=True)
            loss = training_step(network, tuple(batch), generator)
            if not torch.isfinite(loss):
                raise FloatingPointError(f"the loss is {loss.item()} in epoch {epoch}; lower the learning rate")
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), plan.max_gradient_norm)
            optimizer.step()
            schedule.step()
            total += loss.item()
        if progress is not None:
            progress(epoch + 1, plan.epochs, total / len(loader))
    network.eval()

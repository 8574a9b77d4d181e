"""What measures the digital cohort learns at all, and moves patients to the equipment that it says."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from osteon.errors import Fatal
from osteon.learning.fit import Plan, fit, seeded
from osteon.phantom.families import OUTSIDE
from osteon.phantom.make import Design, plan_of
from osteon.phantom.sites import sites
from osteon_methods.within_and_across import ResNet, families_at, measure, moved


def test_the_network_learns_two_images_by_heart() -> None:
    with seeded(0) as generator:
        network = ResNet((4, 4, 8, 8))
        cases = TensorDataset(torch.randn(2, 1, 64, 64), torch.tensor([0.0, 1.0]))

        def training_step(network: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
            image, target = batch
            return nn.functional.binary_cross_entropy_with_logits(network(image).flatten(), target)

        fit(network, training_step, cases, Plan(40, 2, 1e-2), generator=generator, may_normalize_batches=True)
        logits = network(cases.tensors[0]).flatten()

    assert logits[0] < 0 < logits[1]


def test_patients_who_move_keep_their_pose_and_meet_one_family_alone() -> None:
    rows = plan_of(Design())[:40]

    there = moved(rows, OUTSIDE)

    by_name = {site.name: site for site in sites()}
    assert {family for row in there for family in families_at(by_name[row.site])} == {OUTSIDE}
    assert [(row.patient, row.pose, row.view, row.date) for row in there] == [
        (row.patient, row.pose, row.view, row.date) for row in rows
    ]


def test_too_few_patients_are_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="ask for more"):
        measure(3, epochs=1, seed=0, cache=tmp_path / "cache")

    assert not (tmp_path / "cache").exists()

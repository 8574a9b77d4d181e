"""How hard the digital cohort is for a plain CNN: within the hospitals it learned from, and across to other equipment.

A small ResNet (He et al., CVPR 2016) learns from scratch to tell atypical from typical fractures, from patients of
hospitals of three scanner families. It sees 256 pixels of 0.4 mm with the fracture in the middle, or as near to it as
the crop goes on, which spares it the search. Other patients then test it: at such a hospital (within), and in the same
poses at hospitals of other families (across), so that patients and fractures differ in nothing but the room. The
published AUC within hospitals is 0.94 (Zdolsek et al., Acta Orthop 2021, 10.1080/17453674.2021.1891512).

    python -m osteon_methods.within_and_across found.json --patients 1200

It measures the cohort, not a method: nothing is harmonized, tuned or released.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer
from rich.console import Console
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from osteon.errors import Fatal
from osteon.learning.fit import Plan, fit, seeded
from osteon.phantom.families import OUTSIDE
from osteon.phantom.plan import Plan as CohortPlan
from osteon.phantom.plan import Row
from osteon.phantom.presets import NAME, preset_named
from osteon.phantom.probe import tone_of
from osteon.phantom.render import planned_sites, render
from osteon.phantom.sites import Site, sites
from osteon.statistics.binary import Interval, area_under_curve, area_with_interval
from osteon_methods.kept import default_cache, kept

__all__ = ["Found", "ResNet", "families_at", "measure", "moved"]

LEARNED = ("phantom-optics", "flat-panel", "northlight")  # the digital families: the commonest in new hospitals
HELD_OUT = ("plate", OUTSIDE)  # plates of phosphor, which training might have held; what lies outside its parameters
SIZE = 256  # pixels of 0.4 mm
HELD_BACK, TESTED = 3, 6  # every third patient is no one to learn from; every sixth tests
N_TEST_IMAGES = 2  # of each patient who tests: one from the front, one from the side
BATCH = 32


@dataclass(frozen=True)
class Found:
    """AUC of atypical against typical fractures, a patient's images averaged; intervals by patient, for this one
    network at these hospitals. `seen` is in the patients it learned from; `drop` is the AUC within less that across, in
    the same patients."""

    cohort: str
    n_patients_learned: int
    n_images_learned: int
    n_patients_tested: int
    n_atypical_tested: int
    epochs: int
    learned: tuple[str, ...]
    seen: Interval
    within: Interval
    within_incomplete: Interval
    across: dict[str, Interval]
    drop: dict[str, Interval]


@dataclass(frozen=True)
class Images:
    """`pixels` uint8 (image, SIZE, SIZE), right legs' lateral side left; the rest (image,) belongs to them."""

    pixels: npt.NDArray[np.uint8]
    is_atypical: npt.NDArray[np.bool_]
    is_incomplete: npt.NDArray[np.bool_]
    patient: npt.NDArray[np.int64]


class ResNet(nn.Module):
    """Image (batch, 1, rows, columns) → logit (batch, 1): four stages of two blocks, a quarter as wide as ResNet-18."""

    def __init__(self, planes: tuple[int, ...] = (16, 32, 64, 128)) -> None:
        super().__init__()
        width = planes[0]
        layers: list[nn.Module] = [nn.Conv2d(1, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        layers.append(nn.MaxPool2d(3, 2, 1))
        for stage, n_out in enumerate(planes):
            layers += [_Block(width, n_out, stride=2 if stage else 1), _Block(n_out, n_out, stride=1)]
            width = n_out
        self.features = nn.Sequential(*layers)
        self.score = nn.Linear(2 * width, 1)

    def forward(self, image: Tensor) -> Tensor:
        """The logit of each image."""
        features = self.features(image)
        logit: Tensor = self.score(torch.cat([features.mean((2, 3)), features.amax((2, 3))], dim=1))
        return logit


class _Block(nn.Module):
    def __init__(self, n_in: int, n_out: int, *, stride: int) -> None:
        super().__init__()
        self.deep = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out),
        )  # fmt: skip
        self.past: nn.Module = nn.Identity()
        if n_in != n_out or stride != 1:
            self.past = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.deep(x) + self.past(x))


def measure(n_patients: int, *, epochs: int, seed: int, cache: Path, n_processes: int = 2) -> Found:
    """Renders, learns and tests. Images are kept in `cache` under a name that follows from their rows and the code.

    Raises Fatal, before anything is made, where too few patients test for an AUC.
    """
    learned_at = [site for site in sites() if families_at(site) <= set(LEARNED)]
    plan = CohortPlan(preset_named("federated"), planned_sites(learned_at), seed, n_patients)
    rows = [row for row in plan if row.label != "no_fracture"]
    learning = [row for row in rows if row.patient % HELD_BACK]
    testing = [row for row in rows if not row.patient % TESTED and row.image < N_TEST_IMAGES]
    if not {"AFF_incomplete", "typical_fracture"} <= {row.label for row in testing}:
        raise Fatal(f"of {n_patients} patients none who tests has an incomplete, or a typical, fracture: ask for more")
    elsewhere = {family: moved(testing, family) for family in HELD_OUT}
    learned = _images(learning, cache, n_processes)
    tests = {name: _images(one, cache, n_processes) for name, one in {"within": testing, **elsewhere}.items()}
    network = _learned(learned, epochs, seed)
    scores = {name: _logits(network, images) for name, images in tests.items()}
    by_patient = {name: _by_patient(one, tests[name]) for name, one in scores.items()}
    seen = _by_patient(_logits(network, learned), learned)
    within, is_atypical, is_incomplete = by_patient.pop("within")
    whom = np.arange(within.size)
    some = is_incomplete | ~is_atypical
    return Found(
        cohort=NAME,
        n_patients_learned=len({row.patient for row in learning}),
        n_images_learned=len(learning),
        n_patients_tested=within.size,
        n_atypical_tested=int(is_atypical.sum()),
        epochs=epochs,
        learned=LEARNED,
        seen=area_with_interval(seen[0], seen[1], np.arange(seen[0].size), seed=seed),
        within=area_with_interval(within, is_atypical, whom, seed=seed),
        within_incomplete=area_with_interval(within[some], is_atypical[some], whom[some], seed=seed),
        across={name: area_with_interval(one[0], one[1], whom, seed=seed) for name, one in by_patient.items()},
        drop={name: _drop(within, one[0], is_atypical, seed) for name, one in by_patient.items()},
    )


def families_at(site: Site) -> set[str]:
    """The families of all that ever stands in a site's rooms."""
    return {one.ap.family for room in site.rooms for one in room.equipment}


def moved(rows: Sequence[Row], family: str) -> list[Row]:
    """The same images at hospitals that have nothing but this family, by turns."""
    there = [site.name for site in sites() if families_at(site) == {family}]
    return [replace(row, site=there[row.patient % len(there)], room=0) for row in rows]


def _images(rows: Sequence[Row], cache: Path, n_processes: int) -> Images:
    (pixels,) = kept(rows, _pixels, cache, n_processes=n_processes)
    return Images(
        pixels,
        np.array([row.label.startswith("AFF") for row in rows]),
        np.array([row.label == "AFF_incomplete" for row in rows]),
        np.array([row.patient for row in rows], dtype=np.int64),
    )


def _pixels(row: Row) -> tuple[npt.NDArray[np.uint8]]:
    """The window round the fracture, as of a right leg, between its own 1st and 99th percentile: all that the CNN is
    spared."""
    made = render(row, "crop")
    tone, fracture = tone_of(made.stored), made.projection.truth.fracture
    place = np.argwhere(fracture).mean(axis=0) if fracture.any() else np.array(fracture.shape) / 2
    corner = [int(np.clip(at - SIZE / 2, 0, n - SIZE)) for at, n in zip(place, tone.shape, strict=True)]
    tone = tone[corner[0] : corner[0] + SIZE, corner[1] : corner[1] + SIZE]
    tone = tone[:, ::-1] if row.side == "L" else tone
    low, high = np.percentile(tone, (1, 99))
    return (np.asarray(np.rint(255 * np.clip((tone - low) / max(high - low, 1e-6), 0, 1)), dtype=np.uint8),)


def _learned(images: Images, epochs: int, seed: int) -> ResNet:
    share = float(images.is_atypical.mean())
    weight = torch.tensor((1 - share) / share)

    def training_step(network: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        pixels, target = batch
        with torch.autocast("cpu", torch.bfloat16):
            logit = network(_augmented(_scaled(pixels), generator)).flatten()
        return nn.functional.binary_cross_entropy_with_logits(logit.float(), target.float(), pos_weight=weight)

    with seeded(seed) as generator:
        network = ResNet().to(memory_format=torch.channels_last)
        cases = TensorDataset(torch.from_numpy(images.pixels), torch.from_numpy(images.is_atypical))
        plan = Plan(epochs=epochs, batch_size=BATCH, learning_rate=2e-3, weight_decay=1e-2)
        fit(
            network,
            training_step,
            cases,
            plan,
            generator=generator,
            progress=lambda done, of, loss: Console().print(f"{done} of {of}, loss {loss:.3f}", highlight=False),
            may_normalize_batches=True,
        )
    return network


def _scaled(pixels: Tensor) -> Tensor:
    return (pixels[:, None].float() / 127.5 - 1).to(memory_format=torch.channels_last)


def _augmented(image: Tensor, generator: torch.Generator) -> Tensor:
    """Shifted by up to a tenth, turned by some degrees, resized, brighter or darker: what is usual."""
    n = image.shape[0]
    turn = 0.12 * torch.randn(n, generator=generator)
    size = torch.exp(0.08 * torch.randn(n, generator=generator))
    shift = 0.2 * (torch.rand(n, 2, generator=generator) - 0.5)
    cos, sin = size * torch.cos(turn), size * torch.sin(turn)
    matrix = torch.stack([torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)], 1)
    grid = nn.functional.affine_grid(matrix, list(image.shape), align_corners=False)
    moved = nn.functional.grid_sample(image, grid, padding_mode="border", align_corners=False)
    gain = 1 + 0.1 * torch.randn(n, 1, 1, 1, generator=generator)
    return (gain * moved + 0.1 * torch.randn(n, 1, 1, 1, generator=generator)).to(memory_format=torch.channels_last)


def _logits(network: ResNet, images: Images) -> npt.NDArray[np.float64]:
    found = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(images.pixels), BATCH):
            found.append(network(_scaled(torch.from_numpy(images.pixels[start : start + BATCH]))).flatten().float())
    return np.asarray(torch.cat(found).numpy(), dtype=np.float64)


def _by_patient(
    logits: npt.NDArray[np.float64], images: Images
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Mean logit of each patient, and whether atypical, and incompletely so."""
    _, first, which = np.unique(images.patient, return_index=True, return_inverse=True)
    mean = np.bincount(which, logits) / np.bincount(which)
    return np.asarray(mean), images.is_atypical[first], images.is_incomplete[first]


def _drop(
    within: npt.NDArray[np.float64], across: npt.NDArray[np.float64], is_atypical: npt.NDArray[np.bool_], seed: int
) -> Interval:
    """AUC within less that across, over draws of the same patients for both."""

    def differences() -> Iterator[float]:
        rng = np.random.default_rng(seed)
        for _ in range(1000):
            drawn = rng.integers(within.size, size=within.size)
            if 0 < is_atypical[drawn].sum() < drawn.size:
                one, other = (area_under_curve(scores[drawn], is_atypical[drawn]) for scores in (within, across))
                yield one - other

    low, high = np.percentile(list(differences()), [2.5, 97.5])
    value = area_under_curve(within, is_atypical) - area_under_curve(across, is_atypical)
    return Interval(value, float(low), float(high))


def main(
    out: Annotated[Path, typer.Argument(help="the file to write, .json")],
    patients: Annotated[int, typer.Option(min=60, help="of the federated mix; every sixth of them tests")] = 1200,
    epochs: Annotated[int, typer.Option(min=1, help="how often each image is seen")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="of patients and network")] = 1,
    cache: Annotated[Path, typer.Option(help="where images are kept; safe to delete")] = default_cache(),  # noqa: B008
    processes: Annotated[int, typer.Option(min=1, help="that render")] = 2,
) -> None:
    """AUC of a plain CNN within hospitals, and across to scanner families that it never saw."""
    torch.set_num_threads(1)
    try:
        found = measure(patients, epochs=epochs, seed=seed, cache=cache, n_processes=processes)
    except Fatal as error:
        raise typer.BadParameter(str(error), param_hint="--patients") from None
    out.write_text(json.dumps(asdict(found), indent=2) + "\n")
    print_ = Console().print
    print_(f"seen {found.seen}", highlight=False)
    print_(f"within {found.within}, incomplete ones alone {found.within_incomplete}", highlight=False)
    for family, area in found.across.items():
        print_(f"across to {family} {area}, a drop of {found.drop[family]}", highlight=False)


if __name__ == "__main__":
    typer.run(main)

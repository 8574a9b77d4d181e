"""What the commands do: learn the harmonizer, train and calibrate the classifier, measure it, write model folders.

Patients of the four purposes (harmonizer, fit, calibrate, test) are never the same; `osteon.phantom.seeds` sees to it.
The test patients are looked at once, after everything is chosen.
"""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.data import TensorDataset

from osteon.imaging.geometry import Geometry
from osteon.learning.export import export
from osteon.learning.fit import Plan, fit, seeded
from osteon.phantom.plan import Row
from osteon.phantom.presets import NAME
from osteon.release.card import Calibration, Card, Cohort
from osteon.release.parity import run_onnx
from osteon.statistics.binary import Interval, area_with_interval, operating_point, platt
from osteon_methods.classify import cnn
from osteon_methods.harmonize import nyul
from osteon_methods.kept import rows_digest
from osteon_methods.training_set import Rendered, plan_for, rendered

__all__ = ["Evaluation", "Progress", "Sizes", "evaluate", "train_classifier", "train_harmonizer"]

FloatArray = npt.NDArray[np.float32]
Progress = Callable[[str, int, int], None]  # what is done, how many of it, of how many
BATCH = 16  # images that go through a network at once where nothing is learned; more only takes memory


@dataclass(frozen=True)
class Sizes:
    """Patients for each purpose, two images each on average, half of them atypical."""

    harmonizer: int = 24
    fit: int = 480
    calibrate: int = 48
    test: int = 96


@dataclass(frozen=True)
class Evaluation:
    """A classifier on images of test patients: AUC over all and by site, and both rates at the operating point. The
    intervals are by patient."""

    auc: Interval
    auc_by_site: dict[str, Interval]
    sensitivity: float
    specificity: float
    n_patients: int

    def __str__(self) -> str:
        return (
            f"AUC {self.auc} on {self.n_patients} other digital patients, sensitivity {self.sensitivity:.2f} and "
            f"specificity {self.specificity:.2f} at the operating point"
        )


def train_harmonizer(out: Path, cache: Path, *, seed: int, sizes: Sizes, progress: Progress) -> Card:
    """Learns the standard scale and writes the model folder `out`."""
    rows = plan_for("harmonizer", seed, sizes.harmonizer)
    radiographs = _rendered(rows, cache, progress)
    network = nyul.learn((image.astype(np.float32) for image in radiographs.images), nyul.Config())
    card = nyul.card(
        Cohort(rows_digest(rows), _described(rows)),
        Geometry(),
        seed=seed,
        command=f"osteon harmonizer train --out {out} --seed {seed}",
        trained_on=_versions(),
    )
    export(network, card, _parity_images(radiographs), out)
    return card


def train_classifier(
    out: Path, harmonizer: Path, cache: Path, *, seed: int, sizes: Sizes, plan: Plan, progress: Progress
) -> tuple[Card, Evaluation]:
    """Trains, calibrates and tests the classifier on what `harmonizer` makes, and writes the model folder `out`."""
    # 1. Fit.
    rows = plan_for("fit", seed, sizes.fit)
    radiographs = _rendered(rows, cache, progress)
    images = _harmonized(radiographs, harmonizer)
    with seeded(seed) as generator:
        network = cnn.Cnn(cnn.Config())
        fit(
            network,
            cnn.training_step,
            _cases(images, radiographs),
            plan,
            generator=generator,
            progress=lambda done, total, loss: progress(f"training, loss {loss:.3f}", done, total),
        )
    # 2. Calibrate, on patients that the network never saw.
    calibrate = _rendered(plan_for("calibrate", seed, sizes.calibrate), cache, progress)
    logits = _logits(network, _harmonized(calibrate, harmonizer))
    slope, intercept = platt(logits, calibrate.is_atypical)
    calibration = Calibration(slope, intercept)
    probabilities = np.array([calibration.probability(logit) for logit in logits])
    threshold = operating_point(probabilities, calibrate.is_atypical)
    # 3. Test, once.
    test = _rendered(plan_for("test", seed, sizes.test), cache, progress)
    logits = _logits(network, _harmonized(test, harmonizer))
    evaluation = _evaluation(logits, test, calibration, threshold, seed)
    # 4. Write.
    harmonized_by = Card.from_json((harmonizer / "card.json").read_text())
    description = f"{_described(rows)}, harmonized by {harmonized_by.name} {harmonized_by.version}. {evaluation}."
    card = cnn.card(
        Cohort(rows_digest(rows), description),
        Geometry(),
        calibration,
        threshold,
        seed=seed,
        command=f"osteon classifier train --out {out} --harmonizer {harmonizer} --seed {seed}",
        trained_on=_versions(),
    )
    export(network, card, _in_few_levels(images[:2].astype(np.float32)), out)
    return card, evaluation


def evaluate(
    classifier: Path, harmonizer: Path, cache: Path, *, seed: int, n_patients: int, progress: Progress
) -> Evaluation:
    """Measures a released model folder, by ONNX Runtime, on test patients of a seed."""
    card = Card.from_json((classifier / "card.json").read_text())
    assert card.calibration is not None
    assert card.operating_point is not None
    run = run_onnx((classifier / "model.onnx").read_bytes(), card)
    test = _rendered(plan_for("test", seed, n_patients), cache, progress)
    logits = [
        run({"image": batch.astype(np.float32)})["logit"].astype(np.float64).ravel()
        for batch in _batches(_harmonized(test, harmonizer))
    ]
    return _evaluation(np.concatenate(logits), test, card.calibration, card.operating_point, seed)


def _evaluation(
    logits: npt.NDArray[np.float64], test: Rendered, calibration: Calibration, threshold: float, seed: int
) -> Evaluation:
    called = np.array([calibration.probability(logit) >= threshold for logit in logits])
    by_site = {
        site: area_with_interval(
            logits[here := test.site == site], test.is_atypical[here], test.patient[here], seed=seed
        )
        for site in sorted(set(test.site.tolist()))
    }
    return Evaluation(
        auc=area_with_interval(logits, test.is_atypical, test.patient, seed=seed),
        auc_by_site=by_site,
        sensitivity=float(called[test.is_atypical].mean()),
        specificity=float((~called[~test.is_atypical]).mean()),
        n_patients=len(np.unique(test.patient)),
    )


def _rendered(rows: tuple[Row, ...], cache: Path, progress: Progress) -> Rendered:
    purpose = rows[0].purpose
    return rendered(rows, cache, progress=lambda done, total: progress(f"X-raying patients to {purpose}", done, total))


def _harmonized(radiographs: Rendered, harmonizer: Path) -> npt.NDArray[np.float16]:
    """The images (case, 1, rows, columns) in [0, 1], as the released harmonizer makes them."""
    card = Card.from_json((harmonizer / "card.json").read_text())
    run = run_onnx((harmonizer / "model.onnx").read_bytes(), card)
    batches = _batches(radiographs.images[:, None])
    return np.concatenate([run({"image": one.astype(np.float32)})["harmonized"].astype(np.float16) for one in batches])


def _cases(images: npt.NDArray[np.float16], radiographs: Rendered) -> TensorDataset:
    """What the classifier learns from: images whose strip shows the fracture."""
    row, column = torch.from_numpy(radiographs.place).T
    place = cnn.places(row, column, images.shape[3])
    strips, windows = [], []
    for number in (place != cnn.NOWHERE).nonzero().flatten().tolist():
        one = torch.from_numpy(images[number : number + 1].astype(np.float32))
        here = slice(number, number + 1)
        strips.append(cnn.strip(one).half())
        windows.append(cnn.window(one, row[here].long(), column[here].long()).half())
    shown = place != cnn.NOWHERE
    is_atypical = torch.from_numpy(radiographs.is_atypical)[shown]
    return TensorDataset(torch.cat(strips), place[shown], torch.cat(windows), is_atypical)


def _logits(network: nn.Module, images: npt.NDArray[np.float16]) -> npt.NDArray[np.float64]:
    with torch.no_grad():
        outputs = [network(torch.from_numpy(one.astype(np.float32))).flatten().numpy() for one in _batches(images)]
    return np.asarray(np.concatenate(outputs), dtype=np.float64)


def _batches(images: npt.NDArray[np.float16]) -> list[npt.NDArray[np.float16]]:
    return [images[start : start + BATCH] for start in range(0, len(images), BATCH)]


def _parity_images(radiographs: Rendered) -> FloatArray:
    """The first two images, mostly both of one patient and site, in the units that a detector of 12 bits would give."""
    return _in_few_levels(radiographs.images[:2, None].astype(np.float32)) * np.float32(4095)


def _in_few_levels(images: FloatArray) -> FloatArray:
    """Rounded to 256 levels, so that the parity file stays small: models are compared, not images."""
    return np.asarray(np.rint(images * np.float32(255)) / np.float32(255), dtype=np.float32)


def _described(rows: tuple[Row, ...]) -> str:
    n_patients, n_sites = len({row.patient for row in rows}), len({row.site for row in rows})
    images = f"{len(rows)} radiographs of {n_patients} digital patients ({NAME}, by osteon.phantom)"
    return f"{images} with a fractured femur, half of them atypical, in two views, at {n_sites} sites"


def _versions() -> str:
    return f"CPU ({platform.machine()}), Python {platform.python_version()}, PyTorch {torch.__version__.split('+')[0]}"

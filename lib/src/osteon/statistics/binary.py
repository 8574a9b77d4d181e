"""A score for two classes: how well it orders them, what it means as a probability, where to cut it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.stats import rankdata

__all__ = ["Interval", "area_under_curve", "area_with_interval", "operating_point", "platt"]

Scores = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def area_under_curve(scores: Scores, is_positive: Truth) -> float:
    """Share of pairs of a positive and a negative that the score orders rightly; a tie counts half (Mann-Whitney).

    Raises ValueError unless both classes are there.
    """
    n_positive = int(is_positive.sum())
    n_negative = is_positive.size - n_positive
    if not n_positive or not n_negative:
        raise ValueError(f"an AUC needs both classes; got {n_positive} positive and {n_negative} negative")
    ranks = rankdata(scores)[is_positive].sum()
    return float((ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def area_with_interval(
    scores: Scores, is_positive: Truth, patient: npt.NDArray[np.int64], *, seed: int, n_draws: int = 1000
) -> Interval:
    """AUC with a percentile bootstrap interval that draws patients, not images (Efron and Tibshirani 1993, ch. 13).

    Draws in which a class is missing are left out.
    """
    rng = np.random.default_rng(seed)
    names = np.unique(patient)
    images = {name: np.flatnonzero(patient == name) for name in names}
    areas = []
    for _ in range(n_draws):
        drawn = np.concatenate([images[name] for name in rng.choice(names, names.size)])
        if is_positive[drawn].any() and not is_positive[drawn].all():
            areas.append(area_under_curve(scores[drawn], is_positive[drawn]))
    low, high = np.percentile(areas, [2.5, 97.5])
    return Interval(area_under_curve(scores, is_positive), float(low), float(high))


def platt(logits: Scores, is_positive: Truth) -> tuple[float, float]:
    """Slope and intercept with which sigmoid(slope * logit + intercept) is a probability.

    Platt, "Probabilistic outputs for support vector machines", 1999, with his smoothed targets, so that a perfectly
    ordered set still gives finite numbers. Raises ValueError if the slope is not positive: such a score is wrong.
    """
    n_positive = int(is_positive.sum())
    n_negative = is_positive.size - n_positive
    target = np.where(is_positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))

    def loss(parameters: Scores) -> float:
        scaled = parameters[0] * logits + parameters[1]
        return float(np.mean(np.logaddexp(0, scaled) - target * scaled))

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), method="BFGS").x
    if not slope > 0:
        raise ValueError(f"the score orders the classes the wrong way round: its slope is {slope:.3f}")
    return float(slope), float(intercept)


def operating_point(probabilities: Scores, is_positive: Truth) -> float:
    """The probability from which on an image counts as positive: where sensitivity + specificity is largest (Youden
    1950), half way between the two scores that it separates."""
    order = np.argsort(probabilities)
    ordered, truth = probabilities[order], is_positive[order]
    missed = np.concatenate([[0], np.cumsum(truth)]) / max(1, int(truth.sum()))
    spared = np.concatenate([[0], np.cumsum(~truth)]) / max(1, int((~truth).sum()))
    best = int(np.argmax(spared - missed))
    bounds = np.concatenate([[0.0], ordered, [1.0]])
    return float((bounds[best] + bounds[best + 1]) / 2)

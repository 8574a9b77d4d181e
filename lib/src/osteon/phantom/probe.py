"""What a probe reads of the site, axis by axis.

The same patients in the same pose at each of some sites, with the knobs of all axes but one at 0: the sites then differ
on that axis alone. A logistic regression on simple features of the image tells the sites apart, tested on patients that
it was not trained on. Balanced accuracy of 1 / sites is chance: the site can't be read on that axis.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from osteon.phantom.exposure import Stored, expose, field_of
from osteon.phantom.patient import LABELS, draw_patient
from osteon.phantom.projection import draw_pose, project
from osteon.phantom.scanner import AXES, turned
from osteon.phantom.seeds import generator
from osteon.phantom.sites import Site

__all__ = ["ARMS", "Read", "features", "read_sites", "tone_of"]

FloatArray = npt.NDArray[np.float32]
OCTAVES_PIXELS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # of 0.4 mm
OF_PROBE = 4_000_000  # beyond any image's number
FOLDS = 4
ARMS = (*AXES, "all")


@dataclass(frozen=True)
class Read:
    """How well sites are told apart on an axis ("all": on all together): balanced accuracy, and that of chance."""

    axis: str
    balanced_accuracy: float
    chance: float


def tone_of(stored: Stored) -> FloatArray:
    """The stored pixels from 0 to 1 as a display shows them without window: bone bright, the head up."""
    geometry = stored.scanner.geometry
    pixels = np.rot90(stored.pixels, -1) if geometry.is_crosswise else stored.pixels
    tone = pixels.astype(np.float32) / np.float32(2**geometry.bits_stored - 1)
    return np.asarray(1 - tone if geometry.photometric == "MONOCHROME1" else tone)


def features(tone: FloatArray) -> npt.NDArray[np.float64]:
    """Deciles, shares of black and white, and the logarithm of the energy and of the kurtosis of each octave."""
    found = [
        *np.quantile(tone, np.linspace(0.05, 0.95, 10)),
        float((tone < 0.002).mean()),
        float((tone > 0.998).mean()),
    ]
    finer = tone
    for sigma in OCTAVES_PIXELS:
        coarser = gaussian_filter(tone, sigma, truncate=3)
        band = finer - coarser
        energy = float(np.square(band).mean()) + 1e-10
        found += [np.log(energy), np.log(float(np.power(band, 4).mean()) / energy**2 + 1e-3)]
        finer = coarser
    return np.array(found)


def read_sites(
    sites: Sequence[Site],
    *,
    n_patients: int = 16,
    seed: int = 0,
    arms: Sequence[str] = ARMS,
    in_order: Callable[..., Iterable[npt.NDArray[np.float64]]] = map,
) -> Iterator[Read]:
    """How well sites can be told apart on each axis, and on all together.

    `in_order` maps a function over patients, as `map` does. Raises ValueError for fewer than two sites, or fewer
    patients than folds.
    """
    if arms and (len(sites) < 2 or n_patients < FOLDS):
        raise ValueError(f"a probe wants two sites and {FOLDS} patients, not {len(sites)} and {n_patients}")
    where = np.tile(np.arange(len(sites)), n_patients)
    whom = np.repeat(np.arange(n_patients), len(sites))
    for axis in arms:
        knobs = {one: float(axis in (one, "all")) for one in AXES}
        rows = list(in_order(partial(_features_at, tuple(sites), seed, knobs), range(n_patients)))
        yield Read(axis, _accuracy(np.concatenate(rows), where, whom), 1 / len(sites))


def _features_at(sites: Sequence[Site], seed: int, knobs: dict[str, float], number: int) -> npt.NDArray[np.float64]:
    """Features (site, feature) of one patient in one pose at each site."""
    patient = draw_patient(seed, "probes", number, LABELS[number % len(LABELS)])
    pose = draw_pose(generator(seed, "probes", number, OF_PROBE), "AP")
    thickness, made_for, found = None, None, []
    for site in sites:
        field = field_of(turned(site.scanner(), knobs), is_crop=True)
        if thickness is None or field != made_for:
            thickness, made_for = project(patient, "AP", pose, *field).thickness, field
        rng = generator(seed, "probes", number, OF_PROBE, site.number)
        found.append(features(tone_of(expose(thickness, site, 0, rng, is_crop=True, knobs=knobs))))
    return np.stack(found)


def _accuracy(rows: npt.NDArray[np.float64], where: npt.NDArray[np.int_], whom: npt.NDArray[np.int_]) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=10.0, max_iter=3000))
    told = cross_val_predict(probe, rows, where, groups=whom, cv=GroupKFold(FOLDS))
    return float(balanced_accuracy_score(where, told))

"""How hard a digital cohort is: what can be seen of each sign at each site, and what can be read of the site."""

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from osteon.phantom.observer import SIGNS, Pair, channel_outputs, detectability, draw_pair, patches
from osteon.phantom.probe import ARMS, Read, read_sites
from osteon.phantom.sites import Site

__all__ = ["Difficulty", "Seen", "measure", "write_report"]

T = TypeVar("T")
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """d' of a sign at a site among different patients, and against noise alone: the same patient's background taken
    away."""

    sign: str
    site: str
    family: str
    d_prime: float
    d_prime_in_noise: float


@dataclass(frozen=True)
class Difficulty:
    """All that was measured, and with how much."""

    seen: tuple[Seen, ...]
    read: tuple[Read, ...]
    n_pairs: int
    n_patients: int
    seed: int


def measure(
    sites: Sequence[Site],
    *,
    signs: Sequence[str] = tuple(SIGNS),
    n_pairs: int = 40,
    n_patients: int = 16,
    seed: int = 0,
    n_processes: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Difficulty:
    """Detectability of the signs at each site, and readability of the sites, which 0 patients leave out.

    `n_processes` of 0 takes one for each core. `progress` is called with (steps done, steps in all).
    """
    n_steps = len(signs) * n_pairs + (len(ARMS) if n_patients else 0)
    step = count(1)

    def told(one: T) -> T:
        if progress is not None:
            progress(next(step), n_steps)
        return one

    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(n_processes or os.cpu_count(), context, threadpool_limits, (1,)) as pool:
        seen: list[Seen] = []
        for sign in signs:
            pairs = [draw_pair(seed, number, sign) for number in range(n_pairs)]
            outputs = [told(one) for one in pool.map(partial(_outputs, tuple(sites), seed), pairs)]
            seen += _seen(sign, np.stack(outputs), sites)
        arms = ARMS if n_patients else ()
        read = [told(one) for one in read_sites(sites, n_patients=n_patients, seed=seed, arms=arms, in_order=pool.map)]
    return Difficulty(tuple(seen), tuple(read), n_pairs, n_patients, seed)


def _outputs(sites: tuple[Site, ...], seed: int, pair: Pair) -> FloatArray:
    return channel_outputs(patches(pair, sites, seed))


def _seen(sign: str, outputs: FloatArray, sites: Sequence[Site]) -> Iterator[Seen]:
    """d' at each site of channel outputs (pair, site, with or without, channel)."""
    for place, site in enumerate(sites):
        present, absent = outputs[:, place, 0], outputs[:, place, 1]
        # Both images of a pair have one background. Their difference is the sign and twice the variance of the noise,
        # which the observer halves again, as beside a second class that is nothing.
        in_noise = detectability(present - absent, np.zeros_like(absent))
        yield Seen(sign, site.name, site.family, detectability(present, absent), in_noise)


def write_report(found: Difficulty, folder: Path) -> None:
    """`difficulty.json` and, of what was measured, the figures `detectability.png` and `readability.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "difficulty.json").write_text(json.dumps(asdict(found), indent=2) + "\n")
    if found.seen:
        _draw_detectability(found, folder / "detectability.png")
    if found.read:
        _draw_readability(found, folder / "readability.png")


def _draw_detectability(found: Difficulty, path: Path) -> None:
    from matplotlib.figure import Figure

    families = sorted({one.family for one in found.seen})
    figure = Figure(figsize=(8, 4), layout="constrained")
    signs = list(dict.fromkeys(one.sign for one in found.seen))
    axes = figure.subplots(1, len(signs), sharey=True, squeeze=False)[0]
    # Filled: among patients. Open: against noise alone.
    for axis, sign in zip(axes, signs, strict=True):
        for n, family in enumerate(families):
            here = [one for one in found.seen if (one.sign, one.family) == (sign, family)]
            x = np.linspace(-0.25, 0.25, len(here)) + n
            axis.scatter(x, [one.d_prime for one in here], s=14, color=f"C{n}")
            axis.scatter(x, [one.d_prime_in_noise for one in here], s=14, facecolors="none", edgecolors=f"C{n}")
        axis.axhline(0, color="grey", linewidth=0.6)
        axis.set_title(sign)
        axis.set_xticks(range(len(families)), families, rotation=90, fontsize=7)
    axes[0].set_ylabel("d' (a dot a site; open: in noise alone)")
    figure.savefig(path, dpi=110)


def _draw_readability(found: Difficulty, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 3), layout="constrained")
    axes = figure.subplots()
    axes.barh([one.axis for one in found.read], [one.balanced_accuracy for one in found.read], color="steelblue")
    axes.axvline(found.read[0].chance, color="black", linestyle=":", label="chance")
    axes.set_xlim(0, 1)
    axes.set_xlabel("balanced accuracy of a probe of the site")
    axes.legend(loc="lower right", fontsize=8)
    axes.invert_yaxis()
    figure.savefig(path, dpi=110)

"""How well a sign can be seen at a site: the channelised Hotelling observer.

Signal-present and signal-absent images differ in the geometry of one patient alone, before projection; a sign has one
size, while noise and patients differ from pair to pair. Both images pass the whole chain of a site, its processing
included. The observer sees a patch round the sign through Gabor channels (as in Barrett and Myers, Foundations of Image
Science, 2004, 13.2.14 and 14.3.2) and knows where to look. Its detectability is, with channel outputs v,

    d' = (mean(w v | present) - mean(w v | absent)) / sqrt((var present + var absent) / 2),
    w = K^-1 (mean(v | present) - mean(v | absent)),

with the covariance K shrunk (Ledoit and Wolf, 2004). The template w is trained on one half of the pairs and applied to
the other, so that d' is not flattered: a sign that can't be seen comes out near 0, and may come out below.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from osteon.phantom.breakage import Fracture, Piece
from osteon.phantom.exposure import expose, field_of
from osteon.phantom.patient import Label, Patient, draw_patient
from osteon.phantom.probe import tone_of
from osteon.phantom.projection import Pose, project
from osteon.phantom.scanner import REFERENCE, Knobs
from osteon.phantom.seeds import generator
from osteon.phantom.sites import Site

__all__ = ["PATCH", "SIGNS", "Pair", "channel_outputs", "channels", "detectability", "draw_pair", "patches"]

FloatArray = npt.NDArray[np.float64]

PATCH = 64  # pixels of 0.4 mm: 26 mm, as far as a sign reaches
# Gabor channels: middle frequencies in cycles per pixel an octave apart, widths of an octave, orientations across and
# along the shaft and between, even and odd.
FREQUENCIES, ANGLES_DEG, PHASES = (0.04, 0.08, 0.16), (0.0, 45.0, 90.0, 135.0), (0.0, 0.5 * np.pi)
OF_PAIR = 3_000_000  # beyond any image's number

SIGNS = {
    "hairline": "a crack of the lateral cortex, 0.15 mm wide and 2 mm deep",
    "fine-crack": "a crack of the lateral cortex, 0.3 mm wide and 3 mm deep",
    "crack": "a crack of the lateral cortex, 0.8 mm wide and 6 mm deep",
    "beak": "a beak of the lateral cortex, 1.5 mm high, without a fracture",
    "thickening": "cortices 15 % thicker along the whole shaft",
    "spike": "a medial spike of 8 mm in a complete fracture",
}
CRACKS_MM = {"hairline": (0.15, 2.0), "fine-crack": (0.3, 3.0), "crack": (0.8, 6.0)}  # width, depth
BEAK_MM = 1.5


@dataclass(frozen=True)
class Pair:
    """One patient with a sign and without it, in one pose."""

    number: int
    present: Patient
    absent: Patient
    pose: Pose


def draw_pair(seed: int, number: int, sign: str) -> Pair:
    """Patient `number` of the purpose `probes` with and without a sign. Raises ValueError for an unknown sign."""
    if sign not in SIGNS:
        raise ValueError(f"unknown sign {sign!r}; known ones: {', '.join(SIGNS)}")
    label: Label = "AFF_complete" if sign == "spike" else "AFF_incomplete"
    drawn = draw_patient(seed, "probes", number, label, "R")
    sound = replace(drawn, mimics=replace(drawn.mimics, hardware="none"))
    whole = replace(sound.fracture, crack=None)
    if sound.fracture.crack is not None and sign in CRACKS_MM:
        width_mm, depth_mm = CRACKS_MM[sign]
        crack = replace(sound.fracture.crack, width_mm=width_mm, depth_mm=depth_mm)
        present, absent = replace(sound, fracture=replace(sound.fracture, crack=crack)), replace(sound, fracture=whole)
    elif sign == "beak":
        present = replace(sound, fracture=whole, reaction=replace(sound.reaction, beak_mm=BEAK_MM))
        absent = replace(present, reaction=replace(sound.reaction, beak_mm=0.0, inner_mm=0.0))
    elif sign == "thickening":
        flat = replace(sound.reaction, beak_mm=0.0, inner_mm=0.0)
        present = replace(sound, fracture=whole, reaction=replace(flat, thickening=1.15))
        absent = replace(sound, fracture=whole, reaction=replace(flat, thickening=1.0))
    else:
        present = replace(sound, fracture=_with_spike(sound.fracture, 8.0))
        absent = replace(sound, fracture=_with_spike(sound.fracture, 0.0))
    rng = generator(seed, "probes", number, OF_PAIR)
    pose = Pose(
        along_mm=float(rng.normal(0, 8)),
        across_mm=float(rng.normal(0, 5)),
        tilt_rad=float(rng.normal(0, 0.04)),
        turn_rad=0.0,
        part="injury",
    )
    return Pair(number, present, absent, pose)


def patches(pair: Pair, sites: Sequence[Site], seed: int = 0, knobs: Knobs | None = None) -> npt.NDArray[np.float32]:
    """Patches (site, with or without the sign, y, x) in the first room of each site, bone bright, 0 to 1.

    The thickness maps are the same at each site, so that magnification is not among what differs.
    """
    field_mm, spacing_mm = field_of(REFERENCE, is_crop=True)
    maps = [project(one, "AP", pair.pose, field_mm, spacing_mm).thickness for one in (pair.present, pair.absent)]
    bone = [one.cortex_mm + one.spongy_mm for one in maps]
    row, column = _middle(np.abs(bone[0] - bone[1]))
    found = np.zeros((len(sites), 2, PATCH, PATCH), dtype=np.float32)
    for place, site in enumerate(sites):
        for which, thickness in enumerate(maps):
            rng = generator(seed, "probes", pair.number, OF_PAIR, site.number, which)
            tone = tone_of(expose(thickness, site, 0, rng, is_crop=True, knobs=knobs))
            at = row * tone.shape[0] / bone[0].shape[0], column * tone.shape[1] / bone[0].shape[1]
            found[place, which] = _cut(tone, *at)
    return found


@cache
def channels() -> FloatArray:
    """The channels (channel, pixel), each of zero sum and unit length."""
    v, u = np.mgrid[:PATCH, :PATCH] - (PATCH - 1) / 2
    found = []
    for frequency in FREQUENCIES:
        sigma = 0.56 / frequency  # an octave wide
        envelope = np.exp(-(u**2 + v**2) / (2 * sigma**2))
        for angle_deg in ANGLES_DEG:
            along = u * np.cos(np.radians(angle_deg)) + v * np.sin(np.radians(angle_deg))
            for phase in PHASES:
                wave = envelope * np.cos(2 * np.pi * frequency * along + phase)
                wave -= wave.mean()
                found.append(wave.ravel() / np.linalg.norm(wave))
    return np.stack(found)


def channel_outputs(images: npt.NDArray[np.float32]) -> FloatArray:
    """What each channel gives of each patch: (…, y, x) to (…, channel)."""
    return np.asarray(images.reshape(*images.shape[:-2], -1).astype(np.float64) @ channels().T)


def detectability(present: FloatArray, absent: FloatArray, *, n_splits: int = 10, seed: int = 0) -> float:
    """d' of channel outputs (pair, channel), the mean over random halvings of the pairs.

    Raises ValueError for fewer than 8 pairs.
    """
    from sklearn.covariance import LedoitWolf

    n_pairs = len(present)
    if n_pairs < 8:
        raise ValueError(f"d' wants at least 8 pairs, not {n_pairs}")
    rng, found = np.random.default_rng(seed), []
    for _ in range(n_splits):
        order = rng.permutation(n_pairs)
        for train, test in (
            (order[: n_pairs // 2], order[n_pairs // 2 :]),
            (order[n_pairs // 2 :], order[: n_pairs // 2]),
        ):
            centered = [one[train] - one[train].mean(axis=0) for one in (present, absent)]
            scale = np.concatenate(centered).std(axis=0)
            covariance = LedoitWolf(assume_centered=True).fit(np.concatenate(centered) / scale).covariance_
            signal = (present[train].mean(axis=0) - absent[train].mean(axis=0)) / scale
            template = np.linalg.solve(covariance, signal) / scale
            seen, unseen = present[test] @ template, absent[test] @ template
            spread = np.sqrt((seen.var(ddof=1) + unseen.var(ddof=1)) / 2)
            found.append(float((seen.mean() - unseen.mean()) / spread))
    return float(np.mean(found))


def _with_spike(fracture: Fracture, spike_mm: float) -> Fracture:
    def spiked(piece: Piece) -> Piece:
        above = replace(piece.above, spike_mm=spike_mm) if piece.above else None
        below = replace(piece.below, spike_mm=spike_mm) if piece.below else None
        return replace(piece, above=above, below=below)

    return replace(fracture, pieces=tuple(spiked(piece) for piece in fracture.pieces), reach_mm=fracture.reach_mm + 12)


def _middle(difference: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Where the two patients differ: the centre of the difference, in pixels."""
    total = float(difference.sum())
    if not total:
        return difference.shape[0] / 2, difference.shape[1] / 2
    rows, columns = difference.sum(axis=1), difference.sum(axis=0)
    return float(rows @ np.arange(rows.size)) / total, float(columns @ np.arange(columns.size)) / total


def _cut(tone: npt.NDArray[np.float32], row: float, column: float) -> npt.NDArray[np.float32]:
    """The patch round a place, moved inwards at the edges."""
    top = min(max(round(row) - PATCH // 2, 0), tone.shape[0] - PATCH)
    left = min(max(round(column) - PATCH // 2, 0), tone.shape[1] - PATCH)
    return tone[top : top + PATCH, left : left + PATCH]

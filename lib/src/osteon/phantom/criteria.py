"""Which fracture is atypical: the case definition of the ASBMR task force, and readers who apply it with noise.

Shane et al., J Bone Miner Res 2014;29:1-23: an atypical fracture lies along the shaft, from just distal to the lesser
trochanter to just proximal to the supracondylar flare, and has at least four of five major features.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from osteon.phantom.population import Label

__all__ = ["Features", "adjudicate", "major_features", "read"]

TRANSVERSE_DEG = 30.0  # "truly transverse": at the lateral cortex 0 to 30 degrees (J Bone Miner Res, August 2013)
SEEN_BEAK_MM = 0.6  # a bump of the cortex that a reader calls thickening; a choice
# Width times depth of a crack that half of the readings see, and how sharply that rises (of its logarithm): readers of
# films see 0.89 of incomplete fractures (Akgun et al., Skeletal Radiol 2019;48:1427).
SEEN_CRACK_MM2, SEEN_SPREAD = 0.6, 0.45

# Noise of one reading, chosen so that two readers give the same label to about 84 % of fractures, and that a tenth of
# typical ones meet the criteria, as did 14 of 174 that experts called typical (LeBlanc et al., Osteoporos Int
# 2019;30:1287-95).
ANGLE_NOISE_DEG = 7.0
BEAK_NOISE_MM = 0.7
MISREAD = 0.06  # of a yes or no: energy of the fall, comminution
IMAGINED = 0.04  # of intact bones with anything that mimics a crack: read as a crack of the lateral cortex


@dataclass(frozen=True)
class Features:
    """What can be seen or asked of a fracture. `lateral_angle_deg` is that of the line at the lateral cortex from
    transverse; `n_splinters` counts loose pieces beyond a minimal chip; `crack_mm2` is width times depth."""

    has_fracture: bool
    is_in_shaft: bool
    is_low_energy: bool
    lateral_angle_deg: float
    starts_lateral: bool
    is_complete: bool
    medial_spike_mm: float
    n_splinters: int
    has_chip: bool
    beak_mm: float
    thickening: float
    crack_mm2: float = 0.0
    kind: str = "none"


def major_features(features: Features) -> tuple[bool, bool, bool, bool, bool]:
    """The five major features: little trauma; transverse from the lateral cortex; through both cortices, perhaps with
    a medial spike, or in the lateral one alone; at most minimally comminuted; thickened lateral cortex at the line."""
    return (
        features.is_low_energy,
        features.starts_lateral and abs(features.lateral_angle_deg) <= TRANSVERSE_DEG,
        features.is_complete or features.starts_lateral,
        features.n_splinters == 0,
        features.beak_mm >= SEEN_BEAK_MM,
    )


def read(features: Features, rng: np.random.Generator) -> Features:
    """The features as one reader has them."""
    angle, beak, energy, splinters, seen = (
        rng.normal(0, ANGLE_NOISE_DEG),
        rng.normal(0, BEAK_NOISE_MM),
        rng.random() < MISREAD,
        rng.random() < MISREAD,
        rng.random(),
    )
    if not features.has_fracture and seen < IMAGINED:
        return replace(features, has_fracture=True, starts_lateral=True, is_low_energy=True)
    if features.has_fracture and not features.is_complete:
        logit = (math.log(max(features.crack_mm2, 1e-3)) - math.log(SEEN_CRACK_MM2)) / SEEN_SPREAD
        if seen > 1 / (1 + math.exp(-logit)):
            return replace(features, has_fracture=False)
    return replace(
        features,
        is_low_energy=features.is_low_energy != energy,
        lateral_angle_deg=abs(features.lateral_angle_deg) + float(angle),
        n_splinters=0 if splinters and features.n_splinters == 1 else features.n_splinters + int(splinters),
        beak_mm=features.beak_mm + float(beak),
    )


def adjudicate(features: Features, rng: np.random.Generator, *, n_readers: int = 3) -> Label:
    """The label on which most of `n_readers` agree, each reading alone."""
    votes = [_label(read(features, rng)) for _ in range(n_readers)]
    return max(votes, key=votes.count)


def _label(features: Features) -> Label:
    if not features.has_fracture:
        return "no_fracture"
    if features.is_in_shaft and sum(major_features(features)) >= 4:
        return "AFF_complete" if features.is_complete else "AFF_incomplete"
    return "typical_fracture"

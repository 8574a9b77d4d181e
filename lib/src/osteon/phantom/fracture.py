"""Which fracture a patient has: features drawn by label with overlap, then made into geometry in mm.

No single sign decides: a typical fracture can be transverse, an atypical one in several pieces. Where no source is
named, a frequency is a choice.
"""

import itertools
import math
from dataclasses import replace

import numpy as np

from osteon.phantom.bone import Reaction, femur_solids
from osteon.phantom.breakage import JAG_MM, N_JAGS, WHOLE, Crack, FloatArray, Fracture, Piece, Surface
from osteon.phantom.criteria import Features
from osteon.phantom.femur import Femur
from osteon.phantom.population import Label

__all__ = ["draw_fracture"]

NONE = Features(False, True, False, 0.0, False, False, 0.0, 0, False, 0.0, 1.0)
FAINT_SHARE = 0.15  # of incomplete fractures are hairlines in the outer cortex, which films show at some sites alone
KINDS = {"spiral": 0.31, "oblique": 0.27, "comminuted": 0.17, "wedge": 0.13, "transverse": 0.12}


def draw_fracture(femur: Femur, label: Label, rng: np.random.Generator) -> tuple[Fracture, Reaction, Features]:
    """The fracture, what the bone has built around it, and its features before anyone reads them."""
    level_mm = _level_mm(femur, label, rng)
    features = _features(femur, level_mm, label, rng)
    reaction = Reaction(
        level_mm=level_mm,
        beak_mm=features.beak_mm,
        beak_span_mm=float(rng.uniform(4.0, 11.0)),
        inner_mm=features.beak_mm * float(rng.uniform(0.1, 0.6)),
        thickening=features.thickening,
    )
    if label == "no_fracture":
        return Fracture(level_mm), reaction, features
    surface = _surface(femur, reaction, features, rng)
    if label == "AFF_incomplete":
        return _cracked(femur, reaction, features, surface, rng)
    pieces, reach_mm = _pieces(surface, features, rng)
    return Fracture(level_mm, pieces, None, reach_mm), reaction, features


def _level_mm(femur: Femur, label: Label, rng: np.random.Generator) -> float:
    top, bottom = femur.below_lesser_mm, femur.flare_mm
    if label.startswith("AFF"):
        # Two clusters, 25 of 129 within 8 cm below the lesser trochanter (Schilcher et al., Acta Orthop 2013;84:561-4);
        # in bowed femurs lower (Yoo et al., Hip Pelvis 2017;29:127-32).
        is_high = rng.random() < 25 / 129 * (1.6 if femur.lateral_bow_mm < 3 else 0.4)
        below = rng.normal(40, 18) if is_high else rng.normal(140, 32)
        return float(np.clip(top + below, top + 4, bottom - 4))
    return float(np.clip(top + rng.normal(0.42, 0.3) * (bottom - top), top - 15, bottom + 20))


def _features(femur: Femur, level_mm: float, label: Label, rng: np.random.Generator) -> Features:
    is_in_shaft = femur.below_lesser_mm <= level_mm <= femur.flare_mm
    if label == "no_fracture":  # a long-healed stress reaction in a few
        beak_mm = float(rng.gamma(3.0, 0.3)) if rng.random() < 0.03 else 0.0
        return replace(NONE, is_in_shaft=is_in_shaft, beak_mm=beak_mm, thickening=float(rng.normal(1.0, 0.04)))
    if label.startswith("AFF"):
        # Seen by readers in atypical fractures: transverse at the lateral cortex 93.6 %, none or minimal comminution
        # 93.2 % (Adams et al., Osteoporos Int 2017;28:413-7). A deviation of 16 degrees leaves 94 % within 30.
        is_complete = label == "AFF_complete"
        return Features(
            has_fracture=True,
            is_in_shaft=is_in_shaft,
            is_low_energy=bool(rng.random() < 0.95),
            lateral_angle_deg=float(rng.normal(0, 16 if is_complete else 9)),
            starts_lateral=True,
            is_complete=is_complete,
            medial_spike_mm=float(rng.uniform(3, 17) * rng.choice([-1, 1])) if rng.random() < 0.55 else 0.0,
            n_splinters=int(is_complete and rng.random() < 0.068),
            has_chip=bool(is_complete and rng.random() < 0.15),
            beak_mm=float(rng.gamma(4.0, 0.4)) if rng.random() < (0.72 if is_complete else 0.85) else 0.0,
            thickening=float(np.clip(rng.normal(1.08, 0.09), 0.9, 1.3)),
            kind="atypical",
        )
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    sign = float(rng.choice([-1, 1]))
    angle_deg = float(rng.normal(0, 14)) if kind == "transverse" else sign * float(rng.uniform(25, 62))
    return Features(
        has_fracture=True,
        is_in_shaft=is_in_shaft,
        is_low_energy=bool(rng.random() < 0.75),
        lateral_angle_deg=angle_deg,
        starts_lateral=bool(rng.random() < (0.7 if kind == "transverse" else 0.3)),
        is_complete=True,
        medial_spike_mm=sign * float(rng.uniform(2, 10)) if rng.random() < 0.2 else 0.0,
        n_splinters={"wedge": 1, "comminuted": int(rng.integers(2, 5))}.get(kind, 0),
        has_chip=bool(rng.random() < 0.25),
        beak_mm=float(rng.gamma(3.0, 0.3)) if rng.random() < 0.08 else 0.0,
        thickening=float(np.clip(rng.normal(1.0, 0.05), 0.85, 1.2)),
        kind=kind,
    )


def _surface(femur: Femur, reaction: Reaction, features: Features, rng: np.random.Generator) -> Surface:
    x, z, a, b = femur_solids(femur, reaction).shaft.at(reaction.level_mm)
    slope = math.tan(math.radians(features.lateral_angle_deg))
    is_flat = features.kind in ("atypical", "transverse")
    sideways = rng.normal(0, 0.18) if is_flat else rng.normal(0, 0.6)
    pitch_mm = 0.0
    if features.kind == "spiral":  # what looks oblique from the front winds about the shaft
        pitch_mm, slope = math.copysign(float(rng.uniform(45, 110)), slope), 0.25 * slope
    roughness_mm = float(rng.uniform(0.15, 0.45) if is_flat else rng.uniform(0.3, 0.9))
    return Surface(
        level_mm=reaction.level_mm,
        center=(x, z),
        radius_mm=(a + b) / 2,
        slopes=(slope, float(sideways)),
        jags_mm=_jags(roughness_mm, rng),
        spike_mm=features.medial_spike_mm,
        pitch_mm=pitch_mm,
        start_rad=float(rng.uniform(0, 2 * math.pi)),
    )


def _jags(roughness_mm: float, rng: np.random.Generator) -> FloatArray:
    """Two rough profiles: steps some millimeters long, with finer teeth."""
    white = rng.normal(0, 1, (2, 3, N_JAGS))
    total = np.zeros((2, N_JAGS))
    for n, width_mm in enumerate((1.0, 3.0, 7.0)):
        kernel = np.ones(int(width_mm / JAG_MM))
        for row in range(2):
            total[row] += np.convolve(white[row, n], kernel / math.sqrt(kernel.size), mode="same")
    return (roughness_mm * 0.7 * total).astype(np.float32)


def _cracked(
    femur: Femur, reaction: Reaction, features: Features, surface: Surface, rng: np.random.Generator
) -> tuple[Fracture, Reaction, Features]:
    """A crack through a little, all or more of the lateral cortex, from a hairline to over a millimeter wide."""
    x, _, a, _ = femur_solids(femur, reaction).shaft.at(reaction.level_mm)
    is_faint = rng.random() < FAINT_SHARE
    depth_mm = float(rng.uniform(0.15, 0.4) if is_faint else rng.uniform(0.4, 1.5)) * (
        femur.lateral_mm + features.beak_mm
    )
    width_mm = float(rng.uniform(0.08, 0.25)) if is_faint else float(np.clip(rng.gamma(4.0, 0.17), 0.2, 1.6))
    crack = Crack(surface, x + a, depth_mm, width_mm)
    fracture = Fracture(reaction.level_mm, (WHOLE,), crack, 4 + a * abs(surface.slopes[0]))
    return fracture, reaction, replace(features, crack_mm2=depth_mm * width_mm, medial_spike_mm=0.0)


def _pieces(surface: Surface, features: Features, rng: np.random.Generator) -> tuple[tuple[Piece, ...], float]:
    """Proximal and distal piece with what lies between them, and how far surfaces reach."""
    distal = _displaced(features, rng)
    proximal = Piece(
        flexion_rad=math.radians(rng.normal(3, 5)) * min(1.0, abs(distal.shift_mm[1]) / 6),
        varus_rad=math.radians(rng.normal(0, 1.5)),
    )
    radius_mm = surface.radius_mm
    reach_mm = radius_mm * 1.4 * (abs(surface.slopes[0]) + abs(surface.slopes[1])) + abs(surface.pitch_mm) / 2
    reach_mm += 1.5 * abs(surface.spike_mm) + 6
    if features.n_splinters:
        pieces, height_mm = _splintered(surface, features.n_splinters, proximal, distal, rng)
        return pieces, reach_mm + height_mm + 10
    pieces = (replace(proximal, below=surface), replace(distal, above=surface))
    if features.has_chip:
        pieces = (*pieces, _chip(surface, rng))
    return pieces, reach_mm


def _displaced(features: Features, rng: np.random.Generator) -> Piece:
    """How the distal piece lies: apart, shortened side by side, or hardly moved; small displacements are common."""
    scale = float(rng.choice([0.25, 1.0], p=[0.35, 0.65]))
    apart_mm = float(rng.uniform(0.4, 3.5)) if rng.random() < 0.7 else -float(rng.uniform(2.0, 24.0)) * scale
    x_mm, z_mm = (float(np.clip(rng.laplace(0, 5.0 * scale), -26, 26)) for _ in range(2))
    if apart_mm < -1:  # what is shortened must lie side by side
        way = rng.uniform(0, 2 * math.pi)
        aside_mm = 1.9 * 13.5 * min(1.0, 0.4 + abs(apart_mm) / 10)
        x_mm, z_mm = aside_mm * math.cos(way), aside_mm * math.sin(way)
    torsion_deg = rng.normal(0, 18 if features.kind == "spiral" else 8) * scale
    return Piece(
        shift_mm=(apart_mm, x_mm, z_mm),
        varus_rad=math.radians(rng.laplace(0, 5.0 * scale)),
        flexion_rad=math.radians(rng.laplace(0, 6.0 * scale)),
        torsion_rad=math.radians(torsion_deg),
    )


def _splintered(
    surface: Surface, n_splinters: int, proximal: Piece, distal: Piece, rng: np.random.Generator
) -> tuple[tuple[Piece, ...], float]:
    """A butterfly, or splinters side by side, between two surfaces that diverge to one side."""
    height_mm = float(rng.uniform(16, 40))
    way = float(rng.uniform(0, 2 * math.pi))
    opening = height_mm / (2 * surface.radius_mm)
    tilt = opening * math.cos(way), opening * math.sin(way)
    upper = replace(surface, pitch_mm=0.0, slopes=(0.4 * surface.slopes[0], 0.4 * surface.slopes[1]))
    lower = replace(
        surface,
        level_mm=surface.level_mm + height_mm / 2 + 1.0,
        slopes=(0.2 * surface.slopes[0] + tilt[0], 0.2 * surface.slopes[1] + tilt[1]),
        jags_mm=np.ascontiguousarray(surface.jags_mm[:, ::-1]),
        pitch_mm=0.0,
        spike_mm=0.0,
    )
    cuts_mm = np.linspace(-1.3, 1.3, n_splinters + 1) * surface.radius_mm
    direction = way if n_splinters == 1 else float(rng.uniform(0, math.pi))
    pieces = []
    for least, largest in itertools.pairwise(cuts_mm):
        out_mm = math.copysign(float(rng.uniform(0.5, 6.0)), least + largest)
        pieces.append(
            Piece(
                above=upper,
                below=lower,
                cut=(direction, float(least), float(largest)),
                shift_mm=(float(rng.normal(0, 2.5)), out_mm * math.cos(direction), out_mm * math.sin(direction)),
                varus_rad=math.radians(rng.normal(0, 8)),
                flexion_rad=math.radians(rng.normal(0, 8)),
                torsion_rad=math.radians(rng.normal(0, 12)),
            )
        )
    return (replace(proximal, below=upper), replace(distal, above=lower), *pieces), height_mm


def _chip(surface: Surface, rng: np.random.Generator) -> Piece:
    """A small loose piece at the edge of the line."""
    lower = replace(surface, level_mm=surface.level_mm + float(rng.uniform(2, 7)), pitch_mm=0.0)
    way, radius_mm = float(rng.normal(math.pi, 0.9)), surface.radius_mm
    out_mm = float(rng.uniform(1, 5))
    return Piece(
        above=replace(surface, pitch_mm=0.0),
        below=lower,
        cut=(way, radius_mm - float(rng.uniform(2, 5)), 3 * radius_mm),
        shift_mm=(float(rng.normal(0, 2)), out_mm * math.cos(way), out_mm * math.sin(way)),
        varus_rad=math.radians(rng.normal(0, 20)),
    )

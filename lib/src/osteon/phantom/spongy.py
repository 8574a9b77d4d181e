"""Spongy bone: how much of the inside of a femur is bone, and how its trabeculae run."""

import math

import numpy as np

from osteon.phantom.bone import head_center, neck_base
from osteon.phantom.femur import Femur
from osteon.phantom.rays import Ray
from osteon.phantom.solids import FloatArray, across
from osteon.phantom.texture import Texture

__all__ = ["spongy_share"]

SHAFT = 0.06  # of the share at the ends: next to nothing but marrow
# Of the patient's mean share: the groups of trabeculae that carry weight, and the triangle between them (Ward), which
# empties first (Singh et al., J Bone Joint Surg Am 1970;52:457-67). How strongly each shows is a choice.
COMPRESSIVE, TENSILE, WARD = 0.5, 0.28, -0.42


def spongy_share(femur: Femur, ray: Ray, texture: Texture) -> FloatArray:
    """Share of the inside that is bone, at each pixel of a window: 0 to about 0.4."""
    share = np.full(ray.s.shape, np.float32(SHAFT * femur.spongy))
    upper, lower = femur.below_lesser_mm + 75, 0.68 * femur.length_mm
    rows_s = ray.s.mean(axis=1)
    for rows in (np.flatnonzero(rows_s < upper + 12), np.flatnonzero(rows_s > lower - 12)):
        if rows.size:
            here = slice(int(rows[0]), int(rows[-1]) + 1)
            share[here] = _end_share(femur, ray.s[here], ray.u[here], ray.turn, texture)
    return share


def _end_share(femur: Femur, s: FloatArray, u: FloatArray, turn: float, texture: Texture) -> FloatArray:
    upper = 1 / (1 + np.exp((s - np.float32(femur.below_lesser_mm + 4)) / np.float32(11)))
    lower = 1 / (1 + np.exp((np.float32(0.815 * femur.length_mm) - s) / np.float32(13)))
    share = SHAFT + (1 - SHAFT) * np.maximum(upper, lower)
    is_hip = s < femur.below_lesser_mm
    grain = _grain(s, u, 1.0, 0.0, texture)
    if is_hip.any():
        head, base = _hip_points(femur, turn)
        groups = _groups(femur, s, u, head, base) * abs(math.cos(turn))
        share = share * np.maximum(1 + groups, 0.25)
        ds, du = head[0] - base[0] - 22, head[1] - base[1]
        size = math.hypot(ds, du)
        grain = np.where(is_hip, _grain(s, u, ds / size, du / size, texture), grain)
    contrast = np.float32(0.21 * femur.coarseness)
    return np.asarray(np.float32(femur.spongy) * share * np.maximum(1 + contrast * grain, 0.05), dtype=np.float32)


def _grain(s: FloatArray, u: FloatArray, ds: float, du: float, texture: Texture) -> FloatArray:
    """Noise drawn out twofold along (ds, du)."""
    p, q = s * np.float32(ds) + u * np.float32(du), u * np.float32(ds) - s * np.float32(du)
    return texture.at(p * np.float32(0.5), q)


def _hip_points(femur: Femur, turn: float) -> tuple[tuple[float, float], tuple[float, float]]:
    head, base = head_center(femur), neck_base(femur)
    return (head[0], across(*head[1:], turn)), (base[0], across(*base[1:], turn))


def _groups(
    femur: Femur, s: FloatArray, u: FloatArray, head: tuple[float, float], base: tuple[float, float]
) -> FloatArray:
    """The principal compressive group from the calcar to the top of the head, the tensile one in an arc above the neck,
    and the triangle between them, as changes of the share."""
    radius = femur.head_mm / 2
    foot = base[0] + 14, base[1] - 0.62 * femur.width_mm
    top = head[0] - 0.75 * radius, head[1] - 0.1 * radius
    width = 0.42 * radius
    compressive = np.exp(-((_distance(s, u, foot, top) / np.float32(width)) ** 2))
    middle, reach = (head[0] + 1.9 * radius, 0.45 * head[1] + 0.55 * base[1]), 1.75 * radius
    ring = np.hypot(s - np.float32(middle[0]), u - np.float32(middle[1])) - np.float32(reach)
    tensile = np.exp(-((ring / np.float32(0.3 * radius)) ** 2)) * (s < middle[0])
    ward = (0.35 * head[0] + 0.65 * base[0], 0.4 * head[1] + 0.6 * base[1])
    hole = np.hypot(s - np.float32(ward[0]), u - np.float32(ward[1])) / np.float32(0.5 * radius)
    return np.asarray(COMPRESSIVE * compressive + TENSILE * tensile + WARD * np.exp(-hole * hole), dtype=np.float32)


def _distance(s: FloatArray, u: FloatArray, start: tuple[float, float], end: tuple[float, float]) -> FloatArray:
    """From a segment, in mm."""
    ds, du = end[0] - start[0], end[1] - start[1]
    s, u = s - np.float32(start[0]), u - np.float32(start[1])
    t = np.clip((s * np.float32(ds) + u * np.float32(du)) / np.float32(ds * ds + du * du), 0, 1)
    return np.asarray(np.hypot(s - t * np.float32(ds), u - t * np.float32(du)), dtype=np.float32)

"""The bones beside the femur: half a pelvis, kneecap, tibia and fibula, as far as a film of the thigh shows them."""

from functools import lru_cache

from osteon.phantom.bone import head_center
from osteon.phantom.femur import Femur
from osteon.phantom.solids import Ball, Solid, Tube, sweep

__all__ = ["Neighbour", "hip", "knee"]

# outer and inner solids of one bone, and how much of its inside is spongy bone beside that of the femur
Neighbour = tuple[tuple[Solid, ...], tuple[Solid, ...], float]


@lru_cache(maxsize=8)
def hip(femur: Femur) -> tuple[Neighbour, ...]:
    """What lies above the femur, in its frame."""
    return _pelvis(femur), _socket(femur)


def _pelvis(femur: Femur) -> Neighbour:
    """Socket, ilium, ischium and the two rami round the obturator foramen, in the proportions of anatomical plates."""
    s, x, z = head_center(femur)
    k = femur.head_mm / 45
    ilium_low, ilium_high = (s - 30 * k, x - 8 * k, z - 4), (s - 120 * k, x - 12 * k, z - 25)
    ischium_low = (s + 60 * k, x - 26 * k, z - 36 * k)
    pubis = (s + 22 * k, x - 72 * k, z + 14 * k)
    rods = (
        (ilium_low, ilium_high, (23 * k, 20 * k, 34 * k)),
        ((s + 8 * k, x - 22 * k, z - 16 * k), ischium_low, (15 * k, 12 * k, 14 * k)),
        ((s - 4 * k, x - 22 * k, z + 2 * k), pubis, (12 * k, 7.5 * k, 10 * k)),
        (ischium_low, pubis, (9 * k, 5.5 * k, 9 * k)),
    )
    outer: list[Solid] = [Tube(*rod) for rod in rods]
    inner: list[Solid] = [Tube(start, end, (a - 0.9, b - 0.9, c - 0.9)) for start, end, (a, b, c) in rods]
    return tuple(outer), tuple(inner), 1.0


def _socket(femur: Femur) -> Neighbour:
    """A shell about the head: thick at its roof and in the depth, running out below and laterally."""
    s, x, z = head_center(femur)
    radius = femur.head_mm / 2
    shell = Ball((s - 3.2, x - 2.6, z), (radius + 3.0, radius + 3.0, radius + 2.6))
    return (shell,), (Ball((s, x, z), (radius + 2.6, radius + 2.6, radius + 3.2)),), 0.0


@lru_cache(maxsize=8)
def knee(femur: Femur) -> tuple[Neighbour, ...]:
    """What lies about and below the condyles, in the femur's frame: it moves with them."""
    k, end = femur.condyles_mm / 75, femur.length_mm
    levels = [end + mm * k for mm in (4, 7, 14, 28, 50, 90, 200)]
    edges = (
        (-30, 30, -22, 22), (-37, 36, -25, 24), (-37, 36, -25, 24), (-31, 30, -22, 22),
        (-22, 20, -18, 20), (-15, 14, -14, 17), (-13, 12, -12, 15),
    )  # fmt: skip
    scaled = [tuple(mm * k for mm in row) for row in edges]
    walls = (1.2, 1.4, 1.2, 1.2, 2.0, 3.5, 5.0)
    inside = [
        (m + wall, lateral - wall, p + wall, a - wall) for (m, lateral, p, a), wall in zip(scaled, walls, strict=True)
    ]
    tibia = sweep(levels, [(m, lateral, p, a) for m, lateral, p, a in scaled])
    marrow = sweep([levels[0] + 1.2, *levels[1:]], inside)
    kneecap = (end - 42 * k, 1.0 * k, 38 * k)
    fibula = (end + 24 * k, 36 * k, -16 * k), (end + 200 * k, 28 * k, -14 * k)
    return (
        ((tibia,), (marrow,), 1.0),
        ((Ball(kneecap, (21 * k, 22 * k, 10 * k)),), (Ball(kneecap, (19.8 * k, 20.8 * k, 8.8 * k)),), 1.0),
        ((Tube(*fibula, (11 * k, 5.5 * k, 7 * k)),), (Tube(*fibula, (9.8 * k, 3.5 * k, 4 * k)),), 0.5),
    )

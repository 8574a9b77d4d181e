"""Bone on each ray: cortex and spongy bone in mm, summed over the pieces of a broken femur, each where it has moved to.

Chords are analytic. Only near a fracture is a ray sampled, at two points of each of the two walls that it meets.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from osteon.phantom.bone import Bone
from osteon.phantom.breakage import Fracture, Piece
from osteon.phantom.solids import Box, FloatArray, Plane, Solid, Window, across, length_mm, union

__all__ = ["Broken", "Ray", "broken_bone", "chords", "piece_plane"]

NEAR_MM = 1.0  # of a fracture surface: half the width of the line that a reader would draw
GAUSS = (0.21, 0.79)  # of a wall: the points of order two


@dataclass(frozen=True)
class Ray:
    """A piece of bone in a window of the image, as it is met by the rays: wall and inside in mm, and where each pixel
    lies in the unbroken bone, seen from `turn`."""

    window: Window
    wall_mm: FloatArray
    inside_mm: FloatArray
    s: FloatArray
    u: FloatArray
    turn: float


@dataclass(frozen=True)
class Broken:
    """A bone in pieces, and where its fracture surfaces show (y, x)."""

    pieces: tuple[Ray, ...]
    fracture: npt.NDArray[np.bool_]


def piece_plane(piece: Piece, bone: Bone, level_mm: float, plane: Plane, turn: float) -> tuple[Plane, float]:
    """Plane and turn in which a moved piece lies where it was before."""
    x, z, _, _ = bone.shaft.at(level_mm)
    along, dx, dz = piece.shift_mm
    tilt = piece.varus_rad * math.cos(turn) - piece.flexion_rad * math.sin(turn)
    return plane.moved(level_mm, across(x, z, turn), (along, across(dx, dz, turn)), tilt), turn + piece.torsion_rad


def chords(outer: tuple[Solid, ...], inner: tuple[Solid, ...], plane: Plane, turn: float) -> Ray | None:
    """A bone in one piece, or None where it lies outside of the field."""
    boxes = [solid.box(turn) for solid in outer]
    window = plane.window(_hull(boxes))
    if _is_empty(window):
        return None
    whole = length_mm(*union(outer, plane, window, turn))
    inside = np.minimum(length_mm(*union(inner, plane, window, turn)), whole)
    return Ray(window, whole - inside, inside, *plane.points(window), turn)


def broken_bone(bone: Bone, fracture: Fracture, plane: Plane, turn: float, spacing_mm: float) -> Broken:
    """The pieces of a fractured bone."""
    near = np.zeros(plane.shape, dtype=np.bool_)
    rays = []
    for piece in fracture.pieces:
        moved, turned = piece_plane(piece, bone, fracture.level_mm, plane, turn)
        top = fracture.level_mm - fracture.reach_mm if piece.above else -math.inf
        bottom = fracture.level_mm + fracture.reach_mm if piece.below else math.inf
        boxes = [box for box in (solid.box(turned) for solid in bone.outer) if box[0] < bottom and box[1] > top]
        box = _hull(boxes)
        window = moved.window((max(top, box[0]), min(bottom, box[1]), *box[2:]))
        if not _is_empty(window):
            rays.append(_ray(bone, fracture, piece, moved, window, turned, near, spacing_mm))
    return Broken(tuple(rays), near)


def _ray(
    bone: Bone,
    fracture: Fracture,
    piece: Piece,
    plane: Plane,
    window: Window,
    turn: float,
    near: npt.NDArray[np.bool_],
    spacing_mm: float,
) -> Ray:
    """One piece; marks in `near` where its surfaces show."""
    lo, hi, gap = union(bone.outer, plane, window, turn)
    inner_lo, inner_hi, inner_gap = union(bone.inner, plane, window, turn)
    whole = length_mm(lo, hi, gap)
    inside = np.minimum(length_mm(inner_lo, inner_hi, inner_gap), whole)
    wall = whole - inside
    s, u = plane.points(window)
    level, reach = fracture.level_mm, fracture.reach_mm + 4 * spacing_mm  # the window has pixels to spare
    rows = np.flatnonzero((s.max(axis=1) >= level - reach) & (s.min(axis=1) <= level + reach))
    if fracture.reach_mm and rows.size:
        band = slice(int(rows[0]), int(rows[-1]) + 1)
        met = np.flatnonzero((whole[band] > 0).any(axis=0))
        if met.size:
            here = band, slice(int(met[0]), int(met[-1]) + 1)
            parts = (lo[here], hi[here], inner_lo[here], inner_hi[here])
            wall_share, inside_share, is_near = _shares(
                fracture, piece, bone, s[here], u[here], turn, parts, spacing_mm
            )
            wall[here] *= wall_share
            inside[here] *= inside_share
            in_image = tuple(
                slice(one.start + other.start, one.start + other.stop) for one, other in zip(window, here, strict=True)
            )
            near[in_image] |= is_near & (whole[here] > 0)
    return Ray(window, wall, inside, s, u, turn)


def _shares(
    fracture: Fracture,
    piece: Piece,
    bone: Bone,
    s: FloatArray,
    u: FloatArray,
    turn: float,
    parts: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    spacing_mm: float,
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """How much of the wall and of the inside on each ray belongs to the piece, and whether a surface is near."""
    lo, hi, inner_lo, inner_hi = parts
    is_hollow = inner_hi > inner_lo
    middle = np.where(hi > lo, (lo + hi) / 2, 0)
    front_from = np.where(is_hollow, np.clip(inner_hi, lo, hi), middle)
    back_to = np.where(is_hollow, np.clip(inner_lo, lo, hi), middle)
    cos, sin = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    center = bone.shaft.at(fracture.level_mm)[:2]
    total, taken = np.full_like(s, 1e-6), np.zeros_like(s)
    is_near = np.zeros(s.shape, dtype=np.bool_)
    for start, end in ((front_from, hi), (lo, back_to)):
        length = np.maximum(end - start, 0)
        for share in GAUSS:
            m = start + np.float32(share) * length
            member, close = _member(fracture, piece, center, s, u * cos + m * sin, m * cos - u * sin, spacing_mm)
            taken += member * length
            total += length
            is_near |= close & (length > 0.2)
    m = np.where(is_hollow, (inner_lo + inner_hi) / 2, middle)
    inside, _ = _member(fracture, piece, center, s, u * cos + m * sin, m * cos - u * sin, spacing_mm)
    return taken / total, inside, is_near


def _member(
    fracture: Fracture,
    piece: Piece,
    center: tuple[float, float],
    s: FloatArray,
    x: FloatArray,
    z: FloatArray,
    spacing_mm: float,
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """How much of a pixel at (s, x, z) belongs to the piece, and whether that is within `NEAR_MM` of a surface."""
    per_pixel, near_mm = np.float32(1 / spacing_mm), np.float32(max(NEAR_MM, 0.6 * spacing_mm))
    member = np.ones_like(s)
    close = np.zeros(s.shape, dtype=np.bool_)
    for surface, sign in ((piece.above, 1), (piece.below, -1)):
        if surface is not None:
            beyond = sign * (s - surface.at(x, z))
            member *= np.clip(beyond * per_pixel + np.float32(0.5), 0, 1)
            close |= np.abs(beyond) < near_mm
    if piece.cut is not None:
        way, least, largest = piece.cut
        off = np.float32(math.cos(way)) * (x - np.float32(center[0])) + np.float32(math.sin(way)) * (
            z - np.float32(center[1])
        )
        for distance in (off - np.float32(least), np.float32(largest) - off):
            inside = np.clip(distance * per_pixel + np.float32(0.5), 0, 1)
            member *= inside
            close &= inside > 0
    if fracture.crack is not None:
        open_share = fracture.crack.share(s, x, z, spacing_mm)
        member *= 1 - open_share
        close |= (np.abs(s - fracture.crack.surface.at(x, z)) < near_mm) & (
            x > np.float32(fracture.crack.edge_mm - fracture.crack.depth_mm)
        )
    return member, close


def _hull(boxes: list[Box]) -> Box:
    least, largest = np.min(boxes, axis=0), np.max(boxes, axis=0)
    return float(least[0]), float(largest[1]), float(least[2]), float(largest[3])


def _is_empty(window: Window) -> bool:
    return any(one.start >= one.stop for one in window)

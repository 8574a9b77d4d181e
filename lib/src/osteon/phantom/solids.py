"""Solids whose chords are known without sampling: swept elliptic sections, ellipsoids and tubes, seen from any side.

The frame of a bone: `s` runs down its long axis, `x` is lateral, `z` anterior, all in mm. A view turned by `turn` about
`s` sees `u = x cos turn - z sin turn` across, and looks along `m = x sin turn + z cos turn`. A chord is the interval
(lo, hi) of `m` that lies inside; it is empty where lo > hi.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

__all__ = [
    "STEP_MM", "Ball", "Box", "FloatArray", "Plane", "Solid", "Sweep", "Tube", "Window", "across", "along",
    "length_mm", "sweep", "union",
]  # fmt: skip

FloatArray = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]  # least and largest s, least and largest u
Window = tuple[slice, slice]

STEP_MM = 0.1  # of the table of a sweep: a third of the finest pixel that is rendered
NOWHERE = np.float32(1e6)
STRIP = 80  # rows in which a sweep is met by a window of its own: fewer cost more calls, more cost wider windows


def across(x: float, z: float, turn: float) -> float:
    """Where a view turned by `turn` sees the point (x, z)."""
    return x * math.cos(turn) - z * math.sin(turn)


def along(x: float, z: float, turn: float) -> float:
    """How deep along the ray the point (x, z) lies."""
    return x * math.sin(turn) + z * math.cos(turn)


@dataclass(frozen=True)
class Plane:
    """What each pixel of an image sees of a bone: (s, u) in mm is affine in (row, column)."""

    shape: tuple[int, int]
    origin: tuple[float, float]
    down: tuple[float, float]
    right: tuple[float, float]

    def points(self, window: Window) -> tuple[FloatArray, FloatArray]:
        """(s, u) of each pixel of a window."""
        rows = np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None]
        columns = np.arange(window[1].start, window[1].stop, dtype=np.float32)[None, :]
        s, u = (
            np.float32(self.origin[n]) + np.float32(self.down[n]) * rows + np.float32(self.right[n]) * columns
            for n in (0, 1)
        )
        return s, u

    def place(self, s: float, u: float) -> tuple[float, float]:
        """(row, column) of a point."""
        (ds, du), (es, eu) = self.down, self.right
        s, u, size = s - self.origin[0], u - self.origin[1], ds * eu - du * es
        return (s * eu - u * es) / size, (u * ds - s * du) / size

    def coarser(self, factor: int) -> "Plane":
        """The same field in pixels `factor` times as large; the last ones may reach beyond it."""
        (ds, du), (es, eu), half = self.down, self.right, (factor - 1) / 2
        origin = self.origin[0] + half * (ds + es), self.origin[1] + half * (du + eu)
        shape = -(-self.shape[0] // factor), -(-self.shape[1] // factor)
        return Plane(shape, origin, (factor * ds, factor * du), (factor * es, factor * eu))

    def window(self, box: Box) -> Window:
        """The smallest window that holds all pixels of a box, with one to spare."""
        places = np.array([self.place(s, u) for s in box[:2] for u in box[2:]])
        first = np.clip(np.floor(places.min(axis=0)) - 1, 0, self.shape).astype(int)
        last = np.clip(np.ceil(places.max(axis=0)) + 2, 0, self.shape).astype(int)
        return slice(int(first[0]), int(last[0])), slice(int(first[1]), int(last[1]))

    def moved(self, level_mm: float, center_u: float, shift: tuple[float, float], turn_rad: float) -> "Plane":
        """The plane in which a piece lies that was turned about (level, center) and then shifted: image → bone."""
        cos, sin = math.cos(turn_rad), math.sin(turn_rad)

        def back(s: float, u: float) -> tuple[float, float]:
            return cos * s + sin * u, -sin * s + cos * u

        s, u = back(self.origin[0] - level_mm - shift[0], self.origin[1] - center_u - shift[1])
        return Plane(self.shape, (s + level_mm, u + center_u), back(*self.down), back(*self.right))


class Solid(Protocol):
    """What can be met by a ray."""

    def box(self, turn: float) -> Box:
        """Where it can be met."""

    def chord(self, s: FloatArray, u: FloatArray, turn: float) -> tuple[FloatArray, FloatArray]:
        """(lo, hi) of each ray."""


def _interval(middle: FloatArray, half: FloatArray, inside: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    return np.where(inside, middle - half, NOWHERE), np.where(inside, middle + half, -NOWHERE)


@dataclass(frozen=True, eq=False)
class Sweep:
    """An elliptic section that changes along s: center (x, z) and half axes (a, b) at every `STEP_MM` from `start`."""

    start: float
    x: FloatArray
    z: FloatArray
    a: FloatArray
    b: FloatArray

    @cached_property
    def _tables(self) -> dict[float, tuple[FloatArray, ...]]:
        return {}

    def _seen(self, turn: float) -> tuple[FloatArray, ...]:
        """Center and half width across, half depth, depth of the center and its change across, at each step."""
        if turn not in self._tables:
            cos, sin = np.float32(math.cos(turn)), np.float32(math.sin(turn))
            width = np.sqrt((self.a * cos) ** 2 + (self.b * sin) ** 2)
            skew = (self.a**2 - self.b**2) * sin * cos / width**2
            center, middle = self.x * cos - self.z * sin, self.x * sin + self.z * cos
            tables = (center, 1 / width, self.a * self.b / width, middle, skew)
            self._tables[turn] = tuple(table.astype(np.float32) for table in tables)
        return self._tables[turn]

    @property
    def end(self) -> float:
        """The largest s."""
        return self.start + STEP_MM * (self.x.size - 1)

    def box(self, turn: float, top: float = -math.inf, bottom: float = math.inf) -> Box:
        """Where it can be met, between two levels."""
        top, bottom = max(top - STEP_MM, self.start), min(bottom + STEP_MM, self.end)
        first = min(max(int((top - self.start) / STEP_MM), 0), self.x.size - 1)
        part = slice(first, max(int((bottom - self.start) / STEP_MM) + 2, first + 1))
        center, per_width = (table[part] for table in self._seen(turn)[:2])
        width = 1 / per_width
        return top, bottom, float((center - width).min()), float((center + width).max())

    def chord(self, s: FloatArray, u: FloatArray, turn: float) -> tuple[FloatArray, FloatArray]:
        """(lo, hi) of each ray, exact but for the table's step."""
        n = ((s - np.float32(self.start)) * np.float32(1 / STEP_MM) + np.float32(0.5)).astype(np.int32)
        inside_ends = (n >= 0) & (n < self.x.size)
        n = np.clip(n, 0, self.x.size - 1)
        center, per_width, depth, middle, skew = (table.take(n) for table in self._seen(turn))
        off = u - center
        rest = 1 - np.square(off * per_width)
        half = depth * np.sqrt(np.maximum(rest, 0))
        return _interval(middle + skew * off, half, inside_ends & (rest > 0))

    def at(self, s: float) -> tuple[float, float, float, float]:
        """Center (x, z) and half axes (a, b) at a level."""
        n = int(np.clip(round((s - self.start) / STEP_MM), 0, self.x.size - 1))
        return float(self.x[n]), float(self.z[n]), float(self.a[n]), float(self.b[n])


def sweep(levels: Sequence[float], edges: Sequence[tuple[float, float, float, float]]) -> Sweep:
    """A sweep through sections given at `levels` by their (medial, lateral, posterior, anterior) edges in mm; smooth
    between them and without overshoot."""
    n_steps = int((levels[-1] - levels[0]) / STEP_MM) + 1
    s = levels[0] + STEP_MM * np.arange(n_steps)
    medial, lateral, posterior, anterior = PchipInterpolator(levels, np.array(edges), axis=0)(s).T
    x, z, a, b = (medial + lateral) / 2, (posterior + anterior) / 2, (lateral - medial) / 2, (anterior - posterior) / 2
    a, b = np.maximum(a, 0.05), np.maximum(b, 0.05)
    return Sweep(levels[0], *(table.astype(np.float32) for table in (x, z, a, b)))


@dataclass(frozen=True)
class Ball:
    """An ellipsoid with half axes along s, x and z."""

    center: tuple[float, float, float]
    half: tuple[float, float, float]

    def _width(self, turn: float) -> float:
        return math.hypot(self.half[1] * math.cos(turn), self.half[2] * math.sin(turn))

    def box(self, turn: float) -> Box:
        """Where it can be met."""
        u, width = across(*self.center[1:], turn), self._width(turn)
        return self.center[0] - self.half[0], self.center[0] + self.half[0], u - width, u + width

    def chord(self, s: FloatArray, u: FloatArray, turn: float) -> tuple[FloatArray, FloatArray]:
        """(lo, hi) of each ray, exact."""
        a, b = self.half[1:]
        width = self._width(turn)
        off = u - np.float32(across(*self.center[1:], turn))
        rest = 1 - np.square(off * np.float32(1 / width))
        rest -= np.square((s - np.float32(self.center[0])) * np.float32(1 / self.half[0]))
        half = np.float32(a * b / width) * np.sqrt(np.maximum(rest, 0))
        skew = np.float32((a**2 - b**2) * math.sin(turn) * math.cos(turn) / width**2)
        return _interval(np.float32(along(*self.center[1:], turn)) + skew * off, half, rest > 0)


@dataclass(frozen=True)
class Tube:
    """A round rod with round ends from `start` to `end`, both (s, x, z); radius at start, middle and end.

    Seen at an angle its chords are those of an endless cylinder, no longer than the rod: right but at its ends.
    """

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radii: tuple[float, float, float]

    def _ends(self, turn: float) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        (s0, x0, z0), (s1, x1, z1) = self.start, self.end
        return (
            (s0, across(x0, z0, turn), along(x0, z0, turn)),
            (s1, across(x1, z1, turn), along(x1, z1, turn)),
        )

    def box(self, turn: float) -> Box:
        """Where it can be met."""
        (s0, u0, _), (s1, u1, _) = self._ends(turn)
        r = max(self.radii)
        return min(s0, s1) - r, max(s0, s1) + r, min(u0, u1) - r, max(u0, u1) + r

    def chord(self, s: FloatArray, u: FloatArray, turn: float) -> tuple[FloatArray, FloatArray]:
        """(lo, hi) of each ray."""
        (s0, u0, m0), (s1, u1, m1) = self._ends(turn)
        flat, deep = math.hypot(s1 - s0, u1 - u0), m1 - m0
        span = math.hypot(flat, deep)
        ds, du = np.float32((s1 - s0) / max(flat, 1e-3)), np.float32((u1 - u0) / max(flat, 1e-3))
        s, u = s - np.float32(s0), u - np.float32(u0)
        t = np.clip((s * ds + u * du) * np.float32(1 / max(flat, 1e-3)), 0, 1)
        far = t * np.float32(flat)
        first, middle, last = self.radii
        r = first + t * ((4 * middle - 3 * first - last) + t * (2 * first + 2 * last - 4 * middle))
        rest = r * r - np.square(s - far * ds) - np.square(u - far * du)
        half = np.sqrt(np.maximum(rest, 0)) * np.float32(span / max(flat, 0.3 * span))
        half = np.minimum(half, np.float32(span / 2 + max(self.radii)))
        return _interval(np.float32(m0) + t * np.float32(deep), half, rest > 0)


def union(
    solids: Sequence[Solid], plane: Plane, window: Window, turn: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(lo, hi, gap) in a window: the hull of the solids' chords, and how much of it lies between two of them."""
    shape = (window[0].stop - window[0].start, window[1].stop - window[1].start)
    lo, hi = np.full(shape, NOWHERE, dtype=np.float32), np.full(shape, -NOWHERE, dtype=np.float32)
    gap = np.zeros(shape, dtype=np.float32)
    for solid in solids:
        for rows, columns in _windows(solid, plane, window, turn):
            s, u = plane.points((rows, columns))
            low, high = solid.chord(s, u, turn)
            here = (
                slice(rows.start - window[0].start, rows.stop - window[0].start),
                slice(columns.start - window[1].start, columns.stop - window[1].start),
            )
            both = (high > low) & (hi[here] > lo[here])
            gap[here] += np.where(both, np.maximum(np.maximum(low, lo[here]) - np.minimum(high, hi[here]), 0), 0)
            lo[here], hi[here] = np.minimum(lo[here], low), np.maximum(hi[here], high)
    return lo, hi, gap


def _windows(solid: Solid, plane: Plane, window: Window, turn: float) -> Iterator[Window]:
    """Where in a window a solid can be met: strips of rows without overlap, each as narrow as a sweep is there."""
    wanted = _common(plane.window(solid.box(turn)), window)
    if not isinstance(solid, Sweep):
        if all(one.start < one.stop for one in wanted):
            yield wanted
        return
    for first in range(wanted[0].start, wanted[0].stop, STRIP):
        strip = slice(first, min(first + STRIP, wanted[0].stop)), wanted[1]
        s = [
            plane.origin[0] + row * plane.down[0] + column * plane.right[0]
            for row in (strip[0].start, strip[0].stop)
            for column in (strip[1].start, strip[1].stop)
        ]
        narrow = _common(plane.window(solid.box(turn, min(s), max(s))), strip)
        if narrow[1].start < narrow[1].stop:
            yield strip[0], narrow[1]


def _common(one: Window, other: Window) -> Window:
    rows, columns = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return rows, columns


def length_mm(lo: FloatArray, hi: FloatArray, gap: FloatArray) -> FloatArray:
    """How much of each ray lies inside a union."""
    return np.maximum(hi - lo - gap, 0)

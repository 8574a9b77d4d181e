"""Chords: what is known without sampling equals what sampling finds."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osteon.phantom.bone import Reaction, femur_solids
from osteon.phantom.femur import draw_femur
from osteon.phantom.patient import LABELS, Label
from osteon.phantom.population import draw_person
from osteon.phantom.seeds import generator
from osteon.phantom.solids import Ball, Plane, Sweep, Tube, length_mm, sweep, union

PLANE = Plane((40, 120), (0.0, -60.0), (2.0, 0.0), (0.0, 1.0))
WHOLE = (slice(0, 40), slice(0, 120))
DEPTH = np.arange(-80, 80, 0.05)
Array = npt.NDArray[np.float64]
turns = st.floats(-math.pi, math.pi)


def inside_sweep(solid: Sweep, s: float, x: Array, z: Array) -> npt.NDArray[np.bool_]:
    cx, cz, a, b = solid.at(s)
    return np.asarray(((x - cx) / a) ** 2 + ((z - cz) / b) ** 2 < 1)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(6, 30)] * 4), min_size=3, max_size=3),
    turns,
    st.integers(2, 37),
    st.integers(20, 100),
)
def test_the_chord_of_a_swept_section_equals_numerical_integration(
    edges: list[tuple[float, float, float, float]], turn: float, row: int, column: int
) -> None:
    solid = sweep((0.0, 40.0, 80.0), [(-m, lateral, -p, a) for m, lateral, p, a in edges])
    s, u = (grid[row if grid.shape[0] > 1 else 0, column] for grid in np.broadcast_arrays(*PLANE.points(WHOLE)))

    lo, hi = solid.chord(np.array([[s]], dtype=np.float32), np.array([[u]], dtype=np.float32), turn)

    x, z = u * math.cos(turn) + DEPTH * math.sin(turn), DEPTH * math.cos(turn) - u * math.sin(turn)
    counted = 0.05 * float(inside_sweep(solid, s, x, z).sum())
    assert max(float(hi[0, 0] - lo[0, 0]), 0) == pytest.approx(counted, abs=0.6 if counted < 6 else 0.15)


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.floats(4, 30)] * 3), turns, st.floats(-25, 25), st.floats(-25, 25))
def test_the_chord_of_an_ellipsoid_equals_numerical_integration(
    half: tuple[float, float, float], turn: float, s: float, u: float
) -> None:
    ball = Ball((1.0, 2.0, -3.0), half)

    lo, hi = ball.chord(np.array([[s]], dtype=np.float32), np.array([[u]], dtype=np.float32), turn)

    x, z = u * math.cos(turn) + DEPTH * math.sin(turn), DEPTH * math.cos(turn) - u * math.sin(turn)
    within = ((s - 1) / half[0]) ** 2 + ((x - 2) / half[1]) ** 2 + ((z + 3) / half[2]) ** 2 < 1
    counted = 0.05 * float(within.sum())
    assert max(float(hi[0, 0] - lo[0, 0]), 0) == pytest.approx(counted, abs=0.6 if counted < 6 else 0.15)


@settings(max_examples=25, deadline=None)
@given(turns, st.floats(-5, 5))
def test_the_chord_of_a_tube_seen_at_a_slant_is_that_of_a_cylinder(turn: float, u_off: float) -> None:
    tube = Tube((0.0, -10.0, 4.0), (90.0, 20.0, -8.0), (6.0, 6.0, 6.0))
    axis = np.array([90.0, 30.0, -12.0])
    axis /= np.linalg.norm(axis)
    middle = np.array([45.0, 5.0, -2.0])
    s = 45.0
    u = 5.0 * math.cos(turn) + 2.0 * math.sin(turn) + u_off

    lo, hi = tube.chord(np.array([[s]], dtype=np.float32), np.array([[u]], dtype=np.float32), turn)

    x, z = u * math.cos(turn) + DEPTH * math.sin(turn), DEPTH * math.cos(turn) - u * math.sin(turn)
    off = np.stack([np.full_like(x, s), x, z], axis=1) - middle
    far = np.linalg.norm(off - np.outer(off @ axis, axis), axis=1)
    assert max(float(hi[0, 0] - lo[0, 0]), 0) == pytest.approx(0.05 * float((far < 6).sum()), abs=0.2)


def test_a_union_counts_what_two_solids_share_once_and_leaves_out_what_lies_between_them() -> None:
    one, near, far = Ball((40, 0, 0), (20, 20, 20)), Ball((40, 0, 10), (20, 20, 20)), Ball((40, 0, 60), (20, 20, 20))

    together = length_mm(*union((one, near), PLANE, WHOLE, 0.0))
    apart = length_mm(*union((one, far), PLANE, WHOLE, 0.0))

    assert together[20, 60] == pytest.approx(50, abs=0.1)
    assert apart[20, 60] == pytest.approx(80, abs=0.1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(LABELS), turns)
def test_the_inside_of_a_femur_never_reaches_beyond_its_surface(number: int, label: Label, turn: float) -> None:
    rng = generator(0, "demo", number)
    femur = draw_femur(draw_person(label, rng), label, rng)
    bone = femur_solids(femur, Reaction(level_mm=200.0, beak_mm=2.0, inner_mm=1.0))
    plane = Plane((220, 140), (0.0, -70.0), (2.0, 0.0), (0.0, 1.0))
    window = (slice(0, 220), slice(0, 140))

    lo, hi, _ = union(bone.outer, plane, window, turn)
    inner_lo, inner_hi, _ = union(bone.inner, plane, window, turn)

    shaft = slice(60, 150)  # 120 to 300 mm
    hollow = inner_hi[shaft] > inner_lo[shaft]
    assert (inner_hi[shaft] <= hi[shaft])[hollow].all()
    assert (inner_lo[shaft] >= lo[shaft])[hollow].all()
    width_mm = (hi > lo)[110].sum()
    assert 18 < width_mm < 44  # at 220 mm


def test_a_coarser_plane_shows_the_same_field() -> None:
    plane = Plane((31, 44), (10.0, -20.0), (0.39, 0.05), (-0.05, 0.39))

    coarse = plane.coarser(3)

    s, u = plane.points((slice(0, 31), slice(0, 44)))
    coarse_s, coarse_u = coarse.points((slice(0, 11), slice(0, 15)))
    assert coarse.shape == (11, 15)
    assert coarse_s[2, 3] == pytest.approx(s[6:9, 9:12].mean(), abs=1e-4)
    assert coarse_u[2, 3] == pytest.approx(u[6:9, 9:12].mean(), abs=1e-4)
    assert plane.place(float(s[7, 9]), float(u[7, 9])) == pytest.approx((7, 9), abs=1e-3)

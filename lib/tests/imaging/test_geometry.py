"""A bone ends up vertical, in millimeters, in the middle, however it was taken."""

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osteon.imaging.dicom import read_image
from osteon.imaging.geometry import CONFIDENT, Geometry, block_mean, long_axis, place_in_reference, to_reference
from osteon.imaging.image import Image
from osteon.phantom.population import View
from osteon.phantom.specimen import specimen

GEOMETRY = Geometry()


def limb(
    angle: float, size_mm: tuple[float, float] = (330.0, 330.0), spacing_mm: tuple[float, float] = (0.5, 0.5)
) -> Image:
    """A shaft of 28 mm in soft tissue of 110 mm, 260 mm long, its top leaning right by `angle` degrees."""
    rows, columns = (round(size / spacing) for size, spacing in zip(size_mm, spacing_mm, strict=True))
    y = (np.arange(rows)[:, None] + 0.5) * spacing_mm[0] - size_mm[0] / 2
    x = (np.arange(columns)[None, :] + 0.5) * spacing_mm[1] - size_mm[1] / 2
    sin, cos = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    along, across = x * sin - y * cos, x * cos + y * sin
    bone = np.exp(-((across / 14) ** 4)) * (np.abs(along) < 130)
    tissue = 0.4 * np.exp(-((across / 55) ** 4))
    return Image((bone + tissue).astype(np.float32), spacing_mm)


def widths_mm(image: Image) -> tuple[float, float]:
    """Height and width of what is brighter than 0.9: bone alone."""
    rows, columns = np.nonzero(image.pixels > 0.9)
    return float(np.ptp(rows)) * image.spacing_mm[0], float(np.ptp(columns)) * image.spacing_mm[1]


@settings(max_examples=20, deadline=None)
@given(st.floats(-90, 90))
def test_a_limb_at_any_angle_is_turned_upright(angle: float) -> None:
    upright = to_reference(limb(angle), GEOMETRY)

    axis = long_axis(upright)
    assert upright.pixels.shape == (640, 384)
    assert upright.spacing_mm == (0.5, 0.5)
    assert abs(math.degrees(axis.angle)) < 1
    height, width = widths_mm(upright)
    assert height == pytest.approx(260, abs=4)
    assert width == pytest.approx(24, abs=3)


@pytest.mark.parametrize("spacing_mm", [(0.1, 0.1), (0.143, 0.143), (0.4, 0.2), (0.9, 0.9)])
def test_lengths_do_not_depend_on_the_spacing_of_the_detector(spacing_mm: tuple[float, float]) -> None:
    reference = to_reference(limb(0), GEOMETRY)

    other = to_reference(limb(0, spacing_mm=spacing_mm), GEOMETRY)

    assert widths_mm(other) == pytest.approx(widths_mm(reference), abs=2)
    assert np.abs(other.pixels - reference.pixels).mean() < 0.01


def test_what_is_upright_and_has_the_spacing_is_only_cut() -> None:
    image = limb(0, size_mm=(320, 192))

    np.testing.assert_allclose(to_reference(image, GEOMETRY).pixels, image.pixels, atol=1e-3)


@pytest.mark.parametrize("angle", [0, 30, 80])
def test_a_place_is_told_where_the_reference_shows_it(angle: float) -> None:
    image = limb(angle)
    image.pixels[297:303, 357:363] = 9  # 150 and 180 mm from the corner

    row, column = place_in_reference(image, GEOMETRY, (150.0, 180.0))

    rows, columns = np.nonzero(to_reference(image, GEOMETRY).pixels > 5)
    assert (rows.mean(), columns.mean()) == pytest.approx((row, column), abs=1)


def test_a_fine_pattern_is_averaged_and_not_aliased() -> None:
    stripes = np.zeros((3000, 2000), np.float32)
    stripes[:, ::2] = 1.0

    reference = to_reference(Image(stripes, (0.1, 0.1)), GEOMETRY)

    inside = reference.pixels[200:400, 150:250]
    assert inside.mean() == pytest.approx(0.5, abs=0.05)
    assert inside.std() < 0.15  # each stripe as it stands has 0.5


def test_an_image_without_direction_is_left_as_it_is() -> None:
    noise = np.random.default_rng(1).random((400, 300), np.float32)

    axis = long_axis(Image(noise, (0.5, 0.5)))

    assert axis.coherence < CONFIDENT


def test_a_slanted_black_frame_does_not_turn_an_upright_limb() -> None:
    image = limb(0, size_mm=(320, 260))
    y, x = np.indices(image.pixels.shape)
    outside = (y + 0.3 * x < 90) | (y + 0.3 * x > 650)
    framed = Image(np.where(outside, np.float32(-0.5), image.pixels), image.spacing_mm)

    assert abs(math.degrees(long_axis(framed).angle)) < 6


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 4)])
def test_tiny_and_thin_images_have_a_reference_too(shape: tuple[int, int]) -> None:
    pixels: npt.NDArray[np.float32] = np.linspace(0, 1, shape[0] * shape[1], dtype=np.float32).reshape(shape)

    assert to_reference(Image(pixels, (0.2, 0.2)), GEOMETRY).pixels.shape == (640, 384)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.integers(1, 4))
def test_block_mean_is_the_mean_of_blocks(height: int, width: int, down: int, right: int) -> None:
    pixels = np.random.default_rng(height * width).random((height, width), np.float32)

    mean = block_mean(Image(pixels, (1.0, 2.0)), (down, right))

    down, right = min(down, height), min(right, width)
    cut = pixels[: height // down * down, : width // right * right]
    blocks = cut.reshape(height // down, down, width // right, right)
    np.testing.assert_allclose(mean.pixels, blocks.mean((1, 3)), rtol=1e-5)
    assert mean.spacing_mm == (down, 2.0 * right)


@pytest.mark.parametrize("wrong", [{"spacing_mm": 0.0}, {"rows": 0}, {"columns": -1}, {"spacing_mm": float("nan")}])
def test_a_geometry_has_a_positive_grid(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        Geometry(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("patient", "view"), [*itertools.product(range(4), ("AP", "lateral"))])
def test_a_broken_thigh_that_lies_across_is_turned_upright(patient: int, view: View) -> None:
    radiograph = specimen(patient, 4, view=view)

    axis = long_axis(read_image(radiograph.dataset))

    (top, top_x), (bottom, bottom_x) = radiograph.truth.axis_mm
    degrees_off = math.degrees(axis.angle - math.atan2(top_x - bottom_x, bottom - top))
    assert axis.coherence >= CONFIDENT
    assert abs((degrees_off + 90) % 180 - 90) < 15

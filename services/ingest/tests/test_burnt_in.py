"""Text in the pixels: found at several sizes, masked outside bone, and doubt sets the image aside."""

import sys
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from osteon.errors import SetAside
from osteon_ingest.burnt_in import Box, find_text, mask_text
from osteon_ingest.measure_burnt_in import PLACES, Case, hides, planted

Pixels = npt.NDArray[np.uint16]
TOP = 4095


def leg(height: int, width: int, seed: int = 0) -> Pixels:
    """Something like a leg: air, a soft round of tissue, a shaft with bright cortices; with noise."""
    x = np.linspace(-1, 1, width)
    tissue = np.sqrt(np.clip(1 - (x / 0.3) ** 2, 0, None))
    shaft = np.where(np.abs(x) < 0.07, 0.6, 0) + np.where((np.abs(x) > 0.05) & (np.abs(x) < 0.07), 0.35, 0)
    profile = 0.02 + 0.45 * tissue + 0.4 * shaft
    noise = np.random.default_rng(seed).normal(0, 0.004, (height, width))
    pixels: Pixels = np.clip((profile[None] + noise) * TOP, 0, TOP).astype(np.uint16)
    return pixels


def written(pixels: Pixels, text: str, at: tuple[int, int], size: int) -> tuple[Pixels, Box]:
    """A copy with `text` in white, its baseline beginning at row and column `at`; letters `size` pixels high."""
    face, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(1, size // 10)
    scale = cv2.getFontScaleFromHeight(face, size, thickness)
    (width, height), _ = cv2.getTextSize(text, face, scale, thickness)
    canvas = pixels.copy()
    cv2.putText(canvas, text, (at[1], at[0]), face, scale, (TOP,), thickness, cv2.LINE_AA)
    return canvas, Box(at[0] - height, at[1], at[0], at[1] + width)


def covers(boxes: list[Box], text: Box) -> bool:
    """Whether at least nine tenths of a text's area lie in the boxes."""
    area = np.zeros((text.bottom - text.top, text.right - text.left), np.bool_)
    for box in boxes:
        area[
            max(0, box.top - text.top) : max(0, box.bottom - text.top),
            max(0, box.left - text.left) : max(0, box.right - text.left),
        ] = True
    return bool(area.mean() > 0.9)


@pytest.mark.parametrize("size", [14, 20, 32, 60])
@pytest.mark.parametrize("text", ["PLANTED ANNA", "1950-01-31", "ID 4711/08"])
def test_a_line_of_text_is_found_and_masked_whatever_its_size(text: str, size: int) -> None:
    pixels, place = written(leg(1600, 2000), text, (90, 20), size)

    boxes = find_text(pixels)
    masked = mask_text(pixels, boxes)

    assert covers(boxes, place)
    assert masked[place.top : place.bottom, place.left : place.right].max() < TOP // 2
    outside = np.ones(pixels.shape, np.bool_)
    outside[
        min(box.top for box in boxes) : max(box.bottom for box in boxes),
        min(box.left for box in boxes) : max(box.right for box in boxes),
    ] = False
    assert np.array_equal(masked[outside], pixels[outside])


@pytest.mark.parametrize("letter", ["L", "R"])
@pytest.mark.parametrize("is_inverted", [False, True])
def test_a_side_marker_is_masked_in_both_polarities(letter: str, is_inverted: bool) -> None:
    pixels, place = written(leg(1500, 1000), letter, (160, 60), 70)
    if is_inverted:
        pixels = np.uint16(TOP) - pixels

    boxes = find_text(pixels)
    masked = mask_text(pixels, boxes)

    assert covers(boxes, place)
    inside = masked[place.top : place.bottom, place.left : place.right].astype(float)
    assert np.ptp(inside) < 0.1 * TOP


def test_text_across_bone_sets_the_image_aside() -> None:
    pixels, _ = written(leg(1200, 900), "PLANTED ANNA", (600, 330), 40)

    with pytest.raises(SetAside) as raised:
        mask_text(pixels, find_text(pixels))

    assert raised.value.reason == "burnt-in-text"


@pytest.mark.parametrize("shape", [(300, 200), (1600, 1000), (3000, 2000)])
def test_a_leg_without_text_is_left_alone(shape: tuple[int, int]) -> None:
    assert find_text(leg(*shape)) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (33, 5)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32])
def test_odd_shapes_and_types_are_searched_too(shape: tuple[int, int], dtype: type[np.integer[Any]]) -> None:
    pixels = np.arange(shape[0] * shape[1]).reshape(shape).astype(dtype)

    assert isinstance(find_text(pixels), list)


def test_a_text_that_fills_the_image_has_no_surroundings_and_is_read() -> None:
    pixels, _ = written(leg(60, 200), "ANNA", (45, 20), 30)

    with pytest.raises(SetAside):
        mask_text(pixels, [Box(0, 0, 60, 200)])


def test_a_step_in_bone_taken_for_text_is_left_as_it_is() -> None:
    pixels = leg(1200, 900)
    pixels[600:] = np.roll(pixels[600:], 40, axis=1)

    masked = mask_text(pixels, [Box(560, 400, 640, 520)])

    assert np.array_equal(masked, pixels)


def test_one_letter_on_bone_may_stay_but_two_boxes_of_letters_set_the_image_aside() -> None:
    once, first = written(leg(1200, 900), "R", (600, 425), 60)
    twice, second = written(once, "66", (800, 425), 60)

    assert np.array_equal(mask_text(once, [first]), once)
    with pytest.raises(SetAside):
        mask_text(twice, [first, second])


@pytest.mark.slow
def test_nine_of_ten_planted_texts_are_found_in_large_images() -> None:
    rng = np.random.default_rng(0)
    found = {}
    for share in (0.006, 0.01, 0.02, 0.04):  # of the height
        hits = []
        for number in range(8):
            height, width = (int(n) for n in rng.integers(1500, 3000, 2))
            size = round(share * height)
            text = f"{rng.choice(['SMITH', 'NGUYEN', 'PLANTED'])} {rng.integers(1000, 9999)}"
            at = int(rng.integers(size + 10, height - 10)), int(rng.integers(5, max(6, width // 6)))
            pixels, place = written(leg(height, width, number), text, at, size)
            hits.append(covers(find_text(pixels), place))
        found[share] = sum(hits) / len(hits)
    sys.stdout.write(f"recall by letter height as a share of the image's: {found}\n")

    assert min(found.values()) >= 0.85


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("n_turns", range(4))
@pytest.mark.parametrize("height", [16, 30])
def test_a_name_in_letters_of_16_pixels_or_more_does_not_stay_wherever_it_lies(
    place: str, n_turns: int, height: int
) -> None:
    pixels = leg(1200, 900, n_turns)

    canvas = planted(pixels, Case("PLANTED ANNA", height, place, n_turns), np.random.default_rng(height))

    assert hides(pixels, canvas)

"""Text burnt into the pixels: found, and masked where it lies outside the anatomy.

Found by the text detector of PP-OCRv4 (differentiable binarization, Liao et al. 2020, arXiv 1911.08947), a small
convolutional network that says for each pixel how likely it is text; whatever the text says. It sees

1. the whole image at a bounded size, where names, dates and side markers are a few percent of the height, and
2. tiles at full size where many pixels jump from dark to white, as small characters do and anatomy does not.

Masked by a smooth continuation of its surroundings, and only where these are smooth themselves: air, a blocked
field, or soft tissue without an edge of bone. So a mask never hides bone. What else looks like text is read
(`read_text.py`): a step in a broken bone looks like text too, but nothing can be read there. It is left as it is
if it reads as nothing or as one letter, which may name the side but nobody's name; more sets the image aside.
Whatever a header says about burnt-in text is not asked: it is often wrong.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from scipy import ndimage

from osteon.errors import SetAside
from osteon_ingest.read_text import network, read_text
from osteon_ingest.resized import resized

__all__ = ["Box", "find_text", "mask_text"]

Stored = npt.NDArray[np.integer[Any]]
Gray = npt.NDArray[np.uint8]

DETECTOR = "ch_PP-OCRv4_det_infer.onnx"
STRIDE = 32  # the network halves its input five times
OVERVIEW_PIXELS = 640  # the longer side; characters of 1/80 of it are still found, and it takes a few 10 ms
TILE_PIXELS = 512
MAX_TILES = 4  # bounds the time; more places with jumps than that are seen at half size
JUMP = 90  # of 255, between neighbours two pixels apart
CELL_PIXELS = 16
JUMPS_A_CELL = 0.15  # of its pixels; a straight edge (blades, a plate) fills at most 2 of 16 columns
IS_TEXT = 0.3  # pixel probability, as the detector was trained with
IS_BOX = 0.5  # mean probability over a box; as published
GROW = 0.5  # of a box's height, since the network is trained to find shrunken boxes
SMOOTH = 0.06  # of the image's range: noise and marbling of soft tissue stay below, the edge of a cortex above
N_TERMS = 6
IS_LEGIBLE = 2  # letters and digits that can be read in one image and not be masked
LARGEST = 0.12  # of the image's shorter side; markers stay below a tenth, and ribs look like larger letters


@dataclass(frozen=True)
class Box:
    """Where text lies, in pixels of the image: rows top to bottom, columns left to right, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int


def find_text(stored: Stored) -> list[Box]:
    """Boxes around text in `stored` values (y, x) of either polarity; those of one text, seen twice, overlap."""
    gray = _gray(stored)
    boxes = _detect(gray, OVERVIEW_PIXELS / max(gray.shape))
    for tile in _tiles_with_jumps(gray):
        cut = gray[tile.top : tile.bottom, tile.left : tile.right]
        boxes += [_moved(box, tile) for box in _detect(cut, TILE_PIXELS / max(cut.shape))]
    return boxes


def mask_text(stored: Stored, boxes: list[Box]) -> Stored:
    """A copy of `stored` in which each box, where no bone may lie, continues its surroundings smoothly.

    Raises SetAside("burnt-in-text") if what is left over can be read.
    """
    clean = stored.copy()
    low, high = (float(each) for each in np.percentile(stored[::4, ::4], [0.1, 99.9]))
    is_text = np.zeros(stored.shape, np.bool_)
    merged = _merged(boxes)
    for box in merged:
        is_text[_inside(box)] = True
    n_legible = 0
    for box in merged:
        surface, spread = _smooth_surface(stored, is_text, box)
        if spread <= SMOOTH * max(high - low, 1.0):
            clean[_inside(box)] = surface.astype(stored.dtype)
        else:
            lines = {box, *(one for one in boxes if _touch(one, box))}
            n_legible += max(len(read_text(stored[_inside(line)])) for line in lines)
    if n_legible >= IS_LEGIBLE:
        raise SetAside("burnt-in-text")
    return clean


def _smooth_surface(stored: Stored, is_text: npt.NDArray[np.bool_], box: Box) -> tuple[npt.NDArray[np.float64], float]:
    """The quadratic surface through the frame around a box, over the box, and how far the frame strays from it.

    The frame is a third as wide as the box's smaller side; pixels of other boxes don't count. The second value
    is the distance between the 5th and the 95th percentile of the residuals, in stored values.
    """
    width = max(4, min(box.bottom - box.top, box.right - box.left) // 3)
    top, left = max(0, box.top - width), max(0, box.left - width)
    frame = np.s_[top : box.bottom + width, left : box.right + width]
    y, x = np.nonzero(~is_text[frame])
    if y.size < 2 * N_TERMS:
        return np.empty(0), float("inf")
    step = max(1, y.size // 4000)
    y, x = y[::step], x[::step]
    scale = float(max(stored[frame].shape))
    values = stored[frame][y, x].astype(np.float64)
    terms, *_ = np.linalg.lstsq(_quadratic(y / scale, x / scale), values, rcond=None)
    below, above = np.percentile(values - _quadratic(y / scale, x / scale) @ terms, [5, 95])
    inside_y, inside_x = np.mgrid[box.top - top : box.bottom - top, box.left - left : box.right - left] / scale
    surface = _quadratic(inside_y.ravel(), inside_x.ravel()) @ terms
    return np.clip(np.rint(surface), values.min(), values.max()).reshape(inside_y.shape), float(above - below)


def _quadratic(y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The terms of a quadratic surface at each place: (places, 6)."""
    return np.stack([np.ones_like(y), y, x, y * y, x * y, x * x], axis=1)


def _gray(stored: Stored) -> Gray:
    """`stored` as 0 to 255, its rarest extremes clipped: burnt-in text is often far brighter than the rest."""
    low, high = np.percentile(stored[::4, ::4], [0.5, 99.8])
    scale = 255.0 / max(float(high) - float(low), 1.0)
    if stored.dtype.itemsize <= 2:  # a table of all values is faster than arithmetic on millions of pixels
        limits = np.iinfo(stored.dtype)
        values = np.arange(limits.min, limits.max + 1, dtype=np.float64)
        table = np.clip((values - low) * scale, 0, 255).astype(np.uint8)
        index = stored if limits.min == 0 else stored.astype(np.int32) - limits.min
        gray: Gray = table[index]
        return gray
    clipped: Gray = np.clip((stored - low) * scale, 0, 255).astype(np.uint8)
    return clipped


def _tiles_with_jumps(gray: Gray) -> list[Box]:
    """Squares of the full-size image in which something as sharp as small characters lies, the sharpest first."""
    height, width = (n // CELL_PIXELS for n in gray.shape)
    if not height or not width:
        return []
    left, right = gray[:, :-2], gray[:, 2:]
    jumps = np.maximum(left, right) - np.minimum(left, right) > JUMP
    share = np.asarray(Picture.fromarray(jumps * np.uint8(255)).reduce(CELL_PIXELS))[:height, :width]
    found = np.argwhere(share > JUMPS_A_CELL * 255) * CELL_PIXELS
    places, n_cells = np.unique(found // TILE_PIXELS, axis=0, return_counts=True)
    step = 1 if len(places) <= MAX_TILES else 2
    if step == 2:
        places, n_cells = np.unique(found // (2 * TILE_PIXELS), axis=0, return_counts=True)
    sharpest = places[np.argsort(-n_cells, kind="stable")][:MAX_TILES] * TILE_PIXELS * step
    return [_tile(gray, int(top), int(left), TILE_PIXELS * step) for top, left in sharpest]


def _tile(gray: Gray, top: int, left: int, size: int) -> Box:
    """A square with a margin, so that a word on its edge is seen whole, within the image."""
    margin = size // 8
    return Box(
        max(0, top - margin),
        max(0, left - margin),
        min(gray.shape[0], top + size + margin),
        min(gray.shape[1], left + size + margin),
    )


def _detect(gray: Gray, factor: float) -> list[Box]:
    """Boxes around text, looked for at `factor` times the size (never enlarged beyond twice)."""
    factor = min(factor, 2.0)
    height, width = (max(STRIDE, round(n * factor / STRIDE) * STRIDE) for n in gray.shape)
    scaled = resized(gray, height, width).astype(np.float32) / np.float32(127.5) - np.float32(1)
    batch = np.repeat(scaled[np.newaxis, np.newaxis], 3, axis=1)  # (1, 3, height, width)
    probability = network(DETECTOR).run(None, {"x": batch})[0][0, 0]
    scale = gray.shape[0] / height, gray.shape[1] / width
    return [_grown(box, scale, gray.shape) for box in _regions(probability)]


def _regions(probability: npt.NDArray[np.float32]) -> list[Box]:
    """Boxes around the connected regions of probable text, in the network's pixels."""
    labels, _ = ndimage.label(probability > IS_TEXT, structure=np.ones((3, 3)))  # diagonal neighbours touch
    boxes = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        box = Box(rows.start, columns.start, rows.stop, columns.stop)
        if not 3 <= min(box.bottom - box.top, box.right - box.left) <= LARGEST * min(probability.shape):
            continue
        if float(probability[_inside(box)][labels[_inside(box)] == number].mean()) >= IS_BOX:
            boxes.append(box)
    return boxes


def _grown(box: Box, scale: tuple[float, float], shape: tuple[int, ...]) -> Box:
    """The box of a shrunken region, in pixels of the image."""
    by = GROW * min(box.bottom - box.top, box.right - box.left) + 2
    return Box(
        max(0, int((box.top - by) * scale[0])),
        max(0, int((box.left - by) * scale[1])),
        min(shape[0], int((box.bottom + by) * scale[0]) + 1),
        min(shape[1], int((box.right + by) * scale[1]) + 1),
    )


def _merged(boxes: list[Box]) -> list[Box]:
    """Boxes that touch, as one box around them: else one would be judged by pixels of the other."""
    merged: list[Box] = []
    for box in boxes:
        apart = [one for one in merged if not _touch(one, box)]
        while len(apart) < len(merged):
            touching = [box, *(one for one in merged if _touch(one, box))]
            box = Box(
                min(one.top for one in touching),
                min(one.left for one in touching),
                max(one.bottom for one in touching),
                max(one.right for one in touching),
            )
            merged, apart = apart, [one for one in apart if not _touch(one, box)]
        merged.append(box)
    return merged


def _inside(box: Box) -> tuple[slice, slice]:
    return slice(box.top, box.bottom), slice(box.left, box.right)


def _touch(one: Box, other: Box) -> bool:
    return one.top <= other.bottom and other.top <= one.bottom and one.left <= other.right and other.left <= one.right


def _moved(box: Box, tile: Box) -> Box:
    return Box(box.top + tile.top, box.left + tile.left, box.bottom + tile.top, box.right + tile.left)

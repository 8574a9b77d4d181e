"""Reads a line of text whichever way it lies: tells burnt-in text from anatomy that only looks like it.

By the recognizer of PP-OCRv4 (SVTR, Du et al. 2022, arXiv 2205.00159), a small network that says for each narrow
column of a line which of 6623 characters, Latin and Chinese, it shows and how likely. Lead letters laid on the wrong
way round show mirrored, so each line is read mirrored too.
"""

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from osteon.errors import Fatal
from osteon_ingest.resized import resized

__all__ = ["network", "read_text"]

Stored = npt.NDArray[np.integer[Any]]
Line = npt.NDArray[np.float32]

PACKAGE = "rapidocr_onnxruntime"
RECOGNIZER = "ch_PP-OCRv4_rec_infer.onnx"
LINE_PIXELS = 48  # the height of the lines that the network was trained with
SHORTEST, LONGEST = 320, 1600  # pixels along a line; shorter ones are padded, as in training
OBLONG = 1.5  # a cut this much longer than wide shows a line along its longer side
IS_CHARACTER = 0.5  # probability; single letters of legible text exceed it, and bone rarely reaches it twice


def read_text(stored: Stored) -> str:
    """The letters and digits on a cut of one line (y, x), lying as it shows most of them; "" if it shows none.

    Either polarity, any contrast, turned by a multiple of 90 degrees, mirrored or not. A thing that looks the same both
    ways may come out as another letter: good for telling how much can be read, not for what it says.
    """
    low, high = np.percentile(stored, [0.5, 99.5])
    scaled = np.clip((stored - low) * (2 / max(float(high) - float(low), 1.0)) - 1, -1, 1).astype(np.float32)
    return max((_read(line) for line in _ways(scaled)), key=len)


@cache
def network(model: str) -> onnxruntime.InferenceSession:
    """A network of the package, on one thread: images are worked side by side. Sessions may be run by many threads."""
    spec = find_spec(PACKAGE)  # the package itself is not imported: it wants a library with a screen
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise Fatal(
            f"the package {PACKAGE} with the text detector is missing; install osteon-ingest with what it needs"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    path = Path(folders[0]) / "models" / model
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _ways(cut: Line) -> Iterator[Line]:
    """The cut in each way in which a line on it may run from left to right."""
    height, width = cut.shape
    turns = (0, 2) if width >= OBLONG * height else (1, 3) if height >= OBLONG * width else (0, 1, 2, 3)
    for turn in turns:
        line = np.rot90(cut, turn)
        yield np.ascontiguousarray(line)
        yield np.ascontiguousarray(line[:, ::-1])


def _read(line: Line) -> str:
    """The letters and digits on a line that runs from left to right."""
    width = min(LONGEST, max(1, round(LINE_PIXELS * line.shape[1] / line.shape[0])))
    small = np.pad(resized(line, LINE_PIXELS, width), ((0, 0), (0, max(0, SHORTEST - width))))
    batch = np.repeat(small[np.newaxis, np.newaxis], 3, axis=1)  # (1, 3, height, width)
    probability = network(RECOGNIZER).run(None, {"x": batch})[0][0]  # (column, character)
    best = [0, *probability.argmax(axis=1)]  # 0: nothing, or still the same character
    is_sure = probability.max(axis=1) >= IS_CHARACTER
    read = (
        _characters()[now]
        for (before, now), sure in zip(pairwise(best), is_sure, strict=True)
        if sure and now not in (0, before)
    )
    return "".join(character for character in read if character.isalnum())


@cache
def _characters() -> list[str]:
    """What each class of the network stands for; the first is nothing, the last a space."""
    return ["", *network(RECOGNIZER).get_modelmeta().custom_metadata_map["character"].splitlines(), " "]

"""The limit: bare ONNX Runtime with the same models on the same cores."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from osteon.release.card import Card

__all__ = ["Bare", "bare"]


@dataclass(frozen=True)
class Bare:
    """What the models cost alone: images/s with all cores busy, s of one image, processor s of one image."""

    images_per_s: float
    latency_s: float
    cpu_s: float


def bare(harmonizer: Path, classifier: Path, images: npt.NDArray[np.float32]) -> Bare:
    """Harmonize and classify `images` (N, 1, H, W) one after the other, and in batches of 8; the faster counts."""
    one, many = _timed(harmonizer, classifier, images, 1), _timed(harmonizer, classifier, images, 8)
    best = max(one, many, key=lambda timed: timed.images_per_s)
    return Bare(best.images_per_s, one.latency_s, best.cpu_s)


def _timed(harmonizer: Path, classifier: Path, images: npt.NDArray[np.float32], n_batch: int) -> Bare:
    models = [
        (_card(folder), onnxruntime.InferenceSession(folder / "model.onnx")) for folder in (harmonizer, classifier)
    ]
    _infer(models, images[:n_batch])  # the first call allocates
    began, cpu_began = time.perf_counter(), time.process_time()
    latencies = []
    for start in range(0, len(images), n_batch):
        at = time.perf_counter()
        _infer(models, images[start : start + n_batch])
        latencies.append(time.perf_counter() - at)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return Bare(len(images) / took, float(np.median(latencies)), cpu / len(images))


def _infer(models: list[tuple[Card, onnxruntime.InferenceSession]], batch: npt.NDArray[np.float32]) -> None:
    for card, session in models:
        (batch,) = session.run([card.outputs[0].name], {card.inputs[0].name: batch})


def _card(folder: Path) -> Card:
    return Card.from_json((folder / "card.json").read_text())

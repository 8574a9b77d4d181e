"""Images/s and idle latency with models of real size, against bare ONNX Runtime with the same models and cores."""

import statistics
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime

from bench.models import Models, real
from bench.place import Place
from bench.row import Row, against
from osteon.imaging.dicom import read_image
from osteon.imaging.geometry import to_reference
from osteon.release.repository import Folder

__all__ = ["idle_latency", "real_models"]

N_TIMED = 16
BATCHES = (1, 8)

Batch = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Bare:
    """What the models cost alone: images/s with all cores busy, s of one image."""

    images_per_s: float
    latency_s: float


def real_models(place: Place) -> list[Row]:
    """From DICOM to result; the baseline is the mean of before and after, since others may use the machine, too."""
    models = place.models(real)
    before = _bare(place, models)
    place.release(models)
    place.throughput(place.radiographs(place.size.n_warm))
    per_s = place.throughput(place.radiographs(place.size.n_images))
    bare_per_s = (before.images_per_s + _bare(place, models).images_per_s) / 2
    return [against(bare_per_s, "DICOM to result, models of real size", per_s, "images/s", aim=0.85)]


def idle_latency(place: Place) -> list[Row]:
    """One image after the other, each sent when the one before has its result."""
    models = place.models(real)
    bare = _bare(place, models)
    place.release(models)
    place.throughput(place.radiographs(place.size.n_warm))
    took_s = statistics.median(place.latencies_s(place.radiographs(place.size.n_idle)))
    return [against(bare.latency_s, "latency of one image, idle, p50", took_s, "s", aim=1.5, better="lower")]


def _bare(place: Place, models: Models) -> Bare:
    """One image at a time, and in batches; for images/s the faster counts."""
    geometry = models.harmonizer.card.geometry
    read = [to_reference(read_image(path.read_bytes()), geometry).pixels for path in place.radiographs(2)]
    images: Batch = np.stack(read * (N_TIMED // 2))[:, None]
    timed = [_timed(models, images, n_batch) for n_batch in BATCHES]
    return Bare(max(one.images_per_s for one in timed), timed[0].latency_s)


def _timed(models: Models, images: Batch, n_batch: int) -> Bare:
    sessions = [_session(folder) for folder in (models.harmonizer, models.classifier)]
    _infer(sessions, images[:n_batch])  # the first call allocates
    began = time.perf_counter()
    latencies = []
    for start in range(0, len(images), n_batch):
        at = time.perf_counter()
        _infer(sessions, images[start : start + n_batch])
        latencies.append(time.perf_counter() - at)
    return Bare(len(images) / (time.perf_counter() - began), statistics.median(latencies))


def _session(folder: Folder) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(folder.onnx, providers=["CPUExecutionProvider"])


def _infer(sessions: list[onnxruntime.InferenceSession], batch: Batch) -> None:
    for session in sessions:
        (batch,) = session.run(None, {session.get_inputs()[0].name: batch})

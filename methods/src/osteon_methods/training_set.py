"""Digital patients → arrays at the reference geometry, by the very code that serves.

Rendering costs more than training, so that the arrays are kept on disk, under a name that follows from what made them:
the cases, and the code that decides what they look like.
"""

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from osteon.imaging import geometry, grayscale
from osteon.imaging.dicom import read_image
from osteon.imaging.geometry import Geometry, to_reference
from osteon.phantom import seeds
from osteon.phantom.shaft import femur, fracture, projection, radiograph, scanner, xray
from osteon.phantom.shaft.radiograph import Case, femur_radiograph
from osteon.phantom.shaft.scanner import SITES

__all__ = ["Ask", "Rendered", "cases_digest", "default_cache", "draw_cases", "render"]

# Coarser than any site's own pixels, and finer than the reference grid: a training image takes a tenth of a second.
PITCH_MM = 0.4
RECIPE = (seeds, femur, fracture, projection, xray, scanner, radiograph, grayscale, geometry)


@dataclass(frozen=True)
class Ask:
    """An image to render: which case, and at which of the six sites."""

    case: Case
    site: int


@dataclass(frozen=True)
class Rendered:
    """`images` float16 (case, rows, columns), each scaled to [0, 1] by its own ends, which no method may rely on;
    `is_atypical`, `patient` and `site` (case,) belong to them."""

    images: npt.NDArray[np.float16]
    is_atypical: npt.NDArray[np.bool_]
    patient: npt.NDArray[np.int64]
    site: npt.NDArray[np.int64]


def draw_cases(seed: int, purpose: str, n_patients: int) -> tuple[Ask, ...]:
    """One image of each patient, half of them atypical; patients are spread evenly over the sites."""
    return tuple(
        Ask(
            Case(seed, purpose, number, "atypical" if (number // len(SITES)) % 2 == 0 else "typical"),
            number % len(SITES),
        )
        for number in range(n_patients)
    )


def cases_digest(asks: tuple[Ask, ...]) -> str:
    """SHA-256 over the table of cases: what a card's cohort names."""
    return hashlib.sha256(json.dumps([asdict(ask) for ask in asks], sort_keys=True).encode()).hexdigest()


def default_cache() -> Path:
    """Where rendered images are kept between runs; safe to delete."""
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "osteon" / "training-sets"


def render(
    asks: tuple[Ask, ...], cache: Path, *, n_processes: int = 2, progress: Callable[[int, int], None] | None = None
) -> Rendered:
    """The images of the cases in their order, from `cache` if they were rendered before.

    `progress` is called with (images done, images in all).
    """
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{cases_digest(asks)[:16]}-{_recipe_digest()[:16]}.npy"
    if not path.exists():
        images = []
        with ProcessPoolExecutor(n_processes, multiprocessing.get_context("forkserver")) as pool:
            for image in pool.map(_reference_image, asks, chunksize=8):
                images.append(image)
                if progress is not None:
                    progress(len(images), len(asks))
        partial = path.with_suffix(".partial.npy")
        np.save(partial, np.stack(images))
        partial.rename(path)
    return Rendered(
        images=np.load(path),
        is_atypical=np.array([ask.case.label == "atypical" for ask in asks]),
        patient=np.array([ask.case.patient for ask in asks], dtype=np.int64),
        site=np.array([ask.site for ask in asks], dtype=np.int64),
    )


def _reference_image(ask: Ask) -> npt.NDArray[np.float16]:
    """One image as the harmonizer gets it, but for its units: float16 holds them only between 0 and 1."""
    dataset = femur_radiograph(ask.case, SITES[ask.site], pitch_mm=PITCH_MM)
    pixels = to_reference(read_image(dataset), Geometry()).pixels
    low, high = float(pixels.min()), float(pixels.max())
    return ((pixels - low) / (high - low)).astype(np.float16)


def _recipe_digest() -> str:
    """SHA-256 over the source code that decides what an image looks like."""
    digest = hashlib.sha256(str(PITCH_MM).encode())
    for module in RECIPE:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()

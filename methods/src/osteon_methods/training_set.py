"""Digital patients → arrays at the reference geometry, by the very code that serves."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from osteon.imaging.dicom import read_image
from osteon.imaging.geometry import Geometry, place_in_reference, to_reference
from osteon.imaging.image import Image
from osteon.phantom.plan import Plan, Row
from osteon.phantom.presets import Preset
from osteon.phantom.render import first_sites, planned_sites, render
from osteon.phantom.specimen import DEMO_SITES
from osteon_methods.kept import kept

__all__ = ["Rendered", "plan_for", "rendered"]

# Coarser than most detectors, and finer than the reference grid: a training image takes a tenth of a second.
PITCH_MM = 0.4
BLOCK = 24


@dataclass(frozen=True)
class Rendered:
    """`images` float16 (row, rows, columns), each scaled to [0, 1] by its own ends, which no method may rely on;
    `is_atypical`, `patient` and `site` (row,) belong to them, and `place` (row, 2): the row and column of the
    fracture's middle in pixels, NaN where the image does not show it."""

    images: npt.NDArray[np.float16]
    is_atypical: npt.NDArray[np.bool_]
    patient: npt.NDArray[np.int64]
    site: npt.NDArray[np.str_]
    place: npt.NDArray[np.float32]


def plan_for(purpose: str, seed: int, n_patients: int) -> tuple[Row, ...]:
    """Images of `n_patients`, a multiple of 24: two a patient on average, the first from the front, the second from the
    side.

    Half of the patients have an atypical fracture, a sixth of these an incomplete one; the others have a typical one.
    Each of the sites of the demonstration is as likely for a patient as the others.
    """
    sites = tuple(replace(site, share=1.0) for site in planned_sites(first_sites(DEMO_SITES)))
    labels = {"AFF_complete": 10, "AFF_incomplete": 2, "typical_fracture": 12}
    preset = Preset("demonstration", purpose, purpose, labels, n_images=2 * BLOCK, block=BLOCK)  # type: ignore[arg-type]
    return tuple(Plan(preset, sites, seed, n_patients))


def rendered(
    rows: tuple[Row, ...], cache: Path, *, n_processes: int = 2, progress: Callable[[int, int], None] | None = None
) -> Rendered:
    """The images of the rows in their order, from `cache` if they were rendered before.

    `progress` is called with (images done, images in all).
    """
    images, place = kept(rows, _reference_image, cache, n_processes=n_processes, progress=progress)
    return Rendered(
        images=images,
        is_atypical=np.array([row.label.startswith("AFF") for row in rows]),
        patient=np.array([row.patient for row in rows], dtype=np.int64),
        site=np.array([row.site for row in rows]),
        place=place,
    )


def _reference_image(row: Row) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]:
    """One image as the harmonizer gets it, but for its units: float16 holds them only between 0 and 1; and the place
    of its fracture."""
    made = render(row, "native", pitch_mm=PITCH_MM)
    image = read_image(made.dataset)
    pixels = to_reference(image, Geometry()).pixels
    low, high = float(pixels.min()), float(pixels.max())
    return ((pixels - low) / (high - low)).astype(np.float16), np.array(_place(image, made.truth.fracture), np.float32)


def _place(image: Image, fracture: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """The middle of a mask over the image's field, in pixels of the reference geometry."""
    if not fracture.any():
        return np.nan, np.nan
    middle = [float(where.mean() + 0.5) / n for where, n in zip(fracture.nonzero(), fracture.shape, strict=True)]
    row, column = place_in_reference(image, Geometry(), (middle[0] * image.size_mm[0], middle[1] * image.size_mm[1]))
    is_inside = 0 <= row < Geometry().rows and 0 <= column < Geometry().columns
    return (row, column) if is_inside else (np.nan, np.nan)

"""How near a folder of digital radiographs comes to real ones, beside how far real collections are from each other.

Pictures on the web were cut, resized and compressed, each differently; so only measures are used that bear this, after
all were brought to one size and their own range of gray. What differs because the bodies differ (a hand is no femur)
is in the distance too: it is a distance between collections, not between techniques.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from scipy.ndimage import gaussian_filter, sobel
from scipy.stats import ks_2samp

from osteon.errors import SetAside
from osteon.imaging.dicom import read_dataset, read_image

__all__ = [
    "MEASURES",
    "Collection",
    "Likeness",
    "bearing",
    "compare",
    "files_of",
    "measured",
    "measures_of",
    "read_gray",
]

FloatArray = npt.NDArray[np.float64]

SIZE = 320  # pixels on the longer side: JPEG's 8 by 8 blocks and the resizing of most pictures lie below one of these
MEASURES = (
    "spectrum slope",
    "spectrum curvature",
    "gray 10 %",
    "gray 25 %",
    "gray 50 %",
    "gray 75 %",
    "gray 90 %",
    "gradient 50 %",
    "gradient 90 %",
    "gradient 99 %",
    "local contrast",
    "local contrast spread",
    "edge density",
    "black share",
)
SUFFIXES = (".dcm", ".png", ".jpg", ".jpeg", ".tif", ".tiff", "")


@dataclass(frozen=True)
class Collection:
    """A named set of images by their measures, axes (image, measure)."""

    name: str
    measures: FloatArray
    pictures: tuple[npt.NDArray[np.float32], ...] = ()


@dataclass(frozen=True)
class Likeness:
    """Two collections compared. Distances are those of Kolmogorov and Smirnov, 0 (alike) to 1 (apart), a measure each;
    `rest` is the distance of the real collections from each other, averaged over their pairs, and `rest_worst` the
    largest of them."""

    names: tuple[str, ...]
    distance: FloatArray
    rest: FloatArray
    rest_worst: FloatArray

    @property
    def off(self) -> tuple[str, ...]:
        """The measures by which the digital images lie further from the real ones than any two real collections."""
        return tuple(
            name for name, own, worst in zip(self.names, self.distance, self.rest_worst, strict=True) if own > worst
        )


def compare(digital: Collection, real: Sequence[Collection]) -> Likeness:
    """The digital collection against the nearest kind of real one, which comes first in `real`; the others are the
    yardstick. Raises ValueError for fewer than two real collections: without a yardstick a distance says nothing."""
    if len(real) < 2:
        raise ValueError("a likeness needs two real collections or more: give several folders, or one with subfolders")
    n_measures = digital.measures.shape[1]
    pairs = [(a, b) for n, a in enumerate(real) for b in real[:n]]
    between = np.array([[_distance(a.measures[:, m], b.measures[:, m]) for m in range(n_measures)] for a, b in pairs])
    distance = np.array([_distance(digital.measures[:, m], real[0].measures[:, m]) for m in range(n_measures)])
    return Likeness(MEASURES, distance, between.mean(axis=0), between.max(axis=0))


def files_of(place: Path) -> list[Path]:
    """The images below a folder, in the order of their names; or the paths that a text file lists, one a line, which
    are relative to it. Raises ValueError where there is neither."""
    if place.is_dir():
        return sorted(path for path in place.rglob("*") if path.is_file() and path.suffix.lower() in SUFFIXES)
    if place.suffix == ".txt" and place.is_file():
        return [place.parent / line.strip() for line in place.read_text().splitlines() if line.strip()]
    raise ValueError(f"{place} is neither a folder nor a list of paths (.txt)")


def measured(
    name: str, paths: Sequence[Path], *, n_pictures: int = 12, progress: Callable[[], None] | None = None
) -> Collection:
    """The collection of the images among `paths`; what can't be read as an image is left out."""
    rows: list[FloatArray] = []
    pictures: list[npt.NDArray[np.float32]] = []
    for path in paths:
        gray = read_gray(path)
        if progress is not None:
            progress()
        if gray is None:
            continue
        rows.append(measures_of(gray))
        if len(pictures) < n_pictures:
            pictures.append(gray)
    if len(rows) < 5:
        raise ValueError(f"{name}: {len(rows)} of {len(paths)} files are images; a likeness needs five or more")
    return Collection(name, np.array(rows), tuple(pictures))


def read_gray(path: Path) -> npt.NDArray[np.float32] | None:
    """The image in `SIZE` pixels, bone bright, its gray from 0 to 1 by its own 1st and 99th percentile, or None."""
    try:
        if path.suffix.lower() in (".dcm", ""):
            gray = read_image(read_dataset(path.read_bytes())).pixels
        else:
            with Picture.open(path) as picture:
                gray = np.asarray(picture.convert("L"), dtype=np.float32)
    except (OSError, SetAside, ValueError):
        return None
    if gray.ndim != 2 or min(gray.shape) < 64:
        return None
    scale = SIZE / max(gray.shape)
    shape = tuple(max(32, round(n * scale)) for n in gray.shape)
    smaller = Picture.fromarray(np.ascontiguousarray(gray, dtype=np.float32)).resize(
        (shape[1], shape[0]), Picture.Resampling.BOX
    )
    gray = np.asarray(smaller, dtype=np.float32)
    low, high = np.percentile(gray, [1, 99])
    return None if high <= low else np.clip((gray - low) / (high - low), 0, 1)


def measures_of(gray: npt.NDArray[np.float32]) -> FloatArray:
    """One number for each of `MEASURES`, of an image as `read_gray` gives it.

    The power spectrum's slope and curvature are those of its logarithm over that of frequency, from 1/64 to 1/4 per
    pixel; the body (gray over 0.05) gives quantiles of gray, of the gradient, of the standard deviation within some 8
    pixels, and its spread; an edge is a gradient over 0.1 a pixel. Finer detail, and how much is white,
    were tried too and do not bear compression (`bearing`).
    """
    body = gray > 0.05
    body = body if body.mean() > 0.05 else np.ones_like(body)
    slope, curvature = _spectrum(gray)
    gradient = np.hypot(sobel(gray, 0), sobel(gray, 1))[body] / 8
    mean, square = gaussian_filter(gray, 3), gaussian_filter(gray * gray, 3)
    contrast = np.sqrt(np.clip(square - mean * mean, 0, None))[body]
    return np.array(
        [
            slope,
            curvature,
            *np.percentile(gray[body], [10, 25, 50, 75, 90]),
            *np.percentile(gradient, [50, 90, 99]),
            contrast.mean(),
            contrast.std() / max(float(contrast.mean()), 1e-6),
            float((gradient > 0.1).mean()),
            float((gray < 0.03).mean()),
        ]
    )


def bearing(paths: Sequence[Path], *, quality: int = 75, factor: float = 0.7) -> FloatArray:
    """How far compressing by JPEG and resizing move each measure, as a Kolmogorov-Smirnov distance: what a measure
    must bear to be used."""
    before, after = [], []
    for path in paths:
        gray = read_gray(path)
        if gray is None:
            continue
        picture = Picture.fromarray((gray * 255).astype(np.uint8))
        picture = picture.resize((round(picture.width * factor), round(picture.height * factor)))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        again = np.asarray(Picture.open(buffer).resize((gray.shape[1], gray.shape[0])), dtype=np.float32) / 255
        before.append(measures_of(gray))
        after.append(measures_of(again))
    return np.array([_distance(a, b) for a, b in zip(np.array(before).T, np.array(after).T, strict=True)])


def _spectrum(gray: npt.NDArray[np.float32]) -> tuple[float, float]:
    rows, columns = gray.shape
    window = np.hanning(rows)[:, None] * np.hanning(columns)[None, :]
    power = np.square(np.abs(np.fft.rfft2((gray - gray.mean()) * window)))
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :])
    edges = np.geomspace(1 / 64, 1 / 4, 13)
    place = np.digitize(frequency.ravel(), edges)
    mean = np.array([power.ravel()[place == n].mean() for n in range(1, 13)])
    octave = np.log2(np.sqrt(edges[:-1] * edges[1:]) * 16)
    curvature, slope, _ = np.polyfit(octave, np.log2(mean + 1e-12), 2)
    return float(slope), float(curvature)


def _distance(one: FloatArray, other: FloatArray) -> float:
    """Kolmogorov and Smirnov: the largest difference of the two cumulative shares."""
    return float(ks_2samp(one, other, method="asymp").statistic)

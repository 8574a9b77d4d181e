"""The likeness of digital and real radiographs as a page with two figures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from osteon.phantom.likeness import MEASURES, Collection, Likeness

__all__ = ["write_report"]

TILE = 200  # pixels of a picture on the sheet
PER_ROW = 8


def write_report(folder: Path, found: Likeness, digital: Collection, real: Sequence[Collection]) -> Path:
    """Writes likeness.md, measures.png and pictures.png to a folder; gives the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    _draw_measures(folder / "measures.png", digital, real)
    _draw_pictures(folder / "pictures.png", [real[0], digital])
    page = folder / "likeness.md"
    page.write_text(_page(found, digital, real))
    return page


def _page(found: Likeness, digital: Collection, real: Sequence[Collection]) -> str:
    counts = ", ".join(f"{one.name} ({len(one.measures)})" for one in real)
    lines = [
        "# Likeness",
        "",
        f"{len(digital.measures)} digital radiographs against {real[0].name}; real collections: {counts}.",
        "Distances are those of Kolmogorov and Smirnov: 0 is alike, 1 is apart. The last two columns are those",
        "of the real collections from each other.",
        "",
        f"| measure | digital to {real[0].name} | real to real, mean | real to real, largest | |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for name, own, mean, worst in zip(found.names, found.distance, found.rest, found.rest_worst, strict=True):
        verdict = "**off**" if own > worst else ("far" if own > mean else "")
        lines.append(f"| {name} | {own:.2f} | {mean:.2f} | {worst:.2f} | {verdict} |")
    lines += ["", f"Off: {', '.join(found.off) or 'nothing'}.", "", *_directions(found, digital, real[0])]
    lines += [
        "",
        "![measures](measures.png)",
        "",
        f"Above {real[0].name}, below digital:",
        "",
        "![pictures](pictures.png)",
    ]
    return "\n".join(lines) + "\n"


def _directions(found: Likeness, digital: Collection, real: Collection) -> list[str]:
    """Which way each measure that is off lies."""
    said = []
    for name in found.off:
        place = MEASURES.index(name)
        own, other = (float(np.median(one.measures[:, place])) for one in (digital, real))
        said.append(f"- {name}: median {own:.3g} in digital images, {other:.3g} in {real.name}")
    return said


def _draw_measures(path: Path, digital: Collection, real: Sequence[Collection]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n_columns = 4
    n_rows = -(-len(MEASURES) // n_columns)
    figure = Figure(figsize=(12, 2.3 * n_rows), layout="constrained")
    FigureCanvasAgg(figure)
    for place, name in enumerate(MEASURES):
        axes = figure.add_subplot(n_rows, n_columns, place + 1)
        for one in real:
            axes.plot(*_shares(one.measures[:, place]), color="0.6" if one is not real[0] else "0.1", label=one.name)
        axes.plot(*_shares(digital.measures[:, place]), color="tab:red", label=digital.name)
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
    figure.axes[0].legend(fontsize=6)
    figure.savefig(path, dpi=110)


def _shares(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    return np.sort(values), (np.arange(values.size) + 0.5) / values.size


def _draw_pictures(path: Path, collections: Sequence[Collection]) -> None:
    """A row of pictures of each collection."""
    from PIL import Image

    sheet = np.zeros((TILE * len(collections), TILE * PER_ROW), dtype=np.uint8)
    for row, one in enumerate(collections):
        for column, gray in enumerate(one.pictures[:: max(1, len(one.pictures) // PER_ROW)][:PER_ROW]):
            picture = Image.fromarray((gray * 255).astype(np.uint8))
            picture.thumbnail((TILE - 4, TILE - 4))
            y, x = row * TILE + 2, column * TILE + 2
            sheet[y : y + picture.height, x : x + picture.width] = np.asarray(picture)
    Image.fromarray(sheet).save(path)

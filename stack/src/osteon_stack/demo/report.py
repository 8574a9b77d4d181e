"""Writes `report.html`: every image of a demonstration, original beside harmonized, and what came out."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture

from osteon.contracts import ObjectRef
from osteon.errors import OsteonError
from osteon.imaging.dicom import read_image
from osteon.store import Store

__all__ = ["Row", "write_report"]

PICTURE_HEIGHT = 360  # pixels on the page; four rows of images fit a screen


@dataclass(frozen=True)
class Row:
    """One file that was sent, and its outcome. Times in s; `probability` from 0 to 1 or None.

    `original` and `harmonized` are its de-identified DICOM objects, where there are any.
    """

    name: str
    site: str
    door: str
    state: str
    reason: str = ""
    explanation: str = ""
    probability: float | None = None
    seconds: float | None = None
    expected: str = ""
    image_id: str = ""
    original: ObjectRef | None = None
    harmonized: ObjectRef | None = None

    @property
    def is_as_expected(self) -> bool:
        """True also where nothing was expected in particular, as long as there is an outcome."""
        outcome = f"{self.state}:{self.reason}" if self.state == "set-aside" else self.state
        return outcome == self.expected if self.expected else self.state not in ("received", "overdue", "lost")


def write_report(rows: Sequence[Row], facts: Iterable[tuple[str, str]], store: Store) -> str:
    """The page as text, with pictures from `store`; complete in itself, so that it can be mailed or archived."""
    answered = [row for row in rows if row.probability is not None]
    others = [row for row in rows if row.probability is None]
    body = [
        "<h1>Osteon: what came out</h1>",
        "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts) + "</dl>",
        f"<h2>Harmonized and classified ({len(answered)})</h2>",
        '<div class="images">' + "".join(_card(row, store) for row in answered) + "</div>",
        f"<h2>Set aside, refused or seen before ({len(others)})</h2>",
        "<table><tr><th>file</th><th>site</th><th>door</th><th>outcome</th><th>why</th></tr>"
        + "".join(_line(row) for row in others)
        + "</table>",
        "<p class='note'>Demonstration models on synthetic images say nothing about patients.</p>",
    ]
    return _PAGE.replace("{{body}}", "\n".join(body))


def _card(row: Row, store: Store) -> str:
    mark = "" if row.is_as_expected else " wrong"
    seconds = f"{row.seconds:.1f} s on the way" if row.seconds is not None else ""
    return (
        f'<figure class="image{mark}"><div class="pair">{_picture(row.original, "original", store)}'
        f"{_picture(row.harmonized, 'harmonized', store)}</div>"
        f"<figcaption><b>{row.probability:.0%}</b> atypical"
        f"<div class='bar'><i style='width:{row.probability or 0:.0%}'></i></div>"
        f"{escape(row.name)} · {escape(row.site)} · {escape(row.door)} · {seconds}<br>"
        f"<code>{escape(row.image_id)}</code></figcaption></figure>"
    )


def _line(row: Row) -> str:
    mark = "" if row.is_as_expected else ' class="wrong"'
    outcome = f"{row.state} ({row.reason})" if row.reason else row.state
    cells = (row.name, row.site, row.door, outcome, row.explanation)
    return f"<tr{mark}>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _picture(ref: ObjectRef | None, caption: str, store: Store) -> str:
    if ref is None:
        return ""
    try:
        pixels = read_image(store.get(ref)).pixels
    except OsteonError as error:
        return f"<p>{escape(caption)}: {escape(str(error))}</p>"
    png = base64.b64encode(_png(pixels)).decode()
    return f'<div><img alt="{caption}" src="data:image/png;base64,{png}"><br>{caption}</div>'


def _png(pixels: npt.NDArray[np.float32]) -> bytes:
    """The pixels (y, x) between their 1st and 99.5th percentile as an 8-bit picture of bounded height."""
    step = max(1, pixels.shape[0] // (2 * PICTURE_HEIGHT))
    low, high = np.percentile(pixels[::step, ::step], (1, 99.5))
    grey = np.clip((pixels - low) / max(high - low, 1e-6), 0, 1)
    picture = Picture.fromarray((grey * 255).astype(np.uint8))
    width = max(1, round(pixels.shape[1] * PICTURE_HEIGHT / pixels.shape[0]))
    png = io.BytesIO()
    picture.resize((width, PICTURE_HEIGHT), Picture.Resampling.BOX).save(png, "PNG", optimize=True)
    return png.getvalue()


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Osteon: what came out</title>
<style>
 body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1500px; padding: 0 1rem;
        color: #e6e6e6; background: #16181c }
 h1 { font-weight: 600 } h2 { font-weight: 600; margin-top: 2.5rem }
 dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem } dt { color: #9aa0a8 } dd { margin: 0 }
 .images { display: grid; grid-template-columns: repeat(auto-fill, minmax(430px, 1fr)); gap: 1rem }
 .image { margin: 0; background: #22252b; border-radius: 8px; padding: .8rem }
 .pair { display: flex; gap: .6rem; align-items: flex-end; overflow: hidden; color: #9aa0a8; font-size: 12px }
 .pair img { height: 300px; max-width: 260px; object-fit: contain; background: #000; border-radius: 4px }
 .bar { background: #3a3e46; height: 6px; border-radius: 3px; margin: .3rem 0 }
 .bar i { display: block; height: 6px; border-radius: 3px; background: #e0a030 }
 figcaption { margin-top: .5rem; font-size: 13px } code { color: #9aa0a8; font-size: 11px }
 table { border-collapse: collapse; width: 100%; font-size: 13px }
 td, th { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #33373f; vertical-align: top }
 .wrong { outline: 2px solid #d04040 } .note { color: #9aa0a8; margin-top: 2rem }
</style>
{{body}}
</html>
"""

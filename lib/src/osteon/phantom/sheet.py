"""Contact sheets: the same patients at several sites, a row each label and view; or one patient at every site."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from osteon.phantom.patient import LABELS, Label, View
from osteon.phantom.plan import Plan, Row
from osteon.phantom.presets import PRESETS
from osteon.phantom.probe import tone_of
from osteon.phantom.render import Size, planned_sites, render
from osteon.phantom.sites import Site

__all__ = ["contact_sheet", "every_site_sheet", "sheet_rows"]

VIEWS: tuple[View, ...] = ("AP", "lateral")
GAP, HEAD, SIDE = 4, 22, 118  # pixels between pictures, above them for the site, beside them for label and view
PER_ROW = 12  # pictures of one patient


def sheet_rows(sites: Sequence[Site], seed: int = 0) -> list[list[Row]]:
    """Rows of travelling patients: for each label one patient, in both views, at each site in the same pose."""
    plan = Plan(PRESETS["travelling"], planned_sites(sites), seed, PRESETS["travelling"].block)
    found = []
    for label in LABELS:
        number = next(row.patient for row in plan if row.label == label)
        at_sites = [row for row in plan if row.patient == number and row.pose == 0]
        found += [[replace(row, view=view) for row in at_sites] for view in VIEWS]
    return found


def contact_sheet(sites: Sequence[Site], *, seed: int = 0, size: Size = "crop", width: int = 176) -> Picture.Image:
    """The sheet in greys; each picture is `width` pixels wide and shows what the site stores, bone bright."""
    rows = sheet_rows(sites, seed)
    pictures = [[_picture(row, size, width) for row in line] for line in rows]
    heights = [max(one.height for one in line) for line in pictures]
    sheet = Picture.new("L", (SIDE + len(sites) * (width + GAP), HEAD + sum(heights) + GAP * len(rows)), 255)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, site in enumerate(sites):
        draw.text((SIDE + column * (width + GAP), 4), f"{site.name} ({site.family})", fill=0, font=font)
    top = HEAD
    for line, shown, height in zip(rows, pictures, heights, strict=True):
        label = line[0].label.replace("_", "\n")
        draw.text((4, top + 6), f"{label}\n{line[0].view}", fill=0, font=font)
        for column, one in enumerate(shown):
            sheet.paste(one, (SIDE + column * (width + GAP), top))
        top += height + GAP
    return sheet


def every_site_sheet(
    sites: Sequence[Site], label: Label, *, seed: int = 0, size: Size = "crop", width: int = 96
) -> Picture.Image:
    """One patient of a label from the front, in the same pose at each site, in rows of `PER_ROW`."""
    row = sheet_rows(sites, seed)[len(VIEWS) * LABELS.index(label)]
    pictures = [_picture(one, size, width) for one in row]
    height = max(one.height for one in pictures) + HEAD
    sheet = Picture.new("L", (PER_ROW * (width + GAP), height * -(-len(pictures) // PER_ROW)), 255)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, (one, picture) in enumerate(zip(row, pictures, strict=True)):
        line, column = divmod(number, PER_ROW)
        draw.text((column * (width + GAP), line * height + 4), one.site, fill=0, font=font)
        sheet.paste(picture, (column * (width + GAP), line * height + HEAD))
    return sheet


def _picture(row: Row, size: Size, width: int) -> Picture.Image:
    tone = tone_of(render(row, size).stored)
    picture = Picture.fromarray(np.rint(tone * 255).astype(np.uint8))
    return picture.resize((width, round(width * picture.height / picture.width)), Picture.Resampling.LANCZOS)

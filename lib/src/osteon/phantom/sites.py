"""72 hospitals: long-tailed in size, each with rooms and protocols, some of which change equipment on a date."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np

from osteon.phantom.families import (
    EXPLICIT,
    FAMILIES,
    IMPLICIT,
    JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS,
    OUTSIDE,
    RLE,
    draw_scanner,
    lateral,
)
from osteon.phantom.scanner import Scanner
from osteon.phantom.seeds import generator

__all__ = ["N_SITES", "Equipment", "Room", "Site", "sites"]

N_SITES = 72

# Shares of the families among the rooms, other than the first six sites'; the one outside is on 5 sites in all.
SHARES = {"phantom-optics": 0.26, "plate": 0.24, "flat-panel": 0.22, "northlight": 0.15, "alder": 0.13}
N_OUTSIDE = 5
SIZE_SIGMA = 1.0  # of the logarithm of a site's share: the largest of 72 then has some 8 %, the smallest 0.1 %
MIXED_SHARE = 0.15  # of second and further rooms come from another family
CHANGING_SHARE = 0.25  # of the sites change one room's equipment
FIRST_CHANGE, LAST_CHANGE = date(2009, 7, 1), date(2017, 6, 30)

NAMES = (
    "birch", "cedar", "elm", "hazel", "maple", "rowan", "acacia", "aspen", "balsam", "bamboo", "banyan",
    "baobab", "beech", "bilberry", "bramble", "broom", "buckthorn", "carob", "chestnut", "clover", "cypress",
    "dogwood", "ebony", "fern", "fig", "fir", "ginkgo", "gorse", "hawthorn", "heather", "hemlock", "hickory",
    "holly", "hornbeam", "iris", "ivy", "jasmine", "juniper", "larch", "laurel", "lavender", "lilac", "lime",
    "linden", "lotus", "magnolia", "mallow", "mangrove", "medlar", "mistletoe", "mulberry", "myrtle", "nettle",
    "oak", "oleander", "olive", "osier", "pine", "plane", "poplar", "quince", "reed", "rosemary", "sage",
    "sallow", "sequoia", "sorrel", "spruce", "sumac", "teak", "thistle", "willow",
)  # fmt: skip

# What the first six write into their files, as they always did: modality, manufacturer, pitch, bits, photometric
# interpretation, transfer syntax, kV, body part.
FIRST_SIX: dict[str, tuple[str, float, int, str, str, float, str]] = {
    "birch": ("phantom-optics", 0.100, 14, "MONOCHROME2", EXPLICIT, 73, "FEMUR"),
    "cedar": ("plate", 0.200, 10, "MONOCHROME1", RLE, 66, "THIGH"),
    "elm": ("flat-panel", 0.143, 12, "MONOCHROME2", JPEG_LOSSLESS, 77, "FEMUR"),
    "hazel": ("plate", 0.250, 12, "MONOCHROME1", IMPLICIT, 64, "FEMUR"),
    "maple": ("phantom-optics", 0.160, 16, "MONOCHROME2", JPEG_2000_LOSSLESS, 75, "FEMUR"),
    "rowan": ("flat-panel", 0.125, 15, "MONOCHROME1", EXPLICIT, 70, "FEMUR"),
}


@dataclass(frozen=True)
class Equipment:
    """What stands in a room from a day on (None: from the beginning), by protocol."""

    since: date | None
    ap: Scanner
    lateral: Scanner


@dataclass(frozen=True)
class Room:
    """A room and its equipment in the order of time."""

    equipment: tuple[Equipment, ...]

    def on(self, day: date | None) -> Equipment:
        """What stood there on a day; the first equipment if no day is given."""
        there = [one for one in self.equipment if one.since is None or (day is not None and one.since <= day)]
        return there[-1]


@dataclass(frozen=True)
class Site:
    """A hospital. `share` is its part of all images; the shares of all sites sum to 1."""

    number: int
    name: str
    share: float
    rooms: tuple[Room, ...]
    body_part: str = "FEMUR"

    @property
    def family(self) -> str:
        """The family of its first room's first equipment."""
        return self.rooms[0].on(None).ap.family

    @property
    def manufacturer(self) -> str:
        """Of its first room's first equipment."""
        return self.rooms[0].on(None).ap.manufacturer

    @property
    def is_outside(self) -> bool:
        """Whether any of its rooms ever holds a scanner of the family outside the training parameters."""
        return any(one.ap.family == OUTSIDE for room in self.rooms for one in room.equipment)

    @property
    def changes(self) -> tuple[date, ...]:
        """Days on which a room's equipment is replaced."""
        return tuple(sorted(one.since for room in self.rooms for one in room.equipment if one.since is not None))

    def scanner(self, room: int = 0, on: date | None = None, view: str = "AP") -> Scanner:
        """The scanner of a room on a day, as its protocol for a view (AP or lateral) uses it."""
        there = self.rooms[room].on(on)
        return there.lateral if view == "lateral" else there.ap


@cache
def sites(seed: int = 0) -> tuple[Site, ...]:
    """All 72 sites. The first six are the same for every seed, but for their size and further rooms."""
    rng = generator(seed, "sites", 0)
    sizes = np.exp(rng.normal(0, SIZE_SIGMA, N_SITES))
    sizes /= sizes.sum()
    outside = set((6 + rng.permutation(N_SITES - 6))[:N_OUTSIDE].tolist())
    drawn = []
    for number, name in enumerate(NAMES):
        own = generator(seed, "sites", number or N_SITES)  # 0 is what all share
        family = OUTSIDE if number in outside else str(own.choice(list(SHARES), p=list(SHARES.values())))
        first = _first_six(name) if name in FIRST_SIX else draw_scanner(family, own)
        n_rooms = 1 + int(own.binomial(3, min(0.9, 20 * sizes[number])))
        body_part = FIRST_SIX[name][6] if name in FIRST_SIX else str(own.choice(["FEMUR", "THIGH"], p=[0.85, 0.15]))
        drawn.append(Site(number, name, float(sizes[number]), _rooms(first, n_rooms, number, own), body_part))
    return tuple(drawn)


def _rooms(first: Scanner, n_rooms: int, number: int, rng: np.random.Generator) -> tuple[Room, ...]:
    """A site's rooms, mostly of one family; in some sites the first gets new equipment on a day."""
    rooms = [_room(first)]
    for _ in range(n_rooms - 1):
        family = first.family if rng.random() > MIXED_SHARE else str(rng.choice(list(SHARES)))
        rooms.append(_room(draw_scanner(family, rng)))
    if rng.random() < CHANGING_SHARE and number >= len(FIRST_SIX):
        digital = [family for family in SHARES if FAMILIES[family].modality == "DX"]
        day = FIRST_CHANGE + timedelta(days=int(rng.integers((LAST_CHANGE - FIRST_CHANGE).days)))
        new = draw_scanner(str(rng.choice(digital)), rng)
        rooms[0] = Room((*rooms[0].equipment, Equipment(day, new, lateral(new))))
    return tuple(rooms)


def _room(scanner: Scanner) -> Room:
    return Room((Equipment(None, scanner, lateral(scanner)),))


def _first_six(name: str) -> Scanner:
    family, pitch_mm, bits_stored, photometric, transfer_syntax, kvp, _ = FIRST_SIX[name]
    scanner = draw_scanner(family, generator(0, "first-sites", list(FIRST_SIX).index(name)))
    written: dict[str, Any] = {
        "pitch_mm": pitch_mm,
        "bits_stored": bits_stored,
        "photometric": photometric,
        "transfer_syntax": transfer_syntax,
        "kvp": float(kvp),
        "is_crosswise": name == "maple",
        "is_annotated": False,
    }
    return replace(scanner, geometry=replace(scanner.geometry, **written))

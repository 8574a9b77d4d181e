"""The Basic Application Level Confidentiality Profile (DICOM PS3.15, Annex E), read from the standard's own table.

The table says what is done with each attribute it lists. Three of its options are used, because research on
fractures needs what they keep:

- Retain Patient Characteristics: age (90 and over become 90), sex, size and weight are risk factors.
- Retain Longitudinal Temporal Information with Modified Dates: whole days, one shift a patient.
- Clean Descriptors: of a description only words of anatomy and projection stay.

The standard lets attributes that its table does not list through. Here only those pass that `tables/kept.csv` names,
with a value of a kind that can't hold an identifier and, where it is a number, within the bounds that its meaning
sets; see `osteon_ingest.clean`.
"""

import csv
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from importlib import resources

from pydicom.datadict import dictionary_VR
from pydicom.tag import BaseTag

__all__ = ["OPTIONS", "Action", "Kept", "Row", "action_for", "codes", "kept", "names", "rows", "words"]

TABLES = resources.files("osteon_ingest") / "tables"

# CID 7050: what was done, in codes. Clean Pixel Data is claimed for each image that the text detector saw.
OPTIONS = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113101", "Clean Pixel Data Option"),
    ("113105", "Clean Descriptors Option"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
)
CALENDAR_VRS = ("DA", "DT", "TM", "SH")  # SH: Timezone Offset From UTC
TEXT_VRS = ("LO", "SH", "ST", "LT", "UT", "UC", "CS")


class Action(Enum):
    """What is done with an attribute."""

    REMOVE = auto()
    EMPTY = auto()
    DUMMY = auto()
    NEW_UID = auto()
    SHIFT = auto()  # a date, by the patient's days
    WORDS = auto()  # a text: only known words stay
    SAFE = auto()  # as it is, if a value of its kind can't identify anybody


@dataclass(frozen=True)
class Row:
    """A row of Table E.1-1; `tag` has eight hexadecimal digits, X for any. Options are "", "K" or "C"."""

    tag: str
    name: str
    basic: str
    patient_characteristics: str
    modified_dates: str
    clean_descriptors: str


@dataclass(frozen=True)
class Kept:
    """An attribute that stays though the standard's table does not list it; a number only from `low` to `high`."""

    tag: int
    keyword: str
    low: float | None
    high: float | None
    why: str


@cache
def rows() -> dict[str, Row]:
    """The standard's table by tag."""
    with (TABLES / "confidentiality.csv").open(encoding="ascii") as file:
        return {line["tag"]: Row(**line) for line in csv.DictReader(file)}


@cache
def kept() -> dict[int, Kept]:
    """What stays of what the standard's table does not list, and the bounds of the numbers that it lets stay."""
    with (TABLES / "kept.csv").open(encoding="ascii") as file:
        return {
            int(line["tag"], 16): Kept(
                int(line["tag"], 16), line["keyword"], _bound(line["low"]), _bound(line["high"]), line["why"]
            )
            for line in csv.DictReader(file)
        }


@cache
def codes() -> dict[tuple[str, str], str]:
    """(coding scheme, code value) to meaning, of the concepts that a radiograph may keep."""
    with (TABLES / "codes.csv").open(encoding="ascii") as file:
        return {(line["scheme"], line["value"]): line["meaning"] for line in csv.DictReader(file)}


@cache
def words() -> frozenset[str]:
    """The words that a kept text may hold, in upper case."""
    return frozenset((TABLES / "words.txt").read_text(encoding="ascii").split())


@cache
def names() -> frozenset[str]:
    """Those of `words` that are also family or given names."""
    return frozenset((TABLES / "names.txt").read_text(encoding="ascii").split())


@cache
def action_for(tag: int) -> Action:
    """What is done with the attribute `tag` in a dataset or an item at any depth."""
    tag = BaseTag(tag)
    if tag.group % 2 or tag.group < 0x0008 or tag.element == 0:  # private; command and file meta; group length
        return Action.REMOVE
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return Action.REMOVE
    row = _row(tag)
    if row is None:
        return Action.SAFE if tag in kept() else Action.REMOVE
    return _resolve(row, vr)


def _bound(text: str) -> float | None:
    return float(text) if text else None


def _row(tag: BaseTag) -> Row | None:
    exact = f"{tag:08X}"
    repeating = f"{exact[:2]}XX{exact[4:]}"  # overlays are groups 6000 to 601E, curves 5000 to 501E
    curve = f"{exact[:2]}XXXXXX"
    return rows().get(exact) or rows().get(repeating) or rows().get(curve)


def _resolve(row: Row, vr: str) -> Action:
    """The one action for a row: an option that is used wins over the basic profile.

    Of the alternatives that depend on an attribute's type in its IOD, the one is taken that is valid for each
    type among them: a dummy is valid everywhere, an empty value wherever the attribute may be absent.
    """
    if row.modified_dates and vr in CALENDAR_VRS:
        return Action.SHIFT
    if row.patient_characteristics == "K":
        return Action.WORDS if vr in TEXT_VRS else Action.SAFE
    if row.clean_descriptors and vr in TEXT_VRS:
        return Action.WORDS
    alternatives = row.basic.split("/")
    if "U" in alternatives or "U*" in alternatives:
        return Action.NEW_UID
    for letter, action in (("D", Action.DUMMY), ("Z", Action.EMPTY)):
        if letter in alternatives:
            return action
    return Action.REMOVE

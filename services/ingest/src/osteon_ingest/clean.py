"""Clean one value at a time: what of a DICOM value may stay, and what stands in for it.

Each function gives the new value or `DROP`. What can't be read is dropped; nothing is guessed.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from pydicom._uid_dict import UID_dictionary
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from osteon_ingest.identity import Keys, Shift, new_uid, shift_date, shift_time
from osteon_ingest.profile import kept, names, words

__all__ = [
    "DROP",
    "LUT_DATA",
    "LUT_DESCRIPTOR",
    "PIXEL_DATA",
    "cut_table",
    "dummy",
    "moved_in_time",
    "new_uids",
    "only_known_words",
    "safe",
]


class _Drop:
    """The attribute must go."""


DROP: Final = _Drop()

NUMBER = re.compile(r" *[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)? *", re.ASCII)
WHOLE_NUMBER = re.compile(r" *[-+]?\d{1,10} *", re.ASCII)
AGE = re.compile(r"(\d{3})([DWMY])", re.ASCII)
DATE_TIME = re.compile(r"(\d{8})((?:\d{2}){0,3})(?:\.\d{1,6})?([-+]\d{4})? *", re.ASCII)
ZONE = re.compile(r"(-(0\d|1[0-2])|\+(0\d|1[0-4]))(00|15|30|45) *", re.ASCII)  # PS3.3 C.12.1.1: -1200 to +1400
SHORT = re.compile(r"\d{1,2}", re.ASCII)  # how many views, and the like
OLDEST_YEARS = 90  # there are so few older people that an age would point at one (HIPAA, Safe Harbor)
BINARY_NUMBERS = ("AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV")
LUT_DESCRIPTOR = 0x00283002
LUT_DATA = 0x00283006  # with the pixels themselves, the only bulk data that may stay
PIXEL_DATA = 0x7FE00010
NAMED_UNITS = (0x00281054, 0x00283004)  # Rescale Type and Modality LUT Type: LO, but of defined terms
WORDS_OF_PEOPLE = ("LO", "LT", "PN", "SH", "ST", "UC", "UT")  # left empty: many must be there, if only empty
DUMMIES = {
    "AE": "REMOVED",
    "AS": "000Y",
    "CS": "REMOVED",
    "DA": "19000101",
    "DS": "0",
    "DT": "19000101",
    "IS": "0",
    "LO": "REMOVED",
    "LT": "REMOVED",
    "PN": "REMOVED",
    "SH": "REMOVED",
    "ST": "REMOVED",
    "TM": "000000",
    "UC": "REMOVED",
    "UT": "REMOVED",
    "FD": 0.0,
    "FL": 0.0,
    "SL": 0,
    "SS": 0,
    "UL": 0,
    "US": 0,
}


def safe(element: DataElement) -> Any:
    """The value, if one of its kind can't identify anybody: a number or a defined term.

    A text that the table does not list is emptied.
    """
    if element.tag in (PIXEL_DATA, LUT_DATA):
        return element.value
    if element.VR in BINARY_NUMBERS:
        is_number = all(isinstance(one, int | float) for one in _each(element))
        return element.value if is_number and _is_within(element, _each(element)) else DROP
    if element.VR in ("DS", "IS"):
        texts = _all_match(element, NUMBER if element.VR == "DS" else WHOLE_NUMBER)
        return texts if texts is not DROP and _is_within(element, map(float, filter(None, texts))) else DROP
    if element.VR == "AS":
        return _age(element)
    if element.VR == "CS" or element.tag in NAMED_UNITS:
        return _defined_terms(element)
    return None if element.VR in WORDS_OF_PEOPLE else DROP


def new_uids(element: DataElement, keys: Keys) -> Any:
    """Each UID replaced, but those that the standard itself registers, which name kinds of things."""
    if element.VR != "UI":
        return DROP
    texts = [str(one) for one in _each(element)]
    return [one if not one or one in UID_dictionary else new_uid(keys, one) for one in texts]


def moved_in_time(element: DataElement, shift: Shift, time: str = "") -> Any:
    """Dates, times and datetimes moved by `shift`; time zones as they are.

    A date goes on by a day where the `time` of day that belongs to it passes midnight. Fractions of a second go: they
    would tell one image among all of a hospital.
    """
    texts = [str(one) for one in _each(element)]
    match element.VR:
        case "DA":
            days = shift.days + shift_time(time, shift)[1]
            return _all([shift_date(one, days) for one in texts])
        case "DT":
            return _all([_moved_datetime(one, shift) for one in texts])
        case "TM":
            return _all([shift_time(one, shift)[0] for one in texts])
    return texts if all(ZONE.fullmatch(one) for one in texts) else DROP


def only_known_words(element: DataElement) -> Any:
    """A text with only those of its words that tell of anatomy and projection, in upper case."""
    texts = [" ".join(_known(str(one))) for one in _each(element)]
    # Where the standard allows one text only, "\\" is part of it; here no value has one any more.
    return _all([one[:64].rstrip() if element.VR != "CS" else one[:16].rstrip() for one in texts])


def dummy(element: DataElement) -> Any:
    """A value that says nothing; an empty one stays empty."""
    if element.is_empty:
        return None
    return DUMMIES.get(element.VR, DROP)


def cut_table(item: Dataset) -> None:
    """Leave of an item's lookup table the entries that its descriptor counts; without a descriptor, nothing."""
    counts = list(_each(item[LUT_DESCRIPTOR])) if LUT_DESCRIPTOR in item else []
    if len(counts) != 3 or LUT_DATA not in item or not 1 <= counts[2] <= 16:  # bits of an entry
        item.pop(LUT_DATA, None)
        item.pop(LUT_DESCRIPTOR, None)
        return
    n_entries = int(counts[0]) % 2**16 or 2**16  # 0 stands for 65536 (PS3.3 C.11.1.1)
    values = item[LUT_DATA].value
    if isinstance(values, bytes):
        item[LUT_DATA].value = values[: 2 * n_entries]
    else:
        item[LUT_DATA].value = list(_each(item[LUT_DATA]))[:n_entries]


def _each(element: DataElement) -> Iterable[Any]:
    if element.is_empty:
        return []
    return element.value if element.VM > 1 else [element.value]


def _all(texts: list[str]) -> Any:
    return texts if all(texts) else DROP


def _is_within(element: DataElement, numbers: Iterable[float]) -> bool:
    """Whether these are numbers that an attribute's meaning allows; seven digits of a patient's number are no kV."""
    if element.tag == LUT_DESCRIPTOR:
        return True  # `cut_table` looks at it with the table that it describes
    bounds = kept().get(element.tag)
    if bounds is None or bounds.low is None or bounds.high is None:
        return element.is_empty
    return all(bounds.low <= one <= bounds.high for one in numbers)


def _all_match(element: DataElement, pattern: re.Pattern[str]) -> Any:
    texts = [str(getattr(one, "original_string", one)).strip() for one in _each(element)]
    if not all(pattern.fullmatch(one) for one in texts):
        return DROP
    # Writers exist that exceed the 16 bytes of a decimal string; six digits after the point are under a micrometer.
    return [one if len(one) <= 16 else f"{float(one):.9g}" for one in texts]


def _age(element: DataElement) -> Any:
    match = AGE.fullmatch(str(element.value))
    if match is None:
        return None if element.is_empty else DROP
    return f"{OLDEST_YEARS:03d}Y" if match[2] == "Y" and int(match[1]) > OLDEST_YEARS else match[0]


def _defined_terms(element: DataElement) -> Any:
    texts = [str(one).strip() for one in _each(element)]
    return texts if all(_is_defined(one) for one in texts) else DROP


def _is_defined(text: str) -> bool:
    split = re.split(r"[ _]+", text)
    return not text or all(word in words() for word in split)


def _known(text: str) -> list[str]:
    """The words of a text that are known; those that could also be a name only where nothing else could be one.

    A hand is a hand in "Hand, 2 views", but may be Mr. Hand beside a word that nobody knows, or in "Hand^Dunn".
    """
    found = re.findall(r"[^\W_]+", text.upper())
    may_name = bool(re.search(r"[\^=]", text)) or any(one not in words() and not SHORT.fullmatch(one) for one in found)
    # Numbers among the words are parts of defined terms; in a text they could be parts of a UID or a birthday.
    return [one for one in found if one in words() and not one.isdigit() and not (may_name and one in names())]


def _moved_datetime(text: str, shift: Shift) -> str:
    match = DATE_TIME.fullmatch(text)
    if match is None:
        return ""
    moved, days = shift_time(match[2], shift)
    if match[2] and not moved:
        return ""
    date = shift_date(match[1], shift.days + days)
    return date + moved + (match[3] or "") if date else ""

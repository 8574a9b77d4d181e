"""How much of what identifies people is taken out: `python -m osteon_ingest.coverage`.

Identifiers are planted, one at a time, in each row of the standard's table (PS3.15, Table E.1-1) and in each attribute
of the standard's dictionary: a name, a patient's number, a birthday, a time of day, a UID, as its value representation
can hold them, as text, as binary number, and within an item where it is a sequence. Each object is de-identified as
by the service and searched, as text in any usual encoding and as a number of any width. With `--page`, the list of what
stays on purpose, as in docs/reference/deidentification.md.
"""

import argparse
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRLittleEndian
from rich.console import Console

from osteon.imaging.quiet import quiet_pydicom
from osteon_ingest.deidentify import Subject, deidentify, to_bytes
from osteon_ingest.identity import Keys
from osteon_ingest.profile import Action, action_for, kept, rows

__all__ = [
    "NAME",
    "NUMBER",
    "Plant",
    "attributes",
    "main",
    "needles",
    "page",
    "planted",
    "plants",
    "survives",
    "tags_of",
]

NAME = "ZQXPLANTED"  # no word of the standard holds it
NUMBER = 471100711
SMALL = {"US": 47110, "SS": 31007}  # what 16 bits can hold of a number
BIRTHDAY, TIME, UID = "19500131", "114711", "1.2.777000777.4711007"
TEXTS = (NAME, str(NUMBER), BIRTHDAY, TIME, UID)
TEXT_VALUES = (f"{NAME}^Anna", str(NUMBER), BIRTHDAY, UID, f"Femur {NAME} left")
BYTES = b"".join((NAME.encode(), NAME.encode("utf-16-le"), struct.pack("<Id", NUMBER, NUMBER), b"\0\0"))
VALUES: dict[str, tuple[Any, ...]] = {
    "AE": (NAME, str(NUMBER)),
    "AS": ("471Y",),
    "AT": (NUMBER,),
    "CS": (NAME, str(NUMBER)),
    "DA": (BIRTHDAY,),
    "DS": (str(NUMBER), f"{NUMBER}.5"),
    "DT": (BIRTHDAY + TIME,),
    "FD": (float(NUMBER),),
    "FL": (float(NUMBER),),
    "IS": (str(NUMBER),),
    "SL": (NUMBER,),
    "SS": (SMALL["SS"],),
    "SV": (NUMBER,),
    "TM": (TIME, TIME + ".471100"),
    "UI": (UID,),
    "UL": (NUMBER,),
    "UR": (f"https://{NAME}.example/{NUMBER}",),
    "US": (SMALL["US"],),
    "UV": (NUMBER,),
    **dict.fromkeys(("LO", "LT", "PN", "SH", "ST", "UC", "UT"), TEXT_VALUES),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), (BYTES,)),
}
IN_ITEMS = ("PatientName", "PatientID", "PatientComments", "StudyDescription", "InstitutionName", "KVP", "SeriesTime")
KEYS = Keys.from_site_key(bytes(range(32)))
SUBJECT = Subject("0" * 32, "1" * 32)
RADIOGRAPH = "1.2.840.10008.5.1.4.1.1.1.1"


@dataclass(frozen=True)
class Plant:
    """An identifier in one attribute."""

    tag: BaseTag
    vr: str
    value: Any


def attributes() -> list[BaseTag]:
    """Every attribute of the dictionary; of repeating groups (curves, overlays) the first."""
    repeating = (int(mask.replace("x", "0"), 16) for mask in RepeatersDictionary)
    return [BaseTag(tag) for tag in sorted({*DicomDictionary, *repeating}) if dictionary_VR(tag) != "NONE"]


def plants(tag: BaseTag) -> Iterator[Plant]:
    """What is planted in an attribute, one after the other, in each of its value representations."""
    for vr in _kinds(tag):
        if vr == "SQ":
            yield Plant(tag, vr, None)
        for value in VALUES.get(vr, ()):
            yield Plant(tag, vr, value)


def survives(plant: Plant) -> bool:
    """Whether what was planted can be found in the de-identified object."""
    with quiet_pydicom():
        original = _object()
        original.add(planted(plant))
        copy = deidentify(original, KEYS, SUBJECT)
        is_same = plant.tag in copy and plant.tag in original and _is_same(copy[plant.tag].value, plant.value)
        content = to_bytes(copy)
    return is_same or any(needle in content for needle in needles())


def page() -> str:
    """What stays on purpose, as Markdown tables: by the options of PS3.15, and beyond its table."""
    by_option = [
        "| attribute | | what stays | by |",
        "| --- | --- | --- | --- |",
        *(f"| {_spelled(tag)} | {keyword_for_tag(tag)} | {what} | {option} |" for tag, what, option in _by_option()),
    ]
    beyond = [
        "| attribute | | values | why |",
        "| --- | --- | --- | --- |",
        *(
            f"| {_spelled(BaseTag(one.tag))} | {one.keyword} | {_values(one.tag)} | {one.why} |"
            for one in kept().values()
            if f"{one.tag:08X}" not in rows()
        ),
    ]
    return "\n".join([*by_option, "", "**Beyond the table**", "", *beyond]) + "\n"


def main() -> None:
    """Prints the shares, and names what remains."""
    parser = argparse.ArgumentParser(prog="python -m osteon_ingest.coverage", description=__doc__)
    parser.add_argument("--page", action="store_true", help="print the list of what stays on purpose, as Markdown")
    if parser.parse_args().page:
        Console().file.write(page())
        return
    in_rows = {row: _remaining(tags_of(row)) for row in rows()}
    _tell("rows of Table E.1-1", len(rows()), len([row for row in in_rows if in_rows[row]]), in_rows.values())
    remaining = _remaining(attributes())
    n_plants = sum(1 for tag in attributes() for _ in plants(tag))
    _tell("values planted in all attributes of the dictionary", n_plants, len(remaining), [remaining])


def _tell(what: str, n: int, n_remaining: int, remaining: Iterable[Iterable[Plant]]) -> None:
    console = Console(width=160, highlight=False)
    console.print(f"{what}: {n - n_remaining} of {n} removed or replaced ({(n - n_remaining) / n:.3%})")
    for plant in chain.from_iterable(remaining):
        console.print(f"  remains: {_spelled(plant.tag)} {keyword_for_tag(plant.tag)} as {plant.vr}")


def _remaining(tags: Iterable[BaseTag]) -> list[Plant]:
    return [plant for tag in tags for plant in plants(tag) if survives(plant)]


def _kinds(tag: BaseTag) -> list[str]:
    try:
        return dictionary_VR(tag).split(" or ")
    except KeyError:  # one that is newer than the dictionary at hand, or private, may be of any kind
        return ["LO", "UN", "SQ"]


def tags_of(row: str) -> list[BaseTag]:
    """The attributes of a row; a private one, or one of each kind, where it stands for many."""
    if row == "XXXXXXXX":
        return [BaseTag(0x00291001)]
    tag = BaseTag(int(row.replace("X", "0"), 16))
    return [tag] if not row.endswith("XXXX") else [one for one in attributes() if one.group == tag.group]


def _object() -> Dataset:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = RADIOGRAPH, "1.2.3"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def planted(plant: Plant) -> DataElement:
    """The attribute with its identifier; a sequence with one item of many, and one of a code of somebody's own."""
    if plant.vr != "SQ":
        return DataElement(plant.tag, plant.vr, plant.value)
    item = Dataset()
    for keyword in IN_ITEMS:
        setattr(item, keyword, VALUES[dictionary_VR(keyword)][0])
    item.private_block(0x0029, NAME, create=True).add_new(1, "LO", str(NUMBER))
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = str(NUMBER), "99LOCAL", NAME
    return DataElement(plant.tag, plant.vr, Sequence([item, code]))


def _is_same(found: Any, planted: Any) -> bool:
    return found is not None and planted is not None and str(found) == str(planted)


@cache
def needles() -> tuple[bytes, ...]:
    """What must not be found, in the encodings in which it could be."""
    texts = [text for one in TEXTS for text in {one, one.lower(), one.capitalize()} if one != TIME]
    encodings = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le")
    packed = (struct.pack(order + kind, NUMBER) for order in "<>" for kind in "IQfd")
    return (*(text.encode(encoding) for text in texts for encoding in encodings), *packed)


def _by_option() -> Iterator[tuple[BaseTag, str, str]]:
    for tag in attributes():
        row = rows().get(f"{tag:08X}")
        action = action_for(tag)
        if row is None or action not in (Action.SHIFT, Action.WORDS, Action.SAFE):
            continue
        if action is Action.SHIFT:
            what = "a zone that there is" if dictionary_VR(tag) == "SH" else "moved by the patient's days and seconds"
            yield tag, what, "113107 Modified Dates"
        elif row.patient_characteristics == "K":
            yield tag, _values(tag), "113108 Retain Patient Characteristics"
        else:
            yield tag, "known words", "113105 Clean Descriptors"


def _values(tag: int) -> str:
    """What an attribute may hold in the end."""
    vr = dictionary_VR(tag)
    bounds = kept().get(tag)
    if bounds and bounds.low is not None and bounds.high is not None:
        return f"{bounds.low:g} to {bounds.high:g}"
    named = {"SQ": "items, cleaned", "UI": "new UIDs; the standard's own stay", "AS": "up to 90 years"}
    if vr == "CS":
        return "known words"
    if action_for(tag) is Action.WORDS:
        return "known words"
    return named.get(vr, "empty" if vr in ("LO", "LT", "SH", "ST", "UC", "UT") else "as is")


def _spelled(tag: BaseTag) -> str:
    return f"({tag.group:04X},{tag.element:04X})"


if __name__ == "__main__":
    main()

"""De-identify: a DICOM object in, one without identifiers out. Pure: no bus, no store, no clock.

The output is built up from what may stay; what nobody thought of is therefore left out. Every sequence is
walked to its end. What is done with an attribute says `osteon_ingest.profile`, how, `osteon_ingest.clean`.
"""

import io
from dataclasses import dataclass
from typing import Any

from pydicom import dcmwrite
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from osteon.errors import SetAside
from osteon.imaging.quiet import BROKEN_INPUT, quiet_pydicom
from osteon_ingest.clean import (
    DROP,
    LUT_DATA,
    LUT_DESCRIPTOR,
    PIXEL_DATA,
    cut_table,
    dummy,
    moved_in_time,
    new_uids,
    only_known_words,
    safe,
)
from osteon_ingest.identity import Keys, Shift, shift_of
from osteon_ingest.profile import OPTIONS, Action, action_for, codes

__all__ = ["CLEANER", "Subject", "deidentify", "state_clean_pixels", "to_bytes"]

# A UUID of our own in decimal (PS3.5, B.2): the mark of this implementation in file meta.
IMPLEMENTATION_UID = UID("2.25.228718401234217012843925510563984277153")
CLEANER = "Osteon PS3.15 Basic Profile 2"  # the number changes with what the cleaning does
CHARACTER_SET = 0x00080005
CODE_VALUES = ("CodeValue", "LongCodeValue", "URNCodeValue")
CLEAN_PIXELS = "113101"


@dataclass(frozen=True)
class Subject:
    """Who is in the picture, as far as anybody may know: a pseudonym, empty if unknown, and the image id."""

    patient: str
    image_id: str

    @property
    def name(self) -> str:
        """What a person's dates are shifted by: an unknown patient's belong to the one image."""
        return self.patient or self.image_id


def deidentify(original: Dataset, keys: Keys, subject: Subject) -> Dataset:
    """A copy of `original` (as `read_dataset` gives it) without identifiers; its pixels are as they were.

    The same original gives the same copy. Text within the pixels is another matter: see
    `osteon_ingest.burnt_in` and `state_clean_pixels`. Raises SetAside: unreadable, without a class or an instance.
    """
    shift = shift_of(keys, subject.name)
    with quiet_pydicom():
        copy = _cleaned(original, keys, shift)
        _name(original, copy, keys)
    copy.pop(LUT_DATA, None)
    copy.pop(LUT_DESCRIPTOR, None)
    copy.SpecificCharacterSet = "ISO_IR 192"
    copy.PatientName = subject.patient
    copy.PatientID = subject.patient
    copy.PatientIdentityRemoved = "YES"
    copy.DeidentificationMethod = CLEANER
    copy.DeidentificationMethodCodeSequence = Sequence(_code(*each) for each in OPTIONS if each[0] != CLEAN_PIXELS)
    copy.LongitudinalTemporalInformationModified = "MODIFIED"
    copy.file_meta = _file_meta(original, copy)
    return copy


def state_clean_pixels(copy: Dataset) -> None:
    """Say in `copy` that its pixels were searched for text and hold none now."""
    copy.BurnedInAnnotation = "NO"
    copy.DeidentificationMethodCodeSequence = Sequence(_code(*each) for each in OPTIONS)


def to_bytes(copy: Dataset) -> bytes:
    """The DICOM file of a de-identified object; the same object gives the same bytes. Raises SetAside: unreadable."""
    buffer = io.BytesIO()
    with quiet_pydicom():
        try:
            dcmwrite(buffer, copy, enforce_file_format=True)
        except BROKEN_INPUT:  # a value that can be read and not written: the standard has no form for it
            raise SetAside("unreadable") from None
    return buffer.getvalue()


def _cleaned(original: Dataset, keys: Keys, shift: Shift) -> Dataset:
    """What of a dataset or an item may stay."""
    copy = Dataset()
    for tag in original.keys():  # noqa: SIM118 - iterating a dataset itself would read every value
        action = action_for(int(tag))
        if action is Action.REMOVE or tag == CHARACTER_SET:
            continue
        try:
            element = original[tag]
            if element.VR not in (dictionary_VR(tag), *dictionary_VR(tag).split(" or ")):
                continue  # a value of another kind than the standard's is not what its name says
            value = _new_value(original, element, action, keys, shift)
            if value is not DROP:
                copy.add(_element(element, value))
        except BROKEN_INPUT:
            continue  # what can't be read can't be told to be harmless
    return copy


def _new_value(original: Dataset, element: DataElement, action: Action, keys: Keys, shift: Shift) -> Any:
    """The value that stays, or DROP."""
    if element.VR == "SQ":
        return _new_items(element, action, keys, shift)
    match action:
        case Action.EMPTY:
            return None
        case Action.DUMMY:
            return dummy(element)
        case Action.NEW_UID:
            return new_uids(element, keys)
        case Action.SHIFT:
            return moved_in_time(element, shift, _time_of_day(original, element))
        case Action.WORDS:
            return only_known_words(element)
    return new_uids(element, keys) if element.VR == "UI" else safe(element)


def _time_of_day(original: Dataset, date: DataElement) -> str:
    """The time that belongs to a date: StudyTime to StudyDate; empty if there is none."""
    keyword = date.keyword.removesuffix("Date") + "Time"
    value = original.get(keyword) if date.VR == "DA" and dictionary_has_tag(keyword) else None
    return value if isinstance(value, str) else ""


def _new_items(element: DataElement, action: Action, keys: Keys, shift: Shift) -> Any:
    """The items that stay; a sequence that lost all of them goes."""
    if action is Action.EMPTY or element.is_empty:
        return []
    items = [kept for item in element.value if len(kept := _new_item(item, keys, shift))]
    return items or DROP


def _new_item(item: Dataset, keys: Keys, shift: Shift) -> Dataset:
    """What stays of an item; of a code, all or nothing, since it could be a code for one person."""
    values = [str(item.get(keyword)) for keyword in CODE_VALUES if item.get(keyword)]
    if not values:
        return _cleaned_item(item, keys, shift)
    scheme = str(item.get("CodingSchemeDesignator", "")).strip()
    meaning = codes().get((scheme, values[0].strip()))
    if meaning is None:
        return Dataset()
    kept = _cleaned_item(item, keys, shift)
    kept.update(_code(values[0].strip(), meaning, scheme))
    return kept


def _cleaned_item(item: Dataset, keys: Keys, shift: Shift) -> Dataset:
    kept = _cleaned(item, keys, shift)
    kept.pop(PIXEL_DATA, None)  # a small copy of the picture, in which nobody looks for text
    cut_table(kept)
    return kept


def _element(element: DataElement, value: Any) -> DataElement:
    """The element with another value."""
    copy = DataElement(element.tag, element.VR, Sequence(value) if element.VR == "SQ" else value)
    if element.tag == PIXEL_DATA:
        copy.is_undefined_length = element.is_undefined_length
    return copy


def _name(original: Dataset, copy: Dataset, keys: Keys) -> None:
    """Take class and instance from the file meta where only that states them. Raises SetAside if neither does."""
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        if not _is_one(copy.get(keyword)):
            try:
                uid = original.file_meta.get(f"MediaStorage{keyword}")
            except BROKEN_INPUT:
                uid = None
            if not _is_one(uid):
                raise SetAside("unreadable", "The object does not state one SOP class and one SOP instance.")
            copy.add_new(keyword, "UI", new_uids(DataElement(keyword, "UI", uid), keys))


def _is_one(uid: object) -> bool:
    return isinstance(uid, str) and bool(uid)


def _file_meta(original: Dataset, copy: Dataset) -> FileMetaDataset:
    """File meta made anew, so that nothing of the sender's stays."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(copy.get("SOPClassUID", ""))
    meta.MediaStorageSOPInstanceUID = UID(copy.get("SOPInstanceUID", ""))
    meta.TransferSyntaxUID = UID(original.file_meta.TransferSyntaxUID)
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = "OSTEON"
    return meta


def _code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item

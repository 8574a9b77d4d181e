"""The tables of the DICOM conformance statement, from what the code negotiates, answers and writes.

`python -m osteon_ingest.conformance docs/reference/conformance.md` writes them into the page, each between its marks.
"""

import argparse
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]

from osteon.imaging.derived import CARRIED_OVER, derived_dicom
from osteon.imaging.dicom import read_dataset
from osteon.imaging.image import Image
from osteon.imaging.stored import is_decodable
from osteon.runtime import read_settings
from osteon_ingest import commit_storage, receive_dimse, receive_stow
from osteon_ingest.profile import OPTIONS
from osteon_ingest.settings import IngestSettings

__all__ = ["HTTP", "STORE", "STOW", "TABLES", "written"]

STORE = {
    receive_dimse.SUCCESS: "Success: the image is safe here.",
    receive_dimse.OUT_OF_RESOURCES: "Not safe now: keep it, send it again. With the comment `too-large`: never.",
    receive_dimse.DATA_SET_DOES_NOT_MATCH: "The data set is another object than the request says. Refused for good.",
    receive_dimse.CANNOT_UNDERSTAND: "No SOP Instance UID can be read. Refused for good; the comment is the reason.",
}
"""Statuses of a C-STORE response."""

N_ACTION = {
    "success": "The request is taken; its result follows by N-EVENT-REPORT.",
    "no-such-instance": "The requested instance is not 1.2.840.10008.1.20.1.1.",
    "invalid-argument": "Transaction UID or references are missing or can't be read.",
    "no-such-action": "The Action Type is not 1.",
    "resource-limitation": f"Not now: ask again. Or more than {commit_storage.MAX_INSTANCES} references.",
}
FAILURES = {
    "processing-failure": "The receipt can't be read.",
    "no-such-object": "No such image was answered with success here, or its original is gone.",
    "class-instance-conflict": "The image is here under another SOP class.",
    "class-not-supported": "This SOP class is not taken in.",
    "duplicate-transaction": "Another request under this Transaction UID has no result yet.",
}

STOW = {
    receive_stow.OUT_OF_RESOURCES: "Not safe now: keep it, send it again.",
    receive_stow.TOO_LARGE: "More bytes than `OSTEON_MAX_OBJECT_BYTES`. Refused for good.",
    receive_stow.DOES_NOT_MATCH: "Another study than the address says. Refused for good.",
    receive_stow.CANNOT_UNDERSTAND: "No DICOM object with a SOP Instance UID. Refused for good.",
}
"""Failure Reasons (0008,1197) of a STOW-RS response."""

HTTP = {
    200: "All instances are safe.",
    202: "Some are; the others are listed with their reasons.",
    400: "The body is not multipart as its boundary says, ends too early, or holds no instance.",
    401: "A token is required.",
    408: "The sender fell silent for `OSTEON_STOW_SILENCE_TIMEOUT_S`.",
    409: "No instance was taken.",
    413: "Too large: the request, each instance, or the number of instances.",
    415: "Another media type.",
    503: "Not now: keep all, come back after `Retry-After`.",
}
"""Statuses of a STOW-RS response."""

Rows = Iterable[Sequence[str]]


def _settings() -> IngestSettings:
    return read_settings(IngestSettings, {}, site_key=secrets.token_hex(32))


def _contexts() -> list[PresentationContext]:
    return receive_dimse.entity_of(_settings()).supported_contexts


def _storage() -> list[PresentationContext]:
    services = (Verification, StorageCommitmentPushModel)
    return [context for context in _contexts() if context.abstract_syntax not in services]


def _services() -> Rows:
    for context in _contexts():
        if context not in _storage():
            syntax = UID(str(context.abstract_syntax))
            yield syntax.name, f"`{syntax}`", "SCP", ", ".join(UID(one).name for one in context.transfer_syntax or ())
    yield f"{len(_storage())} Storage classes, listed below", "", "SCP", "all that are listed below"


def _storage_classes() -> Rows:
    for context in sorted(_storage(), key=lambda one: UID(str(one.abstract_syntax)).name):
        syntax = UID(str(context.abstract_syntax))
        yield syntax.name, f"`{syntax}`"


def _transfer_syntaxes() -> Rows:
    offered = {UID(one): None for context in _storage() for one in context.transfer_syntax or ()}
    for syntax in offered:
        yield syntax.name, f"`{syntax}`", "yes" if is_decodable(syntax) else "no: `unknown-transfer-syntax`"


def _doors(*prefixes: str) -> Rows:
    for name, field in IngestSettings.model_fields.items():
        if name.startswith(prefixes):
            default = field.get_default(call_default_factory=True)
            text = " ".join((field.description or "").split())
            yield f"`OSTEON_{name.upper()}`", f"`{default}`" if default not in ("", {}, None) else "none", text


def _store_statuses() -> Rows:
    return [(f"{code:04X}", meaning) for code, meaning in STORE.items()]


def _action_statuses() -> Rows:
    return [(f"{code:04X}", N_ACTION[name]) for name, code in commit_storage.STATUSES.items()]


def _failure_reasons() -> Rows:
    return [(f"{code:04X}", FAILURES[name]) for name, code in commit_storage.FAILURES.items()]


def _derived() -> Rows:
    """The attributes of a derived object, found by making two of sources that differ in all that they state."""
    pairs = [(source, _made(source)) for source in (_source(1), _source(2))]
    carried = {tag_for_keyword(keyword): is_required for keyword, is_required in CARRIED_OVER}
    keywords = {tag: keyword_for_tag(tag) for tag in (*carried, *(element.tag for element in pairs[0][1])) if tag}
    for tag in sorted(keywords):
        name = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
        first, second = (made.get(tag) for _, made in pairs)
        if tag in carried and not (first and second and first.value and first.value != second.value):
            value = "of the source; else empty" if carried[tag] else "of the source, if it has it"
        elif all(tag in source and source[tag] == made[tag] for source, made in pairs):
            value = "of the source"
        elif first is not None and first == second and first.VR != "SQ":
            value = "empty" if first.is_empty else f"`{_text(first.value)}`"
        else:
            value = "made"
        yield name, keywords[tag], value


def _source(number: int) -> Dataset:
    source = Dataset()
    source.SOPClassUID, source.SOPInstanceUID = DigitalXRayImageStorageForPresentation, f"1.2.{number}"
    source.StudyInstanceUID, source.SeriesInstanceUID = f"1.3.{number}", f"1.4.{number}"
    source.Modality = ("DX", "CR")[number - 1]
    source.InstanceNumber = number
    source.ImageLaterality = "LR"[number - 1]
    source.LossyImageCompression = ("00", "01")[number - 1]
    source.file_meta = FileMetaDataset()
    source.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return source


def _made(source: Dataset) -> Dataset:
    number = int(source.InstanceNumber)
    pixels = np.linspace(number, 3 * number, 20 * number, dtype=np.float32).reshape(4, 5 * number)
    if number == 2:
        pixels = np.vstack((pixels, pixels))
    image = Image(pixels, (0.1 * number, 0.1 * number))
    return read_dataset(derived_dicom(source, image, "harmonized", str(number)))


def _text(value: object) -> str:
    return "\\".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


TABLES: dict[str, tuple[tuple[str, ...], Callable[[], Rows]]] = {
    "services": (("SOP class", "UID", "role", "transfer syntaxes"), _services),
    "transfer-syntaxes": (("transfer syntax", "UID", "decoded"), _transfer_syntaxes),
    "association": (("setting", "default", ""), lambda: _doors("aet", "dimse_", "max_object", "drain")),
    "c-store": (("status", "means"), _store_statuses),
    "commitment-settings": (("setting", "default", ""), lambda: _doors("commit_")),
    "n-action": (("status", "means"), _action_statuses),
    "failure-reasons": (("failure reason", "means"), _failure_reasons),
    "stow-settings": (("setting", "default", ""), lambda: _doors("stow_")),
    "http": (("status", "means"), lambda: [(str(code), meaning) for code, meaning in HTTP.items()]),
    "stow-reasons": (("failure reason", "means"), lambda: [(f"{code:04X}", text) for code, text in STOW.items()]),
    "options": (("code", "option"), lambda: OPTIONS),
    "derived": (("tag", "attribute", "value"), _derived),
    "storage": (("SOP class", "UID"), _storage_classes),
}


def written(page: str) -> str:
    """The page with its tables as the code has them. Raises KeyError for a mark that names no table."""

    def table(match: re.Match[str]) -> str:
        head, rows = TABLES[match[1]]
        lines = [head, ["---"] * len(head), *rows()]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"<!-- table: {match[1]} -->\n{text}\n<!-- end -->"

    return re.sub(r"<!-- table: (\S+) -->\n.*?<!-- end -->", table, page, flags=re.DOTALL)


def main() -> None:
    """Write the tables into a page."""
    parser = argparse.ArgumentParser(prog="python -m osteon_ingest.conformance", description=main.__doc__)
    parser.add_argument("page", type=Path, help="the page, with a mark for each table")
    page = parser.parse_args().page
    page.write_text(written(page.read_text()))


if __name__ == "__main__":
    main()

"""Sends files as a hospital would, by C-STORE and STOW-RS, and says what each door answered; at a rate, if asked.

`osteon cohort send` and the demo share it. What is broken goes out as it is.
"""

import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

__all__ = ["Answer", "Parcel", "at_rate", "choose_doors", "send_by_c_store", "send_by_stow"]

DoorName = Literal["dimse", "stow"]
ANSWER_WITHIN_S = 120.0  # a busy machine is slow, and an image that is safe late is safe
REFUSED = "the association was refused: is the AE title one that the door knows?"
AWAY = "no DICOM door answers there: does it run, and are host and port right?"
NO_DICOM = "not a DICOM file; only those can be sent"
MAX_CONTEXTS = 128  # as many as an association may propose, PS3.8 section 9.3.2.2

# The bytes of the file go out as they are: what is broken must reach the door broken.
_config.STORE_SEND_CHUNKED_DATASET = True


@dataclass(frozen=True)
class Parcel:
    """A file and the door that it is brought to."""

    path: Path
    door: DoorName


@dataclass(frozen=True)
class Answer:
    """What the door said of a file; `text` is empty when the file was taken."""

    parcel: Parcel
    text: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether the sender may forget the file."""
        return not self.text


def choose_doors(paths: Sequence[Path]) -> list[Parcel]:
    """Every second file by C-STORE, as far as it can go that way: C-STORE needs readable file meta information."""
    parcels = []
    for number, path in enumerate(paths):
        is_dimse = number % 2 == 0 and _context(path) is not None
        parcels.append(Parcel(path, "dimse" if is_dimse else "stow"))
    return parcels


def send_by_c_store(
    parcels: Sequence[Parcel], host: str, port: int, aet: str, calling_aet: str = "DEMO"
) -> Iterator[Answer]:
    """Send over as few associations as the proposed contexts allow; one answer a parcel, in order.

    Each file's header is read once. A door that refuses an association is not asked again.
    """
    association: Association | None = None
    proposed: set[tuple[str, str]] = set()
    no_way = ""
    contexts = [_context(parcel.path) for parcel in parcels]
    for number, (parcel, context) in enumerate(zip(parcels, contexts, strict=True)):
        if context is None or no_way:
            says = NO_DICOM if parcel.path.is_file() else "there is no such file"
            yield Answer(parcel, no_way if context else says)
            continue
        if association is None or not association.is_established or context not in proposed:
            if association is not None and association.is_established:
                association.release()
            proposed = _first_of(contexts[number:])
            association = _associate(proposed, host, port, aet, calling_aet)
            if not association.is_established:
                no_way = REFUSED if association.is_rejected else AWAY
        yield Answer(parcel, no_way or _store(association, parcel.path))
    if association is not None and association.is_established:
        association.release()


def send_by_stow(parcels: Sequence[Parcel], url: str, token: str = "", ca: Path | None = None) -> Iterator[Answer]:
    """Send one instance a request (PS3.18 section 10.5); one answer a parcel, in order.

    A locked door asks for a token, and shows a certificate of the authorities in the PEM file `ca`.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    trust = ssl.create_default_context(cafile=ca) if ca else True
    with httpx.Client(timeout=ANSWER_WITHIN_S, headers=headers, verify=trust) as client:
        for parcel in parcels:
            try:
                yield Answer(parcel, _post(client, url, parcel.path.read_bytes()))
            except httpx.TransportError as error:
                yield Answer(parcel, f"the door does not answer ({type(error).__name__})")
            except OSError as error:
                yield Answer(parcel, f"the file can't be read ({type(error).__name__})")


def at_rate(
    answers: Iterator[Answer],
    images_per_s: float,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[Answer]:
    """The same answers, each image sent no earlier than its turn; 0 sends as fast as the door takes them.

    Turns are counted from the beginning, so that a door that paused is caught up with.
    """
    began = clock()
    for number, answer in enumerate(answers, 1):
        yield answer
        early = began + number / images_per_s - clock() if images_per_s else 0.0
        if early > 0:
            wait(early)


def _context(path: Path) -> tuple[str, str] | None:
    try:
        meta = read_file_meta_info(path)
        return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
    except (InvalidDicomError, AttributeError, EOFError, ValueError, NotImplementedError, KeyError, OSError):
        return None


def _first_of(contexts: Iterable[tuple[str, str] | None]) -> set[tuple[str, str]]:
    """As many different ones as an association may propose, the next ones first."""
    return set(list(dict.fromkeys(context for context in contexts if context is not None))[:MAX_CONTEXTS])


def _associate(contexts: set[tuple[str, str]], host: str, port: int, aet: str, calling_aet: str) -> Association:
    entity = AE(ae_title=calling_aet)
    entity.maximum_pdu_size = 0  # no limit of ours: the door's own holds
    entity.dimse_timeout = entity.network_timeout = ANSWER_WITHIN_S
    entity.requested_contexts = [build_context(sop_class, syntax) for sop_class, syntax in sorted(contexts)]
    return entity.associate(host, port, ae_title=aet)


def _store(association: Association, path: Path) -> str:
    try:
        status = association.send_c_store(path)
    except (ValueError, AttributeError, RuntimeError) as error:
        return f"can't be sent by C-STORE: {error or type(error).__name__}"
    if "Status" not in status:
        return "the association was aborted"
    if status.Status in (0x0000, 0xB000, 0xB006, 0xB007):
        return ""
    return f"status 0x{status.Status:04X} {status.get('ErrorComment', '')}".strip()


def _post(client: httpx.Client, url: str, instance: bytes) -> str:
    boundary = "osteon-boundary-7f3a"
    body = b"".join(
        [
            f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode(),
            instance,
            f"\r\n--{boundary}--\r\n".encode(),
        ]
    )
    answer = client.post(
        url,
        content=body,
        headers={
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
        },
    )
    if answer.status_code == 200:
        return ""
    return f"HTTP {answer.status_code} {_failure(answer)}".strip()


def _failure(answer: httpx.Response) -> str:
    """The reason that a STOW-RS response gives for its first failed instance (PS3.18 table I.2-2)."""
    try:
        told = answer.json()
        # Failed SOP Sequence; Other Failures Sequence where the door could not name the instance.
        failed = (told["00081198"] if "00081198" in told else told["0008119A"])["Value"][0]
    except (ValueError, KeyError, TypeError, IndexError):
        return answer.text[:120]
    comment = failed.get("00000902", {}).get("Value", [""])[0]
    code = failed.get("00081197", {}).get("Value", [0])[0]
    return f"0x{code:04X} {comment}".strip()

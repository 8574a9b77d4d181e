"""Audit messages: who did what to which image, in the XML of PS3.15 A.5.1, one a log line of the logger `osteon.audit`.

They leave the process with its logs, and by `audit_repository` where a site has one. What they hold leaves with them:
image ids and names of callers, nothing of a patient.
"""

import base64
import logging
import os
import pwd
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, tostring

__all__ = [
    "LOGGER", "REFUSED", "SUCCESS", "Caller", "exported", "here", "queried", "received", "sign_in_refused",
    "vault_opened",
]  # fmt: skip

LOGGER = logging.getLogger("osteon.audit")
LOGGER.setLevel(logging.INFO)  # whatever else is logged: an audit is no matter of taste

# EventOutcomeIndicator
SUCCESS = "0"
REFUSED = "4"

Code = tuple[str, str, str]  # value, system, meaning

# PS3.15 A.6 wants repositories to take 32,768 bytes; a question in base 64 is the longest thing in a message.
MOST_ASKED = 8192
MOST_NAMED = 256

# PS3.16 CID 400, 401, 402, 405
DICOM_INSTANCES_TRANSFERRED: Code = ("110104", "DCM", "DICOM Instances Transferred")
EXPORT: Code = ("110106", "DCM", "Export")
PATIENT_RECORD: Code = ("110110", "DCM", "Patient Record")
QUERY: Code = ("110112", "DCM", "Query")
USER_AUTHENTICATION: Code = ("110114", "DCM", "User Authentication")
LOGIN: Code = ("110122", "DCM", "Login")
DESTINATION: Code = ("110152", "DCM", "Destination Role ID")
SOURCE: Code = ("110153", "DCM", "Source Role ID")
DESTINATION_MEDIA: Code = ("110154", "DCM", "Destination Media")
URI: Code = ("110037", "DCM", "URI")
# Not the Study Instance UID or Patient ID that the standard has there: those identify a patient.
IMAGE_ID: Code = ("image-id", "99OSTEON", "Osteon image id")
SEARCH: Code = ("search", "99OSTEON", "Search of the console")


@dataclass(frozen=True)
class Caller:
    """Who asks: the name it is known by (a token's, an AE title, a user of this machine), and its address."""

    name: str
    address: str = ""


def here() -> Caller:
    """Whoever started this process."""
    try:
        return Caller(pwd.getpwuid(os.getuid()).pw_name)  # not by LOGNAME, which anybody may set
    except KeyError:
        return Caller(f"uid {os.getuid()}")  # containers often run as a number


def received(site: str, sender: Caller, receiver: str, image_id: str, outcome: str = SUCCESS) -> None:
    """An image came through a door; without an image id, it was refused before it had one."""
    message = _message(DICOM_INSTANCES_TRANSFERRED, "C", outcome)
    _participant(message, sender, is_requestor=True, role=SOURCE)
    _participant(message, Caller(receiver), is_requestor=False, role=DESTINATION)
    _source(message, site)
    if image_id:
        _object(message, image_id, IMAGE_ID, role="3", name=image_id)
    _tell(message)


def vault_opened(who: Caller, image_id: str) -> None:
    """Somebody saw whose image it is."""
    message = _message(PATIENT_RECORD, "R", SUCCESS)
    _participant(message, who, is_requestor=True)
    _source(message)
    _object(message, image_id, IMAGE_ID, role="3", name=image_id)
    _tell(message)


def exported(site: str, who: Caller, to: str, image_id: str) -> None:
    """An image was handed out of the system; `to` is where: the name of a file, or that it was a link."""
    message = _message(EXPORT, "R", SUCCESS)
    _participant(message, who, is_requestor=True, role=SOURCE)
    media = _participant(message, Caller(to), is_requestor=False, role=DESTINATION_MEDIA)
    _code(SubElement(media, "MediaIdentifier"), "MediaType", URI)
    _source(message, site)
    _object(message, image_id, IMAGE_ID, role="3", name=image_id)
    _tell(message)


def queried(site: str, who: Caller, asked: str) -> None:
    """Somebody asked the console about images; `asked` is the path and the parameters."""
    message = _message(QUERY, "E", SUCCESS)
    _participant(message, who, is_requestor=True, role=SOURCE)
    _participant(message, Caller("console"), is_requestor=False, role=DESTINATION)
    _source(message, site)
    _object(message, "console", SEARCH, role="24", query=asked[:MOST_ASKED])
    _tell(message)


def sign_in_refused(site: str, who: Caller, door: str) -> None:
    """Somebody without a valid token asked at a door."""
    message = _message(USER_AUTHENTICATION, "E", REFUSED, LOGIN)
    _participant(message, who, is_requestor=True)
    _participant(message, Caller(door), is_requestor=False)
    _source(message, site)
    _tell(message)


def _tell(message: Element) -> None:
    LOGGER.info("audit", extra={"audit": tostring(message, "unicode")})


def _message(event: Code, action: str, outcome: str, kind: Code | None = None) -> Element:
    message = Element("AuditMessage")
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    given = {"EventActionCode": action, "EventDateTime": at, "EventOutcomeIndicator": outcome}
    identification = SubElement(message, "EventIdentification", given)
    _code(identification, "EventID", event)
    if kind is not None:
        _code(identification, "EventTypeCode", kind)
    return message


def _participant(message: Element, who: Caller, *, is_requestor: bool, role: Code | None = None) -> Element:
    given = {"UserID": _text(who.name), "UserIsRequestor": str(is_requestor).lower()}
    if who.address:
        given |= {"NetworkAccessPointID": _text(who.address), "NetworkAccessPointTypeCode": "2"}  # an IP address
    participant = SubElement(message, "ActiveParticipant", given)
    if role is not None:
        _code(participant, "RoleIDCode", role)
    return participant


def _source(message: Element, site: str = "") -> None:
    given = ({"AuditEnterpriseSiteID": site} if site else {}) | {"AuditSourceID": socket.gethostname()}
    SubElement(message, "AuditSourceIdentification", given)


def _object(message: Element, name_of: str, kind: Code, *, role: str, name: str = "", query: str = "") -> None:
    # 2: a system object; 3: a report, 24: a query
    given = {
        "ParticipantObjectID": _text(name_of),
        "ParticipantObjectTypeCode": "2",
        "ParticipantObjectTypeCodeRole": role,
    }
    found = SubElement(message, "ParticipantObjectIdentification", given)
    _code(found, "ParticipantObjectIDTypeCode", kind)
    if query:
        SubElement(found, "ParticipantObjectQuery").text = base64.b64encode(query.encode()).decode()
    else:
        SubElement(found, "ParticipantObjectName").text = _text(name)


def _code(parent: Element, tag: str, code: Code) -> None:
    value, system, meaning = code
    SubElement(parent, tag, {"csd-code": value, "codeSystemName": system, "originalText": meaning})


def _text(value: str) -> str:
    """What XML can hold of a name that a stranger chose; `?` for the rest, and for an empty one."""
    return "".join(char if char.isprintable() else "?" for char in value[:MOST_NAMED]) or "?"

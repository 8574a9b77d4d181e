"""Audit messages against the rules of the schema in PS3.15 A.5.1, as far as these messages can break them."""

import base64
import binascii
import logging
import os
import pwd
from collections.abc import Callable, Iterator
from datetime import datetime
from xml.etree.ElementTree import Element, fromstring, tostring

import pytest

from osteon.runtime import audit
from osteon.runtime.audit import Caller

ORDER = ("EventIdentification", "ActiveParticipant", "AuditSourceIdentification", "ParticipantObjectIdentification")
ATTRIBUTES = {
    # element: (required, optional)
    "AuditMessage": (set(), set()),
    "EventIdentification": ({"EventDateTime", "EventOutcomeIndicator"}, {"EventActionCode"}),
    "ActiveParticipant": (
        {"UserID", "UserIsRequestor"},
        {"AlternativeUserID", "UserName", "NetworkAccessPointID", "NetworkAccessPointTypeCode"},
    ),
    "AuditSourceIdentification": ({"AuditSourceID"}, {"AuditEnterpriseSiteID"}),
    "ParticipantObjectIdentification": (
        {"ParticipantObjectID"},
        {"ParticipantObjectTypeCode", "ParticipantObjectTypeCodeRole", "ParticipantObjectDataLifeCycle"},
    ),
    "MediaIdentifier": (set(), set()),
    "ParticipantObjectName": (set(), set()),
    "ParticipantObjectQuery": (set(), set()),
}
CODED = ({"csd-code", "codeSystemName", "originalText"}, {"displayName"})
VALUES = {
    "EventActionCode": set("CRUDE"),
    "EventOutcomeIndicator": {"0", "4", "8", "12"},
    "UserIsRequestor": {"true", "false"},
    "NetworkAccessPointTypeCode": set("12345"),
    "ParticipantObjectTypeCode": set("1234"),
    "ParticipantObjectTypeCodeRole": {str(role) for role in range(1, 27)},
}
CHILDREN = {
    "EventIdentification": (["EventID"], ["EventTypeCode", "EventOutcomeDescription"]),
    "ActiveParticipant": ([], ["RoleIDCode", "MediaIdentifier"]),
    "AuditSourceIdentification": ([], ["AuditSourceTypeCode"]),
}
MESSAGES: dict[str, Callable[[], None]] = {
    "received": lambda: audit.received("aarhus", Caller("ROOM1", "192.0.2.7"), "dimse", "4f1c"),
    "refused": lambda: audit.received("aarhus", Caller("archive", "2001:db8::1"), "stow", "", audit.REFUSED),
    "vault opened": lambda: audit.vault_opened(audit.here(), "4f1c"),
    "exported": lambda: audit.exported("aarhus", audit.here(), "report.html", "4f1c"),
    "queried": lambda: audit.queried("aarhus", Caller("worklist"), "/api/images?state=overdue&site=a b"),
    "no token": lambda: audit.sign_in_refused("aarhus", Caller("unknown", "192.0.2.7"), "console"),
    "a name made to break it": lambda: audit.received("a", Caller('<a b="\x00\x1b&\n', ""), "dimse", "4f1c"),
    "an endless name and question": lambda: audit.queried("a", Caller("n" * 10**5), "q" * 10**5),
    "no name": lambda: audit.received("a", Caller(""), "dimse", "4f1c"),
}


def faults(message: Element) -> list[str]:
    """What breaks the schema."""
    tags = [child.tag for child in message]
    found = [] if tags == sorted(tags, key=ORDER.index) else ["order"]
    found += [] if tags.count("EventIdentification") == tags.count("AuditSourceIdentification") == 1 else ["number"]
    found += [] if "ActiveParticipant" in tags else ["nobody took part"]
    for element in message.iter():
        required, optional = ATTRIBUTES.get(element.tag, CODED)
        given = set(element.attrib)
        found += [f"{element.tag}: {name}" for name in (required - given) | (given - required - optional)]
        found += [f"{name}={value}" for name, value in element.attrib.items() if value not in VALUES.get(name, {value})]
        found += [f"{element.tag}: empty {name}" for name, value in element.attrib.items() if not value.strip()]
        found += _children(element)
    datetime.fromisoformat(message[0].attrib["EventDateTime"])
    return found


def _children(element: Element) -> list[str]:
    tags = [child.tag for child in element]
    if element.tag == "ParticipantObjectIdentification":
        name_or_query = tags[1:]
        if tags[0] != "ParticipantObjectIDTypeCode" or name_or_query not in (
            ["ParticipantObjectName"],
            ["ParticipantObjectQuery"],
        ):
            return [f"{element.tag}: {tags}"]
        query = element.findtext("ParticipantObjectQuery")
        try:
            base64.b64decode(query or "", validate=True)
        except binascii.Error:
            return ["the query is not in base 64"]
        return []
    first, then = CHILDREN.get(element.tag, ([], []))
    if element.tag in CHILDREN and (tags[: len(first)] != first or set(tags[len(first) :]) - set(then)):
        return [f"{element.tag}: {tags}"]
    return []


@pytest.fixture
def audited(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[Element]]]:
    before = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)  # as a site that wants few logs
    yield lambda: [fromstring(record.audit) for record in caplog.records]  # type: ignore[attr-defined]
    logging.getLogger().setLevel(before)


@pytest.mark.parametrize("name", MESSAGES)
def test_an_audit_message_keeps_the_schema(name: str, audited: Callable[[], list[Element]]) -> None:
    MESSAGES[name]()

    (message,) = audited()
    assert faults(message) == []


@pytest.mark.parametrize("name", MESSAGES)
def test_a_repository_that_takes_what_the_standard_asks_for_takes_each_message(
    name: str, audited: Callable[[], list[Element]]
) -> None:
    MESSAGES[name]()

    (message,) = audited()
    assert len(tostring(message)) < 32_768 - 512  # with the header of syslog


def test_whoever_has_no_name_on_this_machine_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not {one.pw_uid for one in pwd.getpwall()} & {3_999_999_999}
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)

    assert audit.here() == Caller("uid 3999999999")


def test_the_check_of_the_schema_finds_what_breaks_it(audited: Callable[[], list[Element]]) -> None:
    MESSAGES["received"]()
    (message,) = audited()
    message[0].attrib["EventOutcomeIndicator"] = "1"
    del message[1].attrib["UserID"]
    message[-1].remove(message[-1][-1])
    message.append(message[0])

    assert len(faults(message)) >= 4


def test_a_transfer_says_who_sent_from_where_and_which_image(audited: Callable[[], list[Element]]) -> None:
    MESSAGES["received"]()

    (message,) = audited()
    sender = message[1].attrib
    assert (sender["UserID"], sender["NetworkAccessPointID"], sender["UserIsRequestor"]) == (
        "ROOM1", "192.0.2.7", "true",
    )  # fmt: skip
    assert message[-1].attrib["ParticipantObjectID"] == "4f1c"

"""The account finds what it is there to find."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from google.protobuf.message import Message

from osteon.bus import MemoryBus, Outgoing
from osteon.contracts import DeadLetter, ImageClassified, ImageHarmonized, ImageSetAside, ObjectRef
from osteon.contracts.topics import (
    DEAD_LETTER,
    IMAGE_CLASSIFIED,
    IMAGE_HARMONIZED,
    IMAGE_SET_ASIDE,
    TOPICS,
    Topic,
)
from osteon.store import MemoryStore
from osteon_ingest.identity import Keys, image_id
from tests.faults.account import FAULTS, Account, account
from tests.faults.radiographs import Radiograph
from tests.faults.report import verdict
from tests.faults.senders import Entry

KEYS = Keys.from_site_key(bytes(range(32)))
UIDS = ("1.2.3", "1.2.4", "1.2.5")
IDS = [image_id(KEYS, uid) for uid in UIDS]
IMAGES = [
    Radiograph(Path(), uid, expected) for uid, expected in zip(UIDS, ("classified", "classified", "blank"), strict=True)
]
SAID = [Entry(0.0, "folder", uid, said) for uid in UIDS for said in ("sent", "refused", "sent", "acknowledged")]

Written = tuple[Topic, Message]


def classified(one: str, release_set: str = "") -> Written:
    return IMAGE_CLASSIFIED, ImageClassified(image_id=one, release_set=release_set)


def harmonized(one: str, ref: ObjectRef, release_set: str = "") -> Written:
    return IMAGE_HARMONIZED, ImageHarmonized(image_id=one, object=ref, release_set=release_set)


def aside(one: str, reason: str) -> Written:
    return IMAGE_SET_ASIDE, ImageSetAside(image_id=one, reason=reason)


STORE = MemoryStore()
REF = STORE.put("harmonized", b"pixels", "application/dicom")
RIGHT = [*(harmonized(one, REF) for one in IDS[:2]), *(classified(one) for one in IDS[:2]), aside(IDS[2], "blank")]


def made_up(written: Sequence[Written], said: Sequence[Entry] = SAID) -> Account:
    bus = MemoryBus()
    bus.provision(TOPICS)
    publisher = bus.publisher()
    for topic, message in written:
        publisher.publish(Outgoing(topic, message))
    return account(IMAGES, said, bus, STORE, KEYS)


def test_one_outcome_each_is_right_however_often_an_image_was_sent_and_acknowledged() -> None:
    found = made_up(RIGHT, [*SAID, *SAID])

    assert found.is_right
    assert verdict(found) == "0 lost, 0 doubled"
    assert (found.n_sent, found.n_acknowledged, found.n_repeated, found.n_refused) == (3, 3, 3, 6)
    assert found.by_outcome == {"classified": 2, "blank": 1}


FOUND = {
    "lost": (RIGHT[:-1], IDS[2]),
    "doubled": ([*RIGHT, (DEAD_LETTER, DeadLetter(image_id=IDS[0], reason="bad-pixels"))], IDS[0]),
    "wrong": ([*RIGHT[:-1], aside(IDS[2], "truncated")], IDS[2]),
    "strange": ([*RIGHT, aside("f00", "blank")], "f00"),
    "missing": ([harmonized(IDS[0], ObjectRef(bucket="harmonized", key="gone")), *RIGHT[1:]], "harmonized/gone"),
    "mixed": ([harmonized(IDS[0], REF, "a"), RIGHT[1], classified(IDS[0], "b"), *RIGHT[3:]], IDS[0]),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_is_wrong_is_named_with_the_image(name: str) -> None:
    written, one = FOUND[name]

    found = made_up(written)

    assert {fault: list(getattr(found, fault)) for fault in FAULTS if getattr(found, fault)} == {name: [one]}
    assert not found.is_right


def test_a_step_that_was_taken_twice_is_a_double() -> None:
    found = made_up([*RIGHT, harmonized(IDS[1], REF)])

    assert found.doubled == [IDS[1]]


def test_an_image_that_was_never_acknowledged_may_have_no_outcome_and_is_told() -> None:
    found = made_up(RIGHT[:-1], [entry for entry in SAID if (entry.uid, entry.said) != (UIDS[2], "acknowledged")])

    assert found.lost == []
    assert found.never_taken == [IDS[2]]
    assert not found.is_right

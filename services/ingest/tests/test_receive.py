from collections.abc import Callable
from typing import Any

import pytest
from pydicom import Dataset

from osteon import store
from osteon.contracts import DOOR_FOLDER
from osteon.errors import Passing, SetAside
from osteon.runtime import trace
from osteon_ingest.identity import image_id
from osteon_ingest.peek import Header
from osteon_ingest.receive import INBOX, Mismatch, Threshold, receive
from osteon_ingest.seal import unseal

Make = Callable[..., Dataset]
Write = Callable[[Dataset], bytes]


def test_an_image_lies_sealed_in_the_inbox_when_it_is_announced(
    threshold: Threshold, announcements: Any, new_object: Make, as_file: Write
) -> None:
    made = new_object()
    data = as_file(made)

    receive(threshold, DOOR_FOLDER, data)

    (image,) = announcements.images
    assert image.image_id == image_id(threshold.keys, made.SOPInstanceUID)
    assert (image.site, image.door, image.object.bucket) == ("test", DOOR_FOLDER, INBOX)
    sealed = threshold.store.get(image.object)
    assert unseal(threshold.keys.inbox, sealed) == data
    assert b"Planted" not in sealed


def test_each_image_begins_a_trace_of_its_own(
    threshold: Threshold, announcements: Any, new_object: Make, as_file: Write
) -> None:
    for _ in range(2):
        receive(threshold, DOOR_FOLDER, as_file(new_object()))

    assert len({trace.trace_id(parent) for parent in announcements.traceparents} - {""}) == 2


def test_an_image_that_comes_twice_is_one_object_under_one_name(
    threshold: Threshold, announcements: Any, new_object: Make, as_file: Write
) -> None:
    data = as_file(new_object())

    receive(threshold, DOOR_FOLDER, data)
    receive(threshold, DOOR_FOLDER, data)

    first, second = announcements.images
    assert first.image_id == second.image_id
    assert first.object == second.object


def test_nothing_is_announced_while_the_store_is_away(
    settings: Any, threshold: Threshold, announcements: Any, new_object: Make, as_file: Write, unused_port: int
) -> None:
    away = store.connect(f"127.0.0.1:{unused_port}", "key", "secret")
    without_store = Threshold("test", threshold.keys, away, announcements, settings.max_object_bytes)

    with pytest.raises(Passing, match="store"):
        receive(without_store, DOOR_FOLDER, as_file(new_object()))

    assert not announcements.images


def test_an_image_is_not_safe_while_the_bus_is_away(
    threshold: Threshold, announcements: Any, new_object: Make, as_file: Write
) -> None:
    announcements.is_away = True

    with pytest.raises(Passing, match="bus"):
        receive(threshold, DOOR_FOLDER, as_file(new_object()))


def test_an_object_over_the_limit_is_refused(threshold: Threshold, new_object: Make, as_file: Write) -> None:
    with pytest.raises(SetAside) as refusal:
        receive(threshold, DOOR_FOLDER, as_file(new_object(rows=512)))

    assert refusal.value.reason == "too-large"


@pytest.mark.parametrize("claimed", [Header("9.9", "", ""), Header("", "9.9", ""), Header("", "", "9.9")])
def test_an_object_that_is_not_what_the_request_says_is_refused(
    threshold: Threshold, announcements: Any, new_object: Make, as_file: Write, claimed: Header
) -> None:
    with pytest.raises(Mismatch):
        receive(threshold, DOOR_FOLDER, as_file(new_object()), claimed)

    assert not announcements.images

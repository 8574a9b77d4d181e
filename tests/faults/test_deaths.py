"""Images that end whoever works them, and doors that die in the middle of one, among others that are fine.

All images of this file lie in one partition, so that each has the others before and behind it. Accept is halted until
all are received; then it has them in hand together.
"""

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from kafka.partitioner.default import murmur2
from pydicom import dcmread
from pydicom.uid import UID
from rich.progress import Progress

from osteon.bus import KafkaBus, connect
from osteon.contracts import ImageReceived, ImageSetAside
from osteon.contracts.topics import IMAGE_RECEIVED, IMAGE_SET_ASIDE
from osteon_ingest.identity import Keys, image_id
from osteon_stack.ports import HOST
from osteon_stack.prepare import connect_store
from osteon_stack.secrets import site_key
from osteon_stack.stack import Stack
from osteon_stack.state import read_states
from tests.faults.account import Account
from tests.faults.radiographs import Radiograph, write_radiographs
from tests.faults.run import settled
from tests.faults.senders import Entry, read_logs, senders

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

N_IMAGES = 19  # the twentieth would be blank
BEFORE, AFTER = (0, 2, 4), (5, 7, 9)  # one image at each door; another death of the same door would only wait longer
CRASHES, LOST, EXHAUSTS = 11, 13, 16
SEED = 4


@dataclass(frozen=True)
class Past:
    """What happened: the images with their ids, what the senders say, and the account."""

    ids: list[str]
    log: list[Entry]
    account: Account


@pytest.fixture(scope="module")
def past(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Past:
    folder = tmp_path_factory.mktemp("deaths")
    keys = Keys.from_site_key(site_key(stack.folder))
    images = list(_in_one_partition(folder / "radiographs", keys))
    ids = [image_id(keys, image.uid) for image in images]
    _lay(stack, ids)
    accept = read_states(stack.folder)["accept"].pid
    assert accept is not None

    os.kill(accept, signal.SIGSTOP)
    try:
        sending = senders(stack, images, 0.0, folder / "senders", SEED)
        for sender in sending:
            sender.start()
        for sender in sending:
            sender.join(300)
        _take_away(stack, ids[LOST])
    finally:
        os.kill(accept, signal.SIGCONT)

    images[CRASHES] = replace(images[CRASHES], expected="kills-worker")
    images[EXHAUSTS] = replace(images[EXHAUSTS], expected="kills-worker")
    images[LOST] = replace(images[LOST], expected="dead: object-missing")
    log = read_logs(folder / "senders")
    with Progress(disable=True) as progress:
        return Past(ids, log, settled(stack, images, log, progress))


def _in_one_partition(folder: Path, keys: Keys) -> Iterator[Radiograph]:
    """Radiographs under other UIDs, such that each falls into the first partition."""
    for image in write_radiographs(folder, N_IMAGES, SEED):
        uid = next(one for one in (f"{image.uid}.{n}" for n in itertools.count(1)) if _partition(keys, one) == 0)
        dataset = dcmread(image.path)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(uid)
        dataset.save_as(image.path)
        yield replace(image, uid=uid)


def _partition(keys: Keys, uid: str) -> int:
    return int(murmur2(image_id(keys, uid).encode()) & 0x7FFFFFFF) % IMAGE_RECEIVED.partitions


def _lay(stack: Stack, ids: list[str]) -> None:
    steps = {"before-publish": [ids[n] for n in BEFORE], "after-publish": [ids[n] for n in AFTER]}
    steps |= {"crash": [ids[CRASHES]], "exhaust": [ids[EXHAUSTS]]}
    for step, those in steps.items():
        for one in those:
            (stack.folder / "traps" / f"{step} {one}").touch()


def _take_away(stack: Stack, one: str) -> None:
    """Remove the object of an image that was received, so that nobody can ever work its record."""
    received = (ImageReceived.FromString(record.value or b"") for record in _bus(stack).read([IMAGE_RECEIVED]))
    store = connect_store(stack.folder, stack.ports)
    store.delete(next(message.object for message in received if message.image_id == one))


def _bus(stack: Stack) -> KafkaBus:
    return connect(f"{HOST}:{stack.ports.kafka}")


def test_all_were_in_one_partition(stack: Stack, past: Past) -> None:
    assert {record.partition for record in _bus(stack).read([IMAGE_RECEIVED])} == {0}


def test_every_image_has_its_one_outcome_and_the_neighbours_are_classified(past: Past) -> None:
    found = past.account

    assert found.is_right, found
    assert found.by_outcome == {"classified": N_IMAGES - 3, "kills-worker": 2, "dead: object-missing": 1}


@pytest.mark.parametrize("step", ["before-publish", "after-publish"])
def test_a_door_that_dies_at_a_step_tells_no_sender_that_the_image_is_safe(stack: Stack, past: Past, step: str) -> None:
    died = [past.ids[n] for n in (BEFORE if step == "before-publish" else AFTER)]
    keys = Keys.from_site_key(site_key(stack.folder))

    log = [entry for entry in past.log if image_id(keys, entry.uid) in died]

    assert not any((stack.folder / "traps" / f"{step} {one}").exists() for one in died)  # each of them died
    by_network = {entry.uid for entry in log if entry.said == "sent" and entry.sender != "folder"}
    assert {entry.uid for entry in log if entry.said == "refused"} == by_network  # in the folder a file just stays


def test_images_that_kill_are_set_aside_with_the_cause_of_the_last_death(stack: Stack, past: Past) -> None:
    asides = [ImageSetAside.FromString(record.value or b"") for record in _bus(stack).read([IMAGE_SET_ASIDE])]
    explained = {one.image_id: one.explanation for one in asides}

    assert "SIGSEGV" in explained[past.ids[CRASHES]]
    assert "SIGKILL" in explained[past.ids[EXHAUSTS]]


def test_accept_died_no_more_often_than_it_takes_to_find_the_two(
    stack: Stack, past: Past, until: Callable[..., None]
) -> None:
    until(lambda: read_states(stack.folder)["accept"].is_well)

    assert read_states(stack.folder)["accept"].n_restarts <= 4  # each once among others and once alone

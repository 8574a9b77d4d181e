"""Another release set is put in force, and rolled back, while images stream: none is lost, none is doubled.

Here by one sender that repeats what was refused; with five, by all doors, and with parts that die, in `make faults`.
"""

import dataclasses
import itertools
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from osteon.cohort.send import Parcel, send_by_stow
from osteon.contracts import ImageClassified, ImageHarmonized
from osteon.contracts.topics import IMAGE_CLASSIFIED, IMAGE_HARMONIZED
from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import DEMO_SITES, specimen
from osteon.release import Card
from osteon_ingest.identity import Keys, image_id
from osteon_stack.ports import HOST
from osteon_stack.secrets import site_key
from osteon_stack.services import connect_bus
from osteon_stack.stack import Stack

Osteon = Callable[..., "subprocess.CompletedProcess[str]"]
Until = Callable[..., None]
MODELS = Path(__file__).parents[2] / "models"
N_EACH = 3  # images at least before the switch, between, and after the rollback
PAUSE_S = 0.5  # of the sender, so that the path keeps up with it

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def another_classifier(tmp_path: Path) -> Path:
    """The same classifier as a second version."""
    folder = tmp_path / "cnn"
    shutil.copytree(MODELS / "cnn", folder)
    card = Card.from_json((folder / "card.json").read_text())
    (folder / "card.json").write_text(dataclasses.replace(card, version=2).to_json())
    return folder


def test_a_switch_and_a_rollback_while_images_come_lose_and_double_none(
    stack: Stack, osteon: Osteon, tmp_path: Path, another_classifier: Path, until: Until
) -> None:
    stack.up()
    settings = dict(_settings(osteon))
    models = ("--harmonizer", str(MODELS / "nyul"), "--classifier", str(another_classifier))

    with _images_coming(stack, tmp_path) as taken:
        until(lambda: len(taken) >= N_EACH)
        n_before = len(taken)
        switched = osteon("release", "make", *models, "--use", **settings)
        n_switched = len(taken)
        until(lambda: len(taken) >= n_switched + N_EACH)
        rolled_back = osteon("release", "rollback", **settings)
        n_rolled_back = len(taken)
        until(lambda: len(taken) >= n_rolled_back + N_EACH)
    waited = osteon("track", "--wait", "--timeout-s", "120")

    for one in (switched, rolled_back, waited):
        assert one.returncode == 0, one.stdout + one.stderr
    assert n_before < n_switched  # images were taken while the switch ran
    keys = Keys.from_site_key(site_key(stack.folder))
    ours = {image_id(keys, uid) for uid in taken}
    bus = connect_bus(stack.folder, stack.ports)
    harmonized = [ImageHarmonized.FromString(one.value or b"") for one in bus.read([IMAGE_HARMONIZED])]
    classified = [ImageClassified.FromString(one.value or b"") for one in bus.read([IMAGE_CLASSIFIED])]
    assert Counter(one.image_id for one in classified if one.image_id in ours) == Counter(ours)
    by_image = {one.image_id: one.release_set for one in harmonized}
    assert all(one.release_set == by_image[one.image_id] for one in classified)
    assert len({one.release_set for one in classified if one.image_id in ours}) == 2


@contextmanager
def _images_coming(stack: Stack, folder: Path) -> Iterator[list[str]]:
    """One image after the other while the body runs; the SOP Instance UIDs of those that were acknowledged."""
    taken: list[str] = []
    is_over = threading.Event()
    sender = threading.Thread(target=_send, args=(f"http://{HOST}:{stack.ports.stow}", folder, taken, is_over))
    sender.start()
    try:
        yield taken
    finally:
        is_over.set()
        sender.join()


def _send(door: str, folder: Path, taken: list[str], is_over: threading.Event) -> None:
    for number in itertools.count():
        dataset = specimen(number, number % DEMO_SITES, seed=5, pitch_mm=0.5).dataset
        path = folder / f"{number}.dcm"
        path.write_bytes(encoded(dataset, "1.2.840.10008.1.2.1"))
        while any(answer.text for answer in send_by_stow([Parcel(path, "stow")], f"{door}/dicomweb/studies")):
            if is_over.wait(PAUSE_S):  # refused: again, since nobody else has it
                return
        taken.append(str(dataset.SOPInstanceUID))
        if is_over.wait(PAUSE_S):
            return


def _settings(osteon: Osteon) -> Iterator[tuple[str, str]]:
    """What `osteon stack env` prints for the shell."""
    told = osteon("stack", "env")
    assert told.returncode == 0, told.stderr
    words = (line.removeprefix("export ") for line in told.stdout.splitlines() if line.startswith("export "))
    for name, value in (word.split("=", 1) for word in itertools.chain(words)):
        yield name, value.strip("'\"")

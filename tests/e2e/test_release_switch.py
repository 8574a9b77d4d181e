"""Another release set is put in force, and rolled back, while images stream: none is lost, none is doubled."""

import dataclasses
import itertools
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from osteon.bus import connect
from osteon.contracts import ImageClassified, ImageHarmonized
from osteon.contracts.topics import IMAGE_CLASSIFIED, IMAGE_HARMONIZED
from osteon.phantom.encoding import encoded
from osteon.phantom.radiograph import Case, femur_radiograph
from osteon.phantom.scanner import SITES
from osteon.release import Card
from osteon_ingest.identity import Keys, image_id
from osteon_stack.demo.send import Parcel, send_by_stow
from osteon_stack.ports import HOST
from osteon_stack.secrets import site_key
from osteon_stack.stack import Stack

Osteon = Callable[..., "subprocess.CompletedProcess[str]"]
MODELS = Path(__file__).parents[2] / "models"
N_EACH = 4  # images before the switch, between, and after the rollback

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def radiographs(tmp_path: Path) -> list[tuple[Path, str]]:
    """Files and their SOP Instance UIDs."""

    def write(number: int) -> tuple[Path, str]:
        site = SITES[number % len(SITES)]
        dataset = femur_radiograph(Case(5, "demo", number, "atypical"), site, pitch_mm=0.5)
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(encoded(dataset, "1.2.840.10008.1.2.1"))
        return path, str(dataset.SOPInstanceUID)

    return [write(number) for number in range(3 * N_EACH)]


@pytest.fixture
def another_classifier(tmp_path: Path) -> Path:
    """The same classifier as a second version."""
    folder = tmp_path / "cnn"
    shutil.copytree(MODELS / "cnn", folder)
    card = Card.from_json((folder / "card.json").read_text())
    (folder / "card.json").write_text(dataclasses.replace(card, version=2).to_json())
    return folder


def test_a_switch_and_a_rollback_lose_and_double_no_image(
    stack: Stack, osteon: Osteon, radiographs: list[tuple[Path, str]], another_classifier: Path
) -> None:
    stack.up()
    settings = dict(_settings(osteon))
    models = ("--harmonizer", str(MODELS / "nyul"), "--classifier", str(another_classifier))

    _send(stack, radiographs[:N_EACH])
    switched = osteon("release", "make", *models, "--use", **settings)
    assert switched.returncode == 0, switched.stdout + switched.stderr
    _send(stack, radiographs[N_EACH : 2 * N_EACH])
    rolled_back = osteon("release", "rollback", **settings)
    assert rolled_back.returncode == 0, rolled_back.stdout + rolled_back.stderr
    _send(stack, radiographs[2 * N_EACH :])
    waited = osteon("track", "--wait", "--timeout-s", "120")

    assert waited.returncode == 0, waited.stdout + waited.stderr
    keys = Keys.from_site_key(site_key(stack.folder))
    ours = {image_id(keys, uid) for _, uid in radiographs}
    bus = connect(f"{HOST}:{stack.ports.kafka}")
    harmonized = [ImageHarmonized.FromString(one.value or b"") for one in bus.read([IMAGE_HARMONIZED])]
    classified = [ImageClassified.FromString(one.value or b"") for one in bus.read([IMAGE_CLASSIFIED])]
    assert Counter(one.image_id for one in classified if one.image_id in ours) == Counter(ours)
    by_image = {one.image_id: one.release_set for one in harmonized}
    assert all(one.release_set == by_image[one.image_id] for one in classified)
    assert len({one.release_set for one in classified if one.image_id in ours}) == 2


def _send(stack: Stack, radiographs: list[tuple[Path, str]]) -> None:
    url = f"http://{HOST}:{stack.ports.stow}/dicomweb/studies"
    answers = list(send_by_stow([Parcel(path, "stow") for path, _ in radiographs], url))
    assert [answer.text for answer in answers] == [""] * len(radiographs)


def _settings(osteon: Osteon) -> Iterator[tuple[str, str]]:
    """What `osteon stack env` prints for the shell."""
    told = osteon("stack", "env")
    assert told.returncode == 0, told.stderr
    words = (line.removeprefix("export ") for line in told.stdout.splitlines() if line.startswith("export "))
    for name, value in (word.split("=", 1) for word in itertools.chain(words)):
        yield name, value.strip("'\"")

"""The demonstration as a user runs it, twice, on a stack of its own."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from osteon.contracts.topics import IMAGE_CLASSIFIED, IMAGE_DEIDENTIFIED, IMAGE_HARMONIZED, IMAGE_SET_ASIDE
from osteon_stack.ports import HOST
from osteon_stack.services import connect_bus
from osteon_stack.stack import Stack

Osteon = Callable[..., "subprocess.CompletedProcess[str]"]
OUTCOMES = (IMAGE_DEIDENTIFIED, IMAGE_HARMONIZED, IMAGE_CLASSIFIED, IMAGE_SET_ASIDE)
N_IMAGES = 12  # the six special files, and a femur of each site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_each_image_has_the_outcome_it_should_have_and_a_second_run_adds_nothing(
    stack: Stack, osteon: Osteon, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    command = ("demo", "--folder", str(stack.folder), "--report", str(report), "--n-images", str(N_IMAGES))

    first = osteon(*command)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "0 places" in first.stdout
    assert report.read_text().count("<img") == 2 * (N_IMAGES - 6)
    bus = connect_bus(stack.folder, stack.ports)
    written = {topic.name: len(bus.read([topic])) for topic in OUTCOMES}

    second = osteon(*command)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "seen-before" in second.stdout
    assert {topic.name: len(bus.read([topic])) for topic in OUTCOMES} == written


def test_track_follows_one_image_through_all_stages(stack: Stack, osteon: Osteon) -> None:
    asked = {"state": "classified", "limit": "1"}
    images = httpx.get(f"http://{HOST}:{stack.ports.console}/api/images", params=asked).json()

    told = osteon("track", images["images"][0]["image_id"], "--json")

    assert told.returncode == 0, told.stderr
    path = json.loads(told.stdout)["path"]
    assert {step["step"] for step in path} >= {"received", "deidentified", "harmonized", "classified"}
    assert len({step["trace_id"] for step in path if step["step"] != "received"}) == 1


def test_a_folder_without_a_single_radiograph_has_outcomes_too(stack: Stack, osteon: Osteon, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "notes.txt").write_text("no radiograph")
    (tmp_path / "images" / "empty.dcm").touch()

    told = osteon(
        "demo",
        "--folder",
        str(stack.folder),
        "--report",
        str(tmp_path / "r.html"),
        "--images",
        str(tmp_path / "images"),
    )

    assert told.returncode == 0, told.stdout + told.stderr
    assert "2 refused" in told.stdout

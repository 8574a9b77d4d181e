"""The demonstration as a user runs it, twice, on a stack of its own."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from osteon.bus import connect
from osteon.contracts.topics import IMAGE_CLASSIFIED, IMAGE_DEIDENTIFIED, IMAGE_HARMONIZED, IMAGE_SET_ASIDE
from osteon_stack.ports import HOST, Ports, free_ports
from osteon_stack.stack import Stack

OUTCOMES = (IMAGE_DEIDENTIFIED, IMAGE_HARMONIZED, IMAGE_CLASSIFIED, IMAGE_SET_ASIDE)
N_IMAGES = 12  # the six special files, and a femur of each site


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("demo") / "state", free_ports())
    yield stack
    stack.down()


def osteon(ports: Ports, *arguments: str) -> subprocess.CompletedProcess[str]:
    chosen = {f"OSTEON_STACK_{name.upper()}_PORT": str(port) for name, port in dataclasses.asdict(ports).items()}
    environment = {**os.environ, **chosen, "COLUMNS": "200", "OSTEON_CONSOLE_URL": f"http://{HOST}:{ports.console}"}
    command = [str(Path(sys.executable).with_name("osteon")), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)


def demo(stack: Stack, report: Path) -> subprocess.CompletedProcess[str]:
    folder = ("--folder", str(stack.folder), "--report", str(report))
    return osteon(stack.ports, "demo", *folder, "--n-images", str(N_IMAGES))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_each_image_has_the_outcome_it_should_have_and_a_second_run_adds_nothing(stack: Stack, tmp_path: Path) -> None:
    report = tmp_path / "report.html"

    first = demo(stack, report)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "0 places" in first.stdout
    assert report.read_text().count("<img") == 2 * (N_IMAGES - 6)
    bus = connect(f"{HOST}:{stack.ports.kafka}")
    written = {topic.name: len(bus.read([topic])) for topic in OUTCOMES}

    second = demo(stack, report)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "seen-before" in second.stdout
    assert {topic.name: len(bus.read([topic])) for topic in OUTCOMES} == written


@pytest.mark.slow
def test_track_follows_one_image_through_all_stages(stack: Stack) -> None:
    images = httpx.get(f"http://{HOST}:{stack.ports.console}/api/images", params={"state": "classified"}).json()

    told = osteon(stack.ports, "track", images["images"][0]["image_id"], "--json")

    assert told.returncode == 0, told.stderr
    path = json.loads(told.stdout)["path"]
    assert {step["step"] for step in path} >= {"received", "deidentified", "harmonized", "classified"}
    assert len({step["trace_id"] for step in path if step["step"] != "received"}) == 1

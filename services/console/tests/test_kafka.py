"""The service as a process, on a real broker: killed in the middle, and built again from the topics."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from osteon.bus.kafka import KafkaBus, connect
from osteon.bus.record import Outgoing, Record
from osteon.contracts.topics import TOPICS
from osteon.errors import Passing

from .story import Story

DEADLINE_S = 90.0
N_IMAGES = 30


def story_of(site: str) -> Story:
    """Images with an answer, some of them with a conflict or a duplicate beside it."""
    story = Story(site=site)
    for number in range(N_IMAGES):
        image_id = f"{site}-{number}"
        story.answer(image_id)
        if number % 3 == 1:
            story.receive(image_id)
        if number % 3 == 2:
            story.set_aside(story.receive(image_id, "ff"), "conflict")
    return story


def publish(bus: KafkaBus, records: list[Record]) -> None:
    topics = {topic.name: topic for topic in TOPICS}
    publisher = bus.publisher()
    for record in records:
        topic = topics[record.topic]
        assert record.value is not None
        publisher.publish(Outgoing(topic, topic.message.FromString(record.value), record.key.decode()))
    publisher.close()


class Console:
    """`python -m osteon_console`, and what it answers."""

    def __init__(self, kafka: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.database = folder / "console.sqlite"
        settings = {"KAFKA_SERVERS": kafka, "DATABASE_URL": f"sqlite:///{self.database}", "PORT": str(self.port)}
        self.environment = os.environ | {f"OSTEON_{name}": value for name, value in settings.items()}
        self.log = folder / "console.log"

    @contextlib.contextmanager
    def running(self, ended_by: signal.Signals = signal.SIGTERM) -> Iterator[None]:
        with self.log.open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", "osteon_console"], env=self.environment, stderr=log)
        try:
            yield
        finally:
            process.send_signal(ended_by)
            code = process.wait(timeout=DEADLINE_S)
        assert code == (0 if ended_by == signal.SIGTERM else -ended_by), self.log.read_text()

    def ask(self, path: str, **parameters: str | int) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.port}{path}", params=parameters).json()
        except httpx.TransportError:
            return {}
        return answer

    def n_rows(self, site: str, state: str = "") -> int:
        return int(self.ask("/api/images", site=site, state=state, limit=1).get("total", 0))

    def rows(self, site: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("/api/images", site=site, limit=1000)["images"]
        return found


@pytest.fixture
def bus(kafka: str, until: Callable[..., None]) -> KafkaBus:
    found = connect(kafka)
    until(lambda: provisioned(found))
    return found


def provisioned(bus: KafkaBus) -> bool:
    try:
        bus.provision(TOPICS)
    except Passing:  # a broker that has just started has no coordinator yet
        return False
    return True


@pytest.mark.slow
def test_a_console_that_is_killed_counts_nothing_twice_and_can_be_built_again(
    kafka: str, bus: KafkaBus, tmp_path: Path, until: Callable[..., None]
) -> None:
    site = f"site-{uuid.uuid4().hex[:8]}"
    story, console = story_of(site), Console(kafka, tmp_path)
    third = len(story.records) // 3
    n_rows = N_IMAGES + len(range(2, N_IMAGES, 3))

    with console.running(ended_by=signal.SIGKILL):
        publish(bus, story.records[:third])
        until(lambda: console.n_rows(site) > 0)
    with console.running(ended_by=signal.SIGKILL):
        publish(bus, story.records[third : 2 * third])
        until(lambda: console.n_rows(site) > N_IMAGES // 3)
    with console.running():
        publish(bus, story.records[2 * third :])
        until(lambda: console.n_rows(site, "classified") == N_IMAGES)
        until(lambda: console.n_rows(site) == n_rows)
        until(lambda: bool(console.ask("/api/summary")["is_current"]))
        told = console.rows(site)
        path = console.ask(f"/api/images/{site}-1")["path"]

    assert {row["n_outcomes"] for row in told} == {1}
    assert [step["step"] for step in path].count("received") == 2
    assert sorted(row["reason"] for row in told) == [""] * N_IMAGES + ["conflict"] * (n_rows - N_IMAGES)

    for file in tmp_path.glob("console.sqlite*"):
        file.unlink()
    with console.running():
        until(lambda: console.n_rows(site) == n_rows)
        until(lambda: bool(console.ask("/api/summary")["is_current"]))

        assert console.rows(site) == told

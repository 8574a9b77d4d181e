"""Stages to run on a bus in memory and on a real Kafka, and what came of them."""

import contextlib
import gc
import importlib.util
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from osteon.bus import Bus, MemoryBus, Outgoing, Stage, connect
from osteon.bus.record import Record
from osteon.contracts import DeadLetter, ImageHarmonized, ImageReceived, ImageSetAside
from osteon.contracts.topics import DEAD_LETTER, IMAGE_SET_ASIDE, Topic
from osteon.runtime.health import Health

SCRIPT = Path(__file__).with_name("running_stage.py")


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("running_stage", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["running_stage"] = module
    spec.loader.exec_module(module)
    return module


running_stage = _load()


@dataclass
class Running:
    """A stage on a thread of its own."""

    stop: threading.Event = field(default_factory=threading.Event)
    health: Health = field(default_factory=Health)
    error: BaseException | None = None
    thread: threading.Thread | None = None

    def end(self) -> None:
        self.stop.set()
        assert self.thread is not None
        self.thread.join(30)
        assert not self.thread.is_alive(), "the stage does not stop"


@dataclass(frozen=True)
class Scene:
    """One stage with topics of its own; `name` is unique, so that tests can share a broker."""

    bus: Bus
    name: str
    until: Callable[..., None]
    servers: str = ""

    def send(self, *image_ids: str, patient: str = "") -> None:
        publisher = self.bus.publisher()
        for image_id in image_ids:
            publisher.publish(Outgoing(running_stage.inputs(self.name), running_stage.image(image_id, patient)))
        publisher.close()

    def stage(self, **changes: Any) -> Stage:
        stage: Stage = running_stage.make_stage(self.name, **changes)
        return stage

    @contextlib.contextmanager
    def running(self, stage: Stage | None = None, bus: Bus | None = None, **changes: Any) -> Iterator[Running]:
        running = Running()
        one = stage or self.stage(**changes)

        def run() -> None:
            try:
                one.run(bus or self.bus, running.stop, running.health)
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                running.error = error

        running.thread = threading.Thread(target=run, daemon=True)
        running.thread.start()
        try:
            yield running
        finally:
            running.end()

    def process(self, kill_at: str = "never", *more: str, within: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
        """The same stage as a process of its own, on Kafka; `within` is a command that becomes the one behind it."""
        command = [sys.executable, str(SCRIPT), "run", self.name, self.servers, kill_at, *(more or ("plain",))]
        return subprocess.Popen([*within, *command], stderr=subprocess.DEVNULL)

    def harmonized(self) -> Counter[str]:
        records = self.bus.read([running_stage.outputs(self.name)])
        return Counter(ImageHarmonized.FromString(record.value or b"").image_id for record in records)

    def output_records(self) -> list[Record]:
        return self.bus.read([running_stage.outputs(self.name)])

    def dead(self) -> list[DeadLetter]:
        letters = [DeadLetter.FromString(record.value or b"") for record in self.bus.read([DEAD_LETTER])]
        return [letter for letter in letters if letter.stage == self.name]

    def aside(self) -> list[ImageSetAside]:
        found = [ImageSetAside.FromString(record.value or b"") for record in self.bus.read([IMAGE_SET_ASIDE])]
        return [one for one in found if one.stage == self.name]

    def outcomes(self) -> Counter[str]:
        """How many outcomes each image has."""
        return (
            self.harmonized()
            + Counter(letter.image_id for letter in self.dead())
            + Counter(one.image_id for one in self.aside())
        )

    def wait(self, n_outcomes: int) -> Counter[str]:
        """The outcomes, once there are at least so many."""
        self.until(lambda: self.outcomes().total() >= n_outcomes, what=lambda: f"outcomes: {self.outcomes()}")
        return self.outcomes()


def make_scene(bus: Bus, until: Callable[..., None], servers: str = "") -> Scene:
    name = f"t{uuid.uuid4().hex[:8]}"
    bus.provision(running_stage.topics(name))
    return Scene(bus, name, until, servers)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Sockets that kafka-python leaked are collected here, and not in somebody else's test."""
    yield
    gc.collect()


@pytest.fixture(params=["memory", "kafka"])
def scene(request: pytest.FixtureRequest, until: Callable[..., None]) -> Scene:
    """A stage on each kind of bus."""
    if request.param == "memory":
        return make_scene(MemoryBus(), until)
    return make_scene(connect(request.getfixturevalue("kafka"), session_timeout_s=6.0), until)


@pytest.fixture
def kafka_scene(kafka: str, until: Callable[..., None]) -> Scene:
    """A stage on a real broker."""
    return make_scene(connect(kafka, delivery_timeout_s=4.0, session_timeout_s=6.0), until, kafka)


@pytest.fixture
def settling() -> Callable[[str], dict[str, Any]]:
    """What makes a stage remember images, by its name."""
    return lambda name: {"settle": running_stage.make_settle(name), "state": running_stage.known(name)}


@pytest.fixture
def newer() -> Callable[[Scene], dict[str, Any]]:
    """A stage whose input comes from a newer version of the contracts: its door is not known yet."""

    def make(scene: Scene) -> dict[str, Any]:
        topic = Topic(f"test.{scene.name}.received", ImageReceived, "image_id", 1, readers=(scene.name,))
        scene.bus.provision([topic])
        received = ImageReceived.FromString(ImageReceived(image_id="a").SerializeToString() + b"\x20\x63")  # door = 99
        publisher = scene.bus.publisher()
        publisher.publish(Outgoing(topic, received))
        publisher.close()
        return {"consumes": topic}

    return make


@pytest.fixture
def without_reader() -> Callable[[Scene], Scene]:
    """The same scene with a stage for which no offsets were ever provisioned."""

    def make(scene: Scene) -> Scene:
        name = f"{scene.name}x"
        scene.bus.provision([replace(topic, readers=()) for topic in running_stage.topics(name)])
        return replace(scene, name=name)

    return make


@pytest.fixture
def scene_on(until: Callable[..., None]) -> Callable[[str], Scene]:
    """A stage on the broker at an address."""
    return lambda servers: make_scene(connect(servers, session_timeout_s=6.0), until, servers)


@pytest.fixture
def changed_topics() -> Callable[[Scene], list[Topic]]:
    """The table as it would be if somebody had changed it and not the broker."""

    def change(scene: Scene) -> list[Topic]:
        inputs, _, outputs, known, *_ = running_stage.topics(scene.name)
        return [
            replace(inputs, partitions=3),
            replace(outputs, retention_ms=None),
            replace(known, readers=("stranger",)),
            replace(known, name=f"test.{scene.name}.absent"),
        ]

    return change

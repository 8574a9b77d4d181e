"""What was planted in an image is in nothing that leaves the door and accept, whatever becomes of the image.

Not in objects, their names, records, keys, headers, dead letters, logs, metrics or what a dying process says.
"""

import io
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from prometheus_client import generate_latest
from pydicom import Dataset

from osteon.bus import MemoryBus
from osteon.contracts import DOOR_DIMSE, DOOR_STOW, DeadLetter, ImageReceived, ImageSetAside
from osteon.contracts.buckets import BUCKETS
from osteon.contracts.topics import DEAD_LETTER, IMAGE_DEIDENTIFIED, IMAGE_RECEIVED, IMAGE_SET_ASIDE, TOPICS
from osteon.errors import OsteonError
from osteon.imaging.quiet import quiet_pydicom
from osteon.runtime import logs
from osteon.store import MemoryStore
from osteon_ingest import accept
from osteon_ingest.coverage import NAME, NUMBER
from osteon_ingest.identity import Keys
from osteon_ingest.receive import Threshold, receive
from osteon_ingest.settings import IngestSettings

from .planted_datasets import datasets, is_clean, plant_everywhere
from .running_site import Wait

KEYS = Keys.from_site_key(bytes(range(32)))
Make = Callable[..., Dataset]
Write = Callable[[Dataset], bytes]


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What this process and its children wrote to standard output and error, as the service logs: all levels."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.start("ingest", "DEBUG")
    lines = io.StringIO()  # pytest takes the standard error of the fixture away from the test
    for handler in root.handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(lines)
    yield lambda: lines.getvalue() + "".join(capfd.readouterr())
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def new_radiograph(new_object: Make) -> Make:
    """A radiograph that would be accepted, of a patient whose name and number are planted."""

    def make() -> Dataset:
        made = new_object(rows=64, PixelSpacing=["0.5", "0.5"], PatientID=str(NUMBER), PatientName=f"{NAME}^Anna")
        made.PixelData = np.tile(np.linspace(1000, 4000, 64).astype(np.uint16), (64, 1)).tobytes()
        return made

    return make


def _outputs(bus: MemoryBus, store: MemoryStore) -> dict[str, bytes]:
    """All that can be read behind the door, by where it lies."""
    found = {"the metrics": generate_latest()}
    for bucket in BUCKETS:
        for one in store.list(bucket):
            found[f"an object of {bucket}"] = one.key.encode() + b"\n" + store.get_named(bucket, one.key)
    for record in bus.read(TOPICS):
        parts = (
            record.key,
            record.value or b"",
            *(part for name, value in record.headers for part in (name.encode(), value)),
        )
        found[f"a record of {record.topic} {record.offset}"] = b"\n".join(parts)
    return found


def _leaks(bus: MemoryBus, store: MemoryStore, said: str) -> list[str]:
    return [
        place for place, content in {**_outputs(bus, store), "the log": said.encode()}.items() if not is_clean(content)
    ]


@settings_of_hypothesis(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(planted_in=datasets(), end=st.sampled_from([None, None, None, -1, -4000, 9000, 400, 200, 131]))
def test_an_image_that_is_accepted_set_aside_or_refused_leaks_nothing(
    new_radiograph: Make, as_file: Write, said: Callable[[], str], planted_in: Dataset, end: int | None
) -> None:
    original = new_radiograph()
    plant_everywhere(original, planted_in)
    bus, store = MemoryBus(), MemoryStore()
    bus.provision(TOPICS)
    threshold = Threshold("test", KEYS, store, bus.publisher(), 1_000_000)
    texts = []
    with quiet_pydicom():  # for here a test plays the sender
        content = as_file(original)[:end]

    try:
        receive(threshold, DOOR_STOW, content)
    except OsteonError as error:
        texts.append(str(error))
    for record in bus.read([IMAGE_RECEIVED]):
        received = ImageReceived.FromString(record.value or b"")
        try:
            for one in accept.work(received, KEYS, store):
                bus.publisher().publish(one)
        except OsteonError as error:
            texts.append(str(error))

    assert _leaks(bus, store, said() + "\n".join(texts)) == []


EXCEPTIONS: dict[str, Callable[[str], BaseException]] = {
    "a value": ValueError,
    "a key": KeyError,
    "a text that is none": lambda text: UnicodeDecodeError("ascii", text.encode(), 0, 3, text),
    "a file": lambda text: FileNotFoundError(2, text, f"/spool/{text}.dcm"),
    "a cause": lambda text: _caused(text),
    "a group": lambda text: ExceptionGroup(text, [ValueError(text), KeyError(text)]),
}


def _caused(text: str) -> Exception:
    error = RuntimeError(text)
    error.__cause__ = ValueError(text)
    error.add_note(text)
    return error


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_an_exception_that_carries_a_value_leaks_nothing(
    settings: IngestSettings,
    new_radiograph: Make,
    as_file: Write,
    said: Callable[[], str],
    until: Wait,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    bus, store = MemoryBus(), MemoryStore()
    bus.provision(TOPICS)
    threshold = Threshold("test", KEYS, store, bus.publisher(), 1_000_000)
    stop = threading.Event()

    def fail(keys: Keys, site: str, image_id: str, original: bytes) -> None:
        raise EXCEPTIONS[kind](f"{NAME}^{NUMBER}")

    monkeypatch.setattr(accept, "examine", fail)
    stage = accept.make_stage(settings, store, KEYS)
    thread = threading.Thread(target=stage.run, args=(bus, stop))
    thread.start()
    try:
        receive(threshold, DOOR_DIMSE, as_file(new_radiograph()))
        until(lambda: bus.read([DEAD_LETTER, IMAGE_SET_ASIDE]))
    finally:
        stop.set()
        thread.join(30)

    told = said()
    assert _leaks(bus, store, told) == []
    assert "record worked" in told  # so that what was looked through is the log


DEATHS = {
    "an exception": "raise ValueError(name)",
    "an exit": "sys.exit(name)",
    "a signal": "os.abort()",
    "a fault in memory": "import ctypes; held = name; ctypes.string_at(0)",
    "too much memory": "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); held = [name] * (1 << 34)",
    "too deep": "def dive(name): dive(name)\n    dive(name)",
}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_worker_that_dies_with_an_image_in_hand_leaks_nothing(
    settings: IngestSettings,
    new_radiograph: Make,
    as_file: Write,
    said: Callable[[], str],
    until: Wait,
    death: str,
) -> None:
    """The subprocess that works an image alone, as `osteon.bus.isolate` starts it; here it dies of it."""
    bus, store = MemoryBus(), MemoryStore()
    bus.provision(TOPICS)
    receive(Threshold("test", KEYS, store, bus.publisher(), 1_000_000), DOOR_DIMSE, as_file(new_radiograph()))
    program = f"""
import os, resource, sys
from osteon.bus import work_one
from osteon.runtime import Settings
from osteon.runtime.service import run
def work(message, context):
    name = "".join(("ZQX", "PLANTED"))
    {death}
run("ingest-work-one", Settings, lambda settings, stop: work_one(work))
"""

    class Died(BaseException):
        """Stands for the death of the process that worked the image with others."""

    def die(step: str) -> None:
        if step == "worked":
            raise Died

    stage = replace(accept.make_stage(settings, store, KEYS), isolate=[sys.executable, "-c", program])
    for _ in range(2):
        with pytest.raises(Died):
            replace(stage, checkpoint=die).run(bus, threading.Event())
    stop = threading.Event()
    thread = threading.Thread(target=stage.run, args=(bus, stop))
    thread.start()
    try:
        until(lambda: bus.read([IMAGE_SET_ASIDE, DEAD_LETTER]))
    finally:
        stop.set()
        thread.join(30)

    (outcome,) = bus.read([IMAGE_DEIDENTIFIED, IMAGE_SET_ASIDE, DEAD_LETTER])
    kind = ImageSetAside if outcome.topic == IMAGE_SET_ASIDE.name else DeadLetter
    assert kind.FromString(outcome.value or b"").reason
    assert _leaks(bus, store, said()) == []

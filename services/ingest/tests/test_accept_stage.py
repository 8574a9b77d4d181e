"""Accept as a stage, on a bus in memory and on real servers."""

import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from osteon.bus import MemoryBus, Outgoing, State, connect
from osteon.contracts import ImageDeidentified, ImageSetAside
from osteon.contracts.topics import (
    DEAD_LETTER,
    IMAGE_DEIDENTIFIED,
    IMAGE_KNOWN,
    IMAGE_RECEIVED,
    IMAGE_SET_ASIDE,
    TOPICS,
)
from osteon.runtime import metrics
from osteon.store import MemoryStore, Store
from osteon.store import connect as connect_store
from osteon_ingest.accept import make_stage
from osteon_ingest.settings import IngestSettings

from .accepting import KEYS, Site

Make = Callable[..., Dataset]
Write = Callable[[Dataset], bytes]
Wait = Callable[..., None]


def test_the_stage_on_a_bus_in_memory_gives_each_record_one_outcome(
    settings: IngestSettings, new_radiograph: Make, as_file: Write, until: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bus, store = MemoryBus(), MemoryStore()
    bus.provision(TOPICS)
    site = Site(store, State(None), [])

    _through_a_stage(bus, store, site, settings, new_radiograph, as_file, until)

    assert not any("Planted" in one or "ZZ-1729" in one for one in caplog.messages)


@pytest.mark.slow
def test_the_stage_on_real_servers_gives_each_record_one_outcome(
    settings: IngestSettings, new_broker: Any, seaweedfs: Any, new_radiograph: Make, as_file: Write, until: Wait
) -> None:
    bus = connect(new_broker().address)  # on a shared one the doors' tests have left what this stage could not open
    bus.provision(TOPICS)
    store = connect_store(seaweedfs.endpoint, seaweedfs.access_key, seaweedfs.secret_key)
    site = Site(store, State(None), [])

    _through_a_stage(bus, store, site, settings, new_radiograph, as_file, until)


def _through_a_stage(
    bus: Any, store: Store, site: Site, settings: IngestSettings, new_radiograph: Make, as_file: Write, until: Wait
) -> None:
    """Send a new image, a duplicate, a conflict, a copy under another UID and a broken file, twice."""
    first, conflict, copy, broken = new_radiograph(), new_radiograph(level=1500), new_radiograph(), new_radiograph()
    conflict.SOPInstanceUID = first.SOPInstanceUID
    contents = [(as_file(one), one.SOPInstanceUID) for one in (first, first, conflict, copy)]
    contents.append((as_file(broken)[:-2000], broken.SOPInstanceUID))
    received = [site.received(*one) for one in contents]
    publisher = bus.publisher()
    stop = threading.Event()
    stage = make_stage(settings, store, KEYS)
    thread = threading.Thread(target=stage.run, args=(bus, stop))
    n_before = _n_worked()
    thread.start()
    try:
        for one in received * 2:
            publisher.publish(Outgoing(IMAGE_RECEIVED, one), "")
        until(lambda: _n_worked() - n_before >= 2 * len(contents))
    finally:
        stop.set()
        thread.join(30)

    written = bus.read([IMAGE_DEIDENTIFIED, IMAGE_SET_ASIDE, DEAD_LETTER])
    asides = [ImageSetAside.FromString(one.value) for one in written if one.topic == IMAGE_SET_ASIDE.name]
    images = [ImageDeidentified.FromString(one.value) for one in written if one.topic == IMAGE_DEIDENTIFIED.name]
    assert sorted(one.reason for one in asides) == ["conflict", "truncated"]
    assert len(images) == 2
    assert len(written) == 4
    assert sum(bool(one.same_pixels_as) for one in images) == 1


class Killed(BaseException):
    """Stands for the death of a process, within this one."""


def test_an_image_that_kills_its_workers_is_set_aside_once_and_kills_nobody_when_it_comes_again(
    settings: IngestSettings, new_radiograph: Make, as_file: Write, until: Wait, tmp_path: Path
) -> None:
    bus, store, deaths = MemoryBus(), MemoryStore(), tmp_path / "deaths"
    bus.provision(TOPICS)
    deaths.touch()
    original = new_radiograph()
    received = Site(store, State(None), []).received(as_file(original), original.SOPInstanceUID)
    dying = f"import os; open({str(deaths)!r}, 'a').write('x'); print('{{\"begun\": true}}', flush=True); os.abort()"

    def die(step: str) -> None:
        if step == "worked":
            deaths.write_text(deaths.read_text() + "x")
            raise Killed

    stage = replace(make_stage(settings, store, KEYS), isolate=[sys.executable, "-c", dying])
    bus.publisher().publish(Outgoing(IMAGE_RECEIVED, received), "")
    for _ in range(2):  # with others in hand, then alone
        with pytest.raises(Killed):
            replace(stage, checkpoint=die).run(bus, threading.Event())
    stop, n_before = threading.Event(), _n_worked()
    thread = threading.Thread(target=stage.run, args=(bus, stop))
    thread.start()
    try:
        until(lambda: _n_worked() == n_before + 1)
        n_deaths = len(deaths.read_text())
        bus.publisher().publish(Outgoing(IMAGE_RECEIVED, received), "")
        until(lambda: _n_worked() == n_before + 2)
    finally:
        stop.set()
        thread.join(30)

    (outcome,) = bus.read([IMAGE_DEIDENTIFIED, IMAGE_SET_ASIDE, DEAD_LETTER])
    assert ImageSetAside.FromString(outcome.value or b"").reason == "kills-worker"
    assert len(bus.read([IMAGE_KNOWN])) == 1
    assert len(deaths.read_text()) == n_deaths == 4


def _n_worked() -> float:
    """Records that a stage `accept` of this process has committed."""
    samples = [one for metric in metrics.RECORDS.collect() for one in metric.samples]
    return sum(one.value for one in samples if one.name.endswith("_total") and one.labels["stage"] == "accept")

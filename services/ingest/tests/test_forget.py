"""A patient is forgotten: nothing of them is left in any place, and nothing of anybody else is touched."""

import dataclasses
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from osteon.bus import MemoryBus, Outgoing, Stage, connect
from osteon.cohort.readers.stored import on_the_bus
from osteon.contracts import ImageDeidentified, ImageHarmonized
from osteon.contracts.topics import (
    IMAGE_DEIDENTIFIED,
    IMAGE_HARMONIZED,
    IMAGE_KNOWN,
    TOPICS,
)
from osteon.errors import Fatal
from osteon.runtime import read_settings
from osteon.store import MemoryStore
from osteon.store import connect as connect_store
from osteon_ingest.accept import make_stage
from osteon_ingest.forget import Place, forget, would_forget
from osteon_ingest.identity import Keys, image_id, pseudonym
from osteon_ingest.settings import IngestSettings
from osteon_ingest.traces import PLACES, find

from .running_site import Site, Wait, passing

OLD = Keys.from_site_key(secrets.token_bytes(32))
SECRET = secrets.token_hex(32)
KEYS = Keys.from_site_key(SECRET, epoch="2")
BOTH = dataclasses.replace(KEYS, former=(OLD,))
OSTEON = str(Path(sys.executable).with_name("osteon"))
HERS, HIS = "ZZ-1729", "ZZ-1730"
TOKEN = secrets.token_hex(32)
Make = Callable[..., Dataset]
Write = Callable[[Dataset], bytes]


@pytest.fixture
def settings() -> IngestSettings:
    return read_settings(IngestSettings, {}, site="test", site_key=secrets.token_hex(32))


@pytest.fixture
def site(settings: IngestSettings, until: Wait) -> Site:
    bus = MemoryBus()
    bus.provision(TOPICS)
    return Site(bus, MemoryStore(), settings, until)


@pytest.fixture
def new_radiograph(new_object: Make) -> Make:
    """A radiograph that nothing is wrong with; each has pixels of its own."""

    def make(patient_id: str = HERS, **elements: object) -> Dataset:
        made = new_object(rows=64, PixelSpacing=["0.5", "0.5"], PatientID=patient_id, **elements)
        level = secrets.randbelow(20000)
        made.PixelData = np.tile(np.linspace(level, level + 3000, 64).astype(np.uint16), (64, 1)).tobytes()
        return made

    return make


def _fill(site: Site, new_radiograph: Make, as_file: Write) -> Dataset:
    """Her two images and his one, a broken copy of hers, and his under her UID; gives her first."""
    first, second, his, usurper = (new_radiograph(one) for one in (HERS, HERS, HIS, HIS))
    usurper.SOPInstanceUID = first.SOPInstanceUID
    usurper.file_meta.MediaStorageSOPInstanceUID = first.SOPInstanceUID
    for one in (first, usurper, his, second):
        site.send(as_file(one), one.SOPInstanceUID, KEYS)
    _harmonize(site, second.SOPInstanceUID, says=True)
    _harmonize(site, second.SOPInstanceUID, says=False)
    broken = new_radiograph(HERS)
    site.send(as_file(broken)[:-2000], broken.SOPInstanceUID, KEYS)
    return first


def test_nothing_of_a_patient_is_left_and_all_of_another_one_is(
    site: Site, new_radiograph: Make, as_file: Write
) -> None:
    _check_forgetting(site, new_radiograph, as_file)


@pytest.fixture
def real_site(settings: IngestSettings, broker: Any, seaweedfs: Any, until: Wait) -> Site:
    bus = connect(broker.address)
    bus.provision(TOPICS)
    return Site(bus, connect_store(seaweedfs.endpoint, seaweedfs.access_key, seaweedfs.secret_key), settings, until)


@pytest.fixture
def environment(broker: Any, seaweedfs: Any) -> dict[str, str]:
    """What `osteon patient forget` needs at that site."""
    mine = {name: value for name, value in os.environ.items() if name != "OSTEON_CONSOLE_URL"}
    return mine | {
        "COLUMNS": "200",
        "OSTEON_SITE": "test",
        "OSTEON_SITE_KEY": SECRET,
        "OSTEON_KEY_EPOCH": "2",
        "OSTEON_KAFKA_SERVERS": broker.address,
        "OSTEON_STORE_ENDPOINT": seaweedfs.endpoint,
        "OSTEON_STORE_ACCESS_KEY": seaweedfs.access_key,
        "OSTEON_STORE_SECRET_KEY": seaweedfs.secret_key,
    }


@pytest.mark.slow
def test_nothing_of_a_patient_is_left_on_real_servers(
    real_site: Site, environment: dict[str, str], new_radiograph: Make, as_file: Write
) -> None:
    _check_forgetting(real_site, new_radiograph, as_file)
    audited: list[bool] = []

    def command(*arguments: str) -> str:
        """`osteon patient forget`, as a user types it."""
        told = subprocess.run(
            [OSTEON, "patient", "forget", *arguments],
            env=environment, input=f"{HIS}\n\n", capture_output=True, text=True, check=False, timeout=200,
        )  # fmt: skip
        assert told.returncode == 0, told.stdout + told.stderr
        assert HIS not in told.stdout + told.stderr
        audited.append("Patient Record" in told.stderr)
        return " ".join(told.stdout.split())

    assert "bucket inbox 2 would be deleted" in command("--dry-run")
    assert audited == [True]  # it looked into the vault
    assert not real_site.find(HIS, KEYS).is_empty
    with real_site.running(KEYS):
        told = command()
    assert "bucket inbox 2 gone bucket receipts 1 gone bucket images 2 gone" in told
    assert "osteon.image.known 1 gone; from Kafka's disk by 2" in told
    assert not any(real_site.find(HIS, KEYS).objects.values())
    assert "bucket inbox 0 gone" in command()  # and again, while accept does not run


@pytest.mark.slow
def test_what_is_on_its_way_is_waited_for_and_forgotten_too(
    real_site: Site, environment: dict[str, str], new_radiograph: Make, as_file: Write, tmp_path: Path
) -> None:
    slow, in_hand, goes_on = _slow_harmonize(real_site)
    before, original, told = real_site.objects(), new_radiograph("ZZ-1731"), tmp_path / "told"
    real_site.take_in(as_file(original), original.SOPInstanceUID, KEYS)
    with told.open("wb") as errors, ExitStack() as running:
        command = subprocess.Popen(
            [OSTEON, "patient", "forget"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        running.callback(command.kill)
        assert command.stdin is not None
        command.stdin.write(b"ZZ-1731\n\n")
        command.stdin.flush()
        real_site.wait(lambda: "accept has 1 to pass" in told.read_text(), what=told.read_text)
        accept = make_stage(real_site.settings, real_site.store, KEYS)
        for stage in (accept, slow, passing("classify", IMAGE_HARMONIZED)):
            running.enter_context(real_site.running_stage(stage))
        running.callback(goes_on.set)  # first, should this test fail
        real_site.wait(lambda: "harmonize has 1 to pass" in told.read_text(), what=told.read_text)
        assert in_hand.wait(100)
        assert real_site.objects() - before  # nothing is gone before it is past

        goes_on.set()
        printed = " ".join(command.communicate(timeout=200)[0].decode().split())

    assert command.returncode == 0, told.read_text()
    assert "before accept 1 waited for, and passed" in printed
    assert "before harmonize 1 waited for, and passed" in printed
    assert "bucket harmonized 1 gone bucket vault 1 gone osteon.image.known 1 gone" in printed
    assert real_site.objects() == before


def _slow_harmonize(site: Site) -> tuple[Stage, threading.Event, threading.Event]:
    """A stage that has an image in hand, and writes it when it is told to go on."""
    in_hand, goes_on = threading.Event(), threading.Event()

    def harmonize(message: ImageDeidentified, _: object) -> list[Outgoing]:
        content = site.store.get(message.object)
        in_hand.set()
        goes_on.wait(100)
        derived = site.store.put("harmonized", content + b"\0", "application/dicom")
        done = ImageHarmonized(image_id=message.image_id, patient=message.patient, object=derived)
        return [Outgoing(IMAGE_HARMONIZED, done)]

    stage = Stage(name="harmonize", site="test", consumes=IMAGE_DEIDENTIFIED, work=harmonize, n_threads=1)
    return stage, in_hand, goes_on


def test_a_stage_that_stands_with_an_image_in_hand_is_named_and_what_it_writes_is_found_by_a_repetition(
    site: Site, new_radiograph: Make, as_file: Write
) -> None:
    slow, in_hand, goes_on = _slow_harmonize(site)
    with ExitStack() as running:
        for stage in (make_stage(site.settings, site.store, KEYS), slow, passing("classify", IMAGE_HARMONIZED)):
            running.enter_context(site.running_stage(stage))
        running.callback(goes_on.set)
        original = new_radiograph()
        site.send(as_file(original), original.SOPInstanceUID, KEYS)
        assert in_hand.wait(100)

        first = site.forget(HERS, KEYS, wait_s=0.0)
        goes_on.set()
        second = site.forget(HERS, KEYS)

    assert first["before harmonize"].outcome.startswith("not passed: when harmonize runs")
    assert first["bucket images"].n == 1
    assert second["bucket harmonized"].n == 1
    assert not site.objects()


def _check_forgetting(site: Site, new_radiograph: Make, as_file: Write) -> None:
    with site.running(KEYS):
        first = _fill(site, new_radiograph, as_file)
        his = {(bucket, ref.key) for bucket, refs in site.find(HIS, KEYS).objects.items() for ref in refs}
        hers = {(bucket, ref.key) for bucket, refs in site.find(HERS, KEYS).objects.items() for ref in refs}
        assert len([one for one in hers if one[0] == "inbox"]) == 3
        assert len([one for one in hers if one[0] == "harmonized"]) == 2
        assert not his & hers
        usable = {one.image_id for one in on_the_bus(site.bus)}

        places = site.forget(HERS, KEYS)

        assert not site.objects() & hers
        assert site.objects() >= his
        assert [places[f"bucket {bucket}"].n for bucket in ("inbox", "harmonized")] == [3, 2]
        assert "come meanwhile" not in places
        assert all(places[f"bucket {bucket}"].outcome == "gone" for bucket in PLACES)
        assert places[IMAGE_KNOWN.name].outcome.startswith("gone; from Kafka's disk by 2")
        assert " by 2" in places[IMAGE_DEIDENTIFIED.name].outcome
        assert not any(site.find(HERS, KEYS).objects.values())
        assert not site.find(HIS, KEYS).is_empty
        still_usable = {one.image_id for one in on_the_bus(site.bus)}  # by `osteon cohort from-store`
        assert image_id(KEYS, first.SOPInstanceUID) in usable - still_usable
        assert len(usable - still_usable) == 2
        assert still_usable

        site.send(as_file(first), first.SOPInstanceUID, KEYS)  # which would be a duplicate of what is remembered
        (again,) = site.find(HERS, KEYS).objects["images"]
        assert site.store.exists(again)


def test_a_dry_run_changes_nothing(site: Site, new_radiograph: Make, as_file: Write) -> None:
    with site.running(KEYS):
        _fill(site, new_radiograph, as_file)
        before = site.objects(), len(site.bus.read(TOPICS))

        places = _by_name(would_forget(site.find(HERS, KEYS)))

    assert (site.objects(), len(site.bus.read(TOPICS))) == before
    assert places["bucket inbox"].n == 3


def test_forgetting_twice_is_forgetting_once(site: Site, new_radiograph: Make, as_file: Write) -> None:
    with site.running(KEYS):
        _fill(site, new_radiograph, as_file)
        site.forget(HERS, KEYS)
        left = site.objects()

        again = site.forget(HERS, KEYS)

    assert site.objects() == left
    assert again["bucket images"].n == 0


def test_while_accept_does_not_run_it_is_told_so(site: Site, new_radiograph: Make, as_file: Write) -> None:
    with site.running(KEYS):
        original = new_radiograph()
        site.send(as_file(original), original.SOPInstanceUID, KEYS)

    places = site.forget(HERS, KEYS, wait_s=0.0)

    assert "does not run" in places[IMAGE_KNOWN.name].outcome
    with site.running(KEYS):
        site.wait(lambda: site.bus.read([IMAGE_KNOWN])[-1].value is None)


def test_objects_are_found_when_no_record_tells_of_them_any_more(
    site: Site, new_radiograph: Make, as_file: Write
) -> None:
    with site.running(KEYS):
        _fill(site, new_radiograph, as_file)
    his = site.find(HIS, KEYS).objects
    hers = site.find(HERS, KEYS).objects
    emptied = MemoryBus()
    emptied.provision(TOPICS)

    later = dataclasses.replace(site, bus=emptied)

    assert later.find(HERS, KEYS).objects == hers | {"receipts": later.find(HERS, KEYS).objects["receipts"]}
    assert later.find(HIS, KEYS).objects == his | {"receipts": later.find(HIS, KEYS).objects["receipts"]}


def test_images_of_an_earlier_site_key_are_found_by_either_pseudonym(
    site: Site, new_radiograph: Make, as_file: Write
) -> None:
    for keys in (OLD, BOTH):
        with site.running(keys):
            original = new_radiograph()
            site.send(as_file(original), original.SOPInstanceUID, keys)

    by_id = site.find(HERS, BOTH)
    by_name = [
        find(site.bus, site.store, BOTH, "test", frozenset([pseudonym(keys, "test", HERS)])) for keys in (OLD, KEYS)
    ]

    assert len(by_id.images) == 2
    assert [one.images for one in by_name] == [by_id.images] * 2
    assert [len(by_id.objects[bucket]) for bucket in ("inbox", "images", "vault")] == [2, 2, 2]


def _by_name(places: list[Place]) -> dict[str, Place]:
    return {place.name: place for place in places}


def _harmonize(site: Site, uid: str, *, says: bool) -> None:
    """What the harmonizer does with an image; without a record, as one that was killed."""
    found = (ImageDeidentified.FromString(one.value or b"") for one in site.bus.read([IMAGE_DEIDENTIFIED]))
    message = next(one for one in found if one.image_id == image_id(KEYS, uid))
    derived = site.store.put("harmonized", site.store.get(message.object) + bytes(says), "application/dicom")
    if says:
        done = ImageHarmonized(
            image_id=message.image_id, patient=message.patient, object=derived, original=message.object
        )
        publisher = site.bus.publisher()
        publisher.publish(Outgoing(IMAGE_HARMONIZED, done))
        publisher.close()


@pytest.fixture
def strict_console() -> Iterator[tuple[str, list[int]]]:
    """A console's address that knows no image and answers TOKEN alone, and the statuses that it gave."""
    given: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given.append(404 if self.headers["Authorization"] == f"Bearer {TOKEN}" else 401)
            self.send_error(given[-1])

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_address[1]}", given
    http.shutdown()
    http.server_close()


@pytest.mark.parametrize(("token", "told"), [(TOKEN, "gone"), ("wrong", "OSTEON_CONSOLE_TOKEN"), ("", "knows no such")])
def test_a_locked_console_is_asked_with_the_token_and_without_one_only_once(
    site: Site, strict_console: tuple[str, list[int]], monkeypatch: pytest.MonkeyPatch, token: str, told: str
) -> None:
    url, given = strict_console
    monkeypatch.setenv("OSTEON_CONSOLE_URL", url)
    monkeypatch.setenv("OSTEON_CONSOLE_TOKEN", token)
    found = site.find(HERS, KEYS)
    found.images.add("0" * 32)

    told_by = forget(found, lambda _: found, site.bus, site.store, "test", wait_s=0.0)

    assert told in _by_name(told_by)["the console's table"].outcome
    assert given.count(401) == (token != TOKEN)


def test_a_token_goes_to_no_console_in_the_clear(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEON_CONSOLE_URL", "http://192.0.2.1:8090")
    monkeypatch.setenv("OSTEON_CONSOLE_TOKEN", TOKEN)

    with pytest.raises(Fatal, match="read by the network"):
        site.forget(HERS, KEYS, wait_s=0.0)

"""All doors as processes, on a real broker and a real store."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pydicom import Dataset
from pynetdicom import AE

from osteon import bus, store
from osteon.contracts import DOOR_DIMSE, DOOR_FOLDER, DOOR_STOW, ImageReceived
from osteon.contracts.topics import IMAGE_RECEIVED
from osteon_ingest.identity import Keys, image_id
from osteon_ingest.seal import unseal

Make = Callable[..., Dataset]
Write = Callable[[Dataset], bytes]
Until = Callable[..., None]
DX = "1.2.840.10008.5.1.4.1.1.1.1"
SITE_KEY = secrets.token_hex(32)


class Doors:
    """The doors as a process, and what was announced on the bus since they were opened."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.environment = environment
        self.dimse_port = int(environment["OSTEON_DIMSE_PORT"])
        self.stow_port = int(environment["OSTEON_STOW_PORT"])
        self.folder = Path(environment["OSTEON_FOLDER"])
        self.log = log
        with log.open("wb") as file:
            self.process = psutil.Popen([sys.executable, "-m", "osteon_ingest", "doors"], env=environment, stderr=file)

    def send(self, *made: Dataset) -> list[int | None]:
        """The status of each C-STORE, or None where the association was gone."""
        sender = AE("MODALITY")
        sender.add_requested_context(DX)
        association = sender.associate("127.0.0.1", self.dimse_port)
        statuses = [association.send_c_store(one).get("Status") if association.is_established else None for one in made]
        association.release()
        return statuses

    def post(self, *files: bytes) -> httpx.Response:
        parts = b"".join(b"--xyz\r\n\r\n" + file + b"\r\n" for file in files)
        headers = {"content-type": 'multipart/related; type="application/dicom"; boundary=xyz'}
        url = f"http://127.0.0.1:{self.stow_port}/dicomweb/studies"
        return httpx.post(url, content=parts + b"--xyz--", headers=headers, timeout=120)

    def announced(self) -> list[ImageReceived]:
        found = bus.connect(self.environment["OSTEON_KAFKA_SERVERS"]).read([IMAGE_RECEIVED])
        return [ImageReceived.FromString(record.value or b"") for record in found]

    def get(self, path: str) -> str:
        url = f"http://127.0.0.1:{self.environment['OSTEON_HEALTH_PORT']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):
            return ""


@pytest.fixture
def open_doors(
    seaweedfs: Any, free_port: Callable[[], int], tmp_path: Path, until: Until
) -> Iterator[Callable[..., Doors]]:
    opened: list[Doors] = []

    def start(kafka: str, **settings: str) -> Doors:
        bus.connect(kafka).provision([IMAGE_RECEIVED])
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OSTEON_")} | {
            "OSTEON_SITE_KEY": SITE_KEY,
            "OSTEON_KAFKA_SERVERS": kafka,
            "OSTEON_STORE_ENDPOINT": seaweedfs.endpoint,
            "OSTEON_STORE_ACCESS_KEY": seaweedfs.access_key,
            "OSTEON_STORE_SECRET_KEY": seaweedfs.secret_key,
            "OSTEON_DIMSE_HOST": "127.0.0.1",
            "OSTEON_DIMSE_PORT": str(free_port()),
            "OSTEON_STOW_HOST": "127.0.0.1",
            "OSTEON_STOW_PORT": str(free_port()),
            "OSTEON_FOLDER": str(tmp_path / "watched"),
            "OSTEON_FOLDER_LOOK_S": "0.1",
            "OSTEON_SWEEP_EVERY_S": "0",
            "OSTEON_HEALTH_PORT": str(free_port()),
            **settings,
        }
        doors = Doors(environment, tmp_path / f"doors-{len(opened)}.log")
        opened.append(doors)
        until(lambda: doors.process.poll() is not None or doors.get("/readyz") == "ready\n")
        return doors

    yield start
    for doors in opened:
        children = doors.process.children() if doors.process.is_running() else []
        doors.process.terminate()
        doors.process.wait(90)
        assert not psutil.wait_procs(children, timeout=60)[1]
        sys.stderr.write(doors.log.read_text())


@pytest.mark.slow
def test_images_come_in_by_every_door(
    open_doors: Callable[..., Doors],
    kafka: str,
    seaweedfs: Any,
    new_object: Make,
    as_file: Write,
    until: Until,
) -> None:
    doors = open_doors(kafka)
    by_dimse, by_stow, by_folder = new_object(), new_object(), new_object()

    assert doors.send(by_dimse) == [0x0000]
    assert doors.post(as_file(by_stow)).status_code == 200
    (doors.folder / "a.dcm").write_bytes(as_file(by_folder))
    until(lambda: (doors.folder / "done" / "a.dcm").exists())

    keys = Keys.from_site_key(SITE_KEY)
    announced = {image.image_id: image for image in doors.announced()}
    images = [announced[image_id(keys, made.SOPInstanceUID)] for made in (by_dimse, by_stow, by_folder)]
    assert [image.door for image in images] == [DOOR_DIMSE, DOOR_STOW, DOOR_FOLDER]
    inbox = store.connect(seaweedfs.endpoint, seaweedfs.access_key, seaweedfs.secret_key)
    assert unseal(keys.inbox, inbox.get(images[1].object)) == as_file(by_stow)
    assert 'osteon_door_received_total{door="stow",outcome="received"} 1.0' in doors.get("/metrics")
    assert "Planted" not in doors.log.read_text()


@pytest.mark.slow
def test_no_image_is_called_safe_while_the_broker_is_away(
    open_doors: Callable[..., Doors],
    new_broker: Callable[[], Any],
    new_object: Make,
    as_file: Write,
    until: Until,
) -> None:
    broker = new_broker()
    doors = open_doors(broker.address)
    first, kept, posted, laid = new_object(), new_object(), new_object(), new_object()
    assert doors.send(first) == [0x0000]

    broker.kill()
    with ThreadPoolExecutor(2) as pool:
        sending, posting = pool.submit(doors.send, kept), pool.submit(doors.post, as_file(posted))
        (doors.folder / "a.dcm").write_bytes(as_file(laid))
        assert sending.result() == [0xA700]
        assert posting.result().status_code == 503
    assert (doors.folder / "a.dcm").exists()
    broker.start()
    until(lambda: doors.send(kept) == [0x0000])  # a door asks every second whether what was away is back
    until(lambda: doors.post(as_file(posted)).status_code == 200)
    until(lambda: (doors.folder / "done" / "a.dcm").exists())

    keys = Keys.from_site_key(SITE_KEY)
    names = {image.image_id for image in doors.announced()}
    assert names == {image_id(keys, one.SOPInstanceUID) for one in (first, kept, posted, laid)}


@pytest.mark.slow
def test_no_image_is_announced_while_the_store_is_away(
    open_doors: Callable[..., Doors], kafka: str, new_object: Make, as_file: Write, free_port: Callable[[], int]
) -> None:
    doors = open_doors(kafka, OSTEON_STORE_ENDPOINT=f"127.0.0.1:{free_port()}")
    made = new_object()

    assert doors.send(made) == [0xA700]
    answer = doors.post(as_file(made))

    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    name = image_id(Keys.from_site_key(SITE_KEY), made.SOPInstanceUID)
    assert name not in {image.image_id for image in doors.announced()}


@pytest.mark.slow
def test_workers_that_are_killed_lose_nothing_and_close_no_port(
    open_doors: Callable[..., Doors], kafka: str, new_object: Make, until: Until
) -> None:
    doors = open_doors(kafka)
    images = [new_object() for _ in range(30)]

    def deliver(image: Dataset) -> None:
        """As a modality does: what is not called safe is sent again."""
        until(lambda: doors.send(image) == [0x0000])

    def kill_workers() -> None:
        for _ in range(3):
            until(receivers)
            receivers()[0].send_signal(signal.SIGKILL)

    def receivers() -> list[psutil.Process]:
        """Those that have begun: one that was just started has no command line, one that ended has none either."""
        found = []
        for one in doors.process.children():
            with suppress(psutil.Error):
                found += [one] if "receive-dimse" in one.cmdline() else []
        return found

    with ThreadPoolExecutor(4) as pool:
        killing = pool.submit(kill_workers)
        list(pool.map(deliver, images))
        killing.result()

    keys = Keys.from_site_key(SITE_KEY)
    names = {image.image_id for image in doors.announced()}
    assert {image_id(keys, one.SOPInstanceUID) for one in images} <= names


@pytest.mark.slow
def test_a_sweep_announces_what_a_dying_receiver_left_and_drops_requests_that_nobody_is_to_answer(
    open_doors: Callable[..., Doors], kafka: str, seaweedfs: Any, new_object: Make, as_file: Write
) -> None:
    from osteon_ingest.commit_storage import Asked, Reference, keep, kept
    from osteon_ingest.receive import INBOX, SEALED, Threshold
    from osteon_ingest.seal import seal

    doors = open_doors(kafka)
    keys = Keys.from_site_key(SITE_KEY)
    told, forgotten = new_object(), new_object()
    doors.send(told)
    inbox = store.connect(seaweedfs.endpoint, seaweedfs.access_key, seaweedfs.secret_key)
    inbox.put(INBOX, seal(keys.inbox, as_file(forgotten)), SEALED)
    threshold = Threshold("local", keys, inbox, bus.connect(kafka).publisher(), 1)
    asked = Asked("REQUESTER", "1.2.3", (Reference(DX, str(told.SOPInstanceUID)),))
    keep(threshold, 0, asked)  # when OSTEON_COMMIT_ADDRESSES still named it

    for _ in range(2):
        subprocess.run(
            [sys.executable, "-m", "osteon_ingest", "sweep"],
            env=doors.environment | {"OSTEON_SWEEP_AFTER_S": "0.001"},
            check=True,
        )

    names = [image.image_id for image in doors.announced()]
    assert [names.count(image_id(keys, one.SOPInstanceUID)) for one in (told, forgotten)] == [1, 1]
    assert not list(kept(threshold, 0))


@pytest.mark.slow
def test_one_process_without_doors_reports_the_commitments_of_all_doors(
    open_doors: Callable[..., Doors], kafka: str, seaweedfs: Any, until: Until
) -> None:
    from osteon_ingest.commit_storage import Asked, Reference, keep, kept
    from osteon_ingest.receive import Threshold

    inbox = store.connect(seaweedfs.endpoint, seaweedfs.access_key, seaweedfs.secret_key)
    threshold = Threshold("local", Keys.from_site_key(SITE_KEY), inbox, bus.connect(kafka).publisher(), 1)
    nobody = {"OSTEON_COMMIT_ADDRESSES": "REQUESTER=127.0.0.1:9", "OSTEON_STOW_PORT": "0", "OSTEON_FOLDER": ""}
    doors = open_doors(kafka, OSTEON_REPORTS_COMMITMENTS="false", OSTEON_DIMSE_WORKERS="1", **nobody)
    keep(threshold, 0, Asked("ANOTHER", "1.2.3", (Reference(DX, "1.2.3.4"),)))  # dropped by whoever reports

    reporter = open_doors(kafka, OSTEON_DIMSE_PORT="0", **nobody)

    until(lambda: not list(kept(threshold, 0)))
    running = [[child.cmdline() for child in one.process.children()] for one in (doors, reporter)]
    assert [len(each) for each in running] == [1, 1]  # no folder either: an empty setting is none
    assert ["report-commitments" in each[0] for each in running] == [False, True]


@pytest.mark.slow
def test_doors_that_die_leave_no_worker_behind(open_doors: Callable[..., Doors], kafka: str, until: Until) -> None:
    doors = open_doors(kafka)
    workers = doors.process.children()

    doors.process.kill()

    assert len(workers) == 4
    assert not psutil.wait_procs(workers, timeout=90)[1]  # they may still be starting


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "OSTEON_SITE_KEY"),
        ({"OSTEON_SITE_KEY": "short"}, "OSTEON_SITE_KEY"),
        ({"OSTEON_SITE_KEY": SITE_KEY, "OSTEON_DIMSE_PROT": "104"}, "OSTEON_DIMSE_PORT"),
        ({"OSTEON_SITE_KEY": SITE_KEY, "OSTEON_DIMSE_PORT": "-1"}, "OSTEON_DIMSE_PORT"),
        ({"OSTEON_SITE_KEY": SITE_KEY, "OSTEON_DIMSE_PORT": "0", "OSTEON_STOW_PORT": "0"}, "OSTEON_STOW_PORT"),
    ],
)
def test_wrong_settings_stop_the_doors_by_name(settings: dict[str, str], named: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OSTEON_")}

    ended = subprocess.run(
        [sys.executable, "-m", "osteon_ingest", "doors"],
        env=environment | settings,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 78
    assert named in ended.stderr.splitlines()[-1]
    assert SITE_KEY not in ended.stderr


@pytest.mark.parametrize("door", ["DIMSE", "STOW"])
def test_a_port_that_is_taken_is_said_by_name(door: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OSTEON_")}
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = {f"OSTEON_{door}_HOST": "127.0.0.1", f"OSTEON_{door}_PORT": str(other.getsockname()[1])}

        ended = subprocess.run(
            [sys.executable, "-m", "osteon_ingest", "doors"],
            env=environment | {"OSTEON_SITE_KEY": SITE_KEY, "OSTEON_DIMSE_PORT": "0", "OSTEON_STOW_PORT": "0"} | taken,
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert ended.returncode == 78
    assert f"OSTEON_{door}_PORT" in ended.stderr


@pytest.mark.slow
def test_the_how_to_locks_the_doors_and_its_senders_come_in(
    open_doors: Callable[..., Any], kafka: str, certificates: Path, lock_the_doors: Callable[[str], str],
    new_object: Make, as_file: Write,
) -> None:  # fmt: skip
    for program in ("curl", "storescu"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing: apt-get install curl dcmtk")
    settings, sending = lock_the_doors("STOW-RS and C-STORE").split("\nTOKEN=")
    told = subprocess.run(
        ["bash", "-c", settings + "\nenv"], cwd=certificates, capture_output=True, text=True, check=True
    ).stdout
    locked = dict(line.split("=", 1) for line in told.splitlines() if line.startswith("OSTEON_"))
    doors = open_doors(kafka, OSTEON_DIMSE_WORKERS="1", **locked)
    before = len(doors.announced())
    (certificates / "image.dcm").write_bytes(as_file(new_object()))

    ports = f"STOW_PORT={doors.stow_port} DIMSE_PORT={doors.dimse_port}"
    script = f"set -e\n{ports}\nTOKEN={sending}"
    sent = subprocess.run(["bash", "-c", script], cwd=certificates, capture_output=True, text=True, check=False)

    assert sent.returncode == 0, sent.stderr
    assert len(doors.announced()) - before == 2

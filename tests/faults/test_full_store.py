"""An object store that is out of room refuses, and loses nothing: it goes on as soon as there is room again."""

import asyncio
import secrets
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset
from pynetdicom import AE

from osteon.bus import MemoryBus
from osteon.contracts import DOOR_FOLDER, ImageDeidentified
from osteon.contracts.topics import DEAD_LETTER, IMAGE_DEIDENTIFIED, IMAGE_RECEIVED, TOPICS
from osteon.errors import Passing
from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import specimen
from osteon.runtime import read_settings
from osteon.runtime.health import Health
from osteon.store import S3Store, connect
from osteon_ingest.accept import make_stage
from osteon_ingest.doors import listen
from osteon_ingest.identity import Keys
from osteon_ingest.outage import Outage
from osteon_ingest.receive import Threshold, receive
from osteon_ingest.receive_dimse import serve_dimse
from osteon_ingest.receive_folder import watch_folder
from osteon_ingest.receive_stow import stow_app
from osteon_ingest.settings import IngestSettings
from osteon_stack.secrets import identity

Until = Callable[..., None]
OUT_OF_RESOURCES = 0xA700

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 40 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk can't be mounted here; that takes root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def store(disk: Path, new_seaweedfs: Callable[..., Any]) -> S3Store:
    server = new_seaweedfs(folder=disk)
    keys = identity(disk, "admin")
    return connect(server.address, keys.access_key, keys.secret_key)


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """What ends the services, also those of a test that failed: else pytest would wait for them."""
    event = threading.Event()
    yield event
    event.set()


def radiograph(number: int) -> Dataset:
    return specimen(number, seed=6, pitch_mm=0.5).dataset


def fill(store: S3Store) -> None:
    """Until not even 100 kB can be written."""
    for size_bytes in (4_000_000, 500_000, 100_000):
        try:
            while True:
                store.put("models", secrets.token_bytes(size_bytes), "application/octet-stream")
        except Passing:
            continue


def test_a_full_store_is_refused_at_each_door_and_waited_for_by_the_stage(
    store: S3Store, disk: Path, until: Until, tmp_path: Path, stop: threading.Event
) -> None:
    settings = read_settings(IngestSettings, {}, site_key=secrets.token_hex(32), drain_s=1.0, folder_look_s=0.1)
    keys = Keys.from_site_key(settings.site_key.get_secret_value())
    bus, health = MemoryBus(), Health()
    bus.provision(TOPICS)
    outage = Outage({"store": store.probe})
    threshold = Threshold("test", keys, store, bus.publisher(), settings.max_object_bytes, outage)
    before = [encoded(radiograph(number), "1.2.840.10008.1.2.1") for number in range(3)]
    late = [radiograph(number) for number in range(3, 6)]
    files = [encoded(one, "1.2.840.10008.1.2.1") for one in late]
    for data in before:
        receive(threshold, DOOR_FOLDER, data)
    fill(store)
    folder = tmp_path / "watched"
    folder.mkdir()
    (folder / "a.dcm").write_bytes(files[2])
    listening = listen("127.0.0.1", 0, "OSTEON_DIMSE_PORT")
    threads = [
        threading.Thread(target=serve_dimse, args=(settings, threshold, listening, stop)),
        threading.Thread(target=watch_folder, args=(folder, 0.1, threshold, stop)),
        threading.Thread(target=make_stage(settings, store, keys).run, args=(bus, stop, health)),
    ]
    for thread in threads:
        thread.start()
    port = listening.getsockname()[1]

    assert c_store(port, late[0]) == OUT_OF_RESOURCES
    answered = stow(settings, threshold, files[1])
    assert (answered.status_code, "Retry-After" in answered.headers) == (503, True)
    until(lambda: "store" in health.unready)
    with pytest.raises(Passing):
        outage.refuse()
    assert (folder / "a.dcm").exists()
    assert len(bus.read([IMAGE_RECEIVED])) == len(before)
    assert not bus.read([IMAGE_DEIDENTIFIED, DEAD_LETTER])

    subprocess.run(["mount", "-o", "remount,size=400m", str(disk)], check=True)
    until(lambda: c_store(port, late[0]) == 0)
    until(lambda: stow(settings, threshold, files[1]).status_code == 200)
    until(lambda: (folder / "done" / "a.dcm").exists())
    until(lambda: len(bus.read([IMAGE_DEIDENTIFIED])) >= len(before) + len(late))
    stop.set()
    for thread in threads:
        thread.join(60)

    found = [ImageDeidentified.FromString(one.value or b"") for one in bus.read([IMAGE_DEIDENTIFIED])]
    assert len(Counter(one.image_id for one in found)) == len(found) == len(before) + len(late)
    assert not bus.read([DEAD_LETTER])
    assert all(store.get(one.object) for one in found)


def c_store(port: int, dataset: Dataset) -> int:
    sender = AE("MODALITY")
    sender.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    association = sender.associate("127.0.0.1", port)
    assert association.is_established
    status = association.send_c_store(dataset)
    association.release()
    return int(status.Status)


def stow(settings: IngestSettings, threshold: Threshold, data: bytes) -> httpx.Response:
    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(stow_app(settings, threshold))
        async with httpx.AsyncClient(transport=transport, base_url="http://door", timeout=120) as client:
            headers = {"content-type": 'multipart/related; type="application/dicom"; boundary=xyz'}
            return await client.post(
                "/dicomweb/studies", content=b"--xyz\r\n\r\n" + data + b"\r\n--xyz--", headers=headers
            )

    return asyncio.run(post())

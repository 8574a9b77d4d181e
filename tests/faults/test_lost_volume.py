"""The store lost a part of what it held: what lay there ends visibly, and holds up nothing else."""

import secrets
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from osteon.bus import MemoryBus
from osteon.contracts import DOOR_FOLDER, DeadLetter, ImageDeidentified, ImageReceived
from osteon.contracts.topics import DEAD_LETTER, IMAGE_DEIDENTIFIED, IMAGE_RECEIVED, TOPICS
from osteon.errors import OsteonError
from osteon.phantom.encoding import encoded
from osteon.phantom.radiograph import Case, femur_radiograph
from osteon.phantom.scanner import SITES
from osteon.runtime import read_settings
from osteon.store import S3Store, connect, s3
from osteon_ingest.accept import make_stage
from osteon_ingest.identity import Keys
from osteon_ingest.receive import Threshold, receive
from osteon_ingest.settings import IngestSettings
from osteon_stack.secrets import identity

pytestmark = pytest.mark.slow
N_IMAGES = 4


def test_images_whose_volume_is_lost_become_dead_letters_and_the_others_go_on(
    new_seaweedfs: Callable[..., Any], until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = new_seaweedfs()
    keys_of_store = identity(server.folder, "admin")
    store = connect(server.address, keys_of_store.access_key, keys_of_store.secret_key)
    settings = read_settings(IngestSettings, {}, site_key=secrets.token_hex(32))
    keys = Keys.from_site_key(settings.site_key.get_secret_value())
    bus = MemoryBus()
    bus.provision(TOPICS)
    threshold = Threshold("test", keys, store, bus.publisher(), settings.max_object_bytes)
    for number in range(N_IMAGES):
        femur = femur_radiograph(Case(8, "demo", number, "typical"), SITES[0], pitch_mm=0.5)
        receive(threshold, DOOR_FOLDER, encoded(femur, "1.2.840.10008.1.2.1"))

    server.stop()
    volumes = sorted((server.folder / "seaweedfs" / "data").glob("inbox_*.dat"), key=lambda one: one.stat().st_size)
    for path in volumes[-1].parent.glob(f"{volumes[-1].stem}.*"):
        path.unlink()
    server.start()
    # Longer than a read takes that fails, with its repetitions; else each would be the first to fail.
    monkeypatch.setattr(s3, "READ_PATIENCE_S", 15.0)
    lost = {one.image_id for one in _received(bus) if not _can_be_read(store, one)}
    stop = threading.Event()
    thread = threading.Thread(target=make_stage(settings, store, keys).run, args=(bus, stop))
    thread.start()
    until(lambda: len(bus.read([IMAGE_DEIDENTIFIED, DEAD_LETTER])) >= N_IMAGES)
    stop.set()
    thread.join(60)

    dead = [DeadLetter.FromString(one.value or b"") for one in bus.read([DEAD_LETTER])]
    well = [ImageDeidentified.FromString(one.value or b"").image_id for one in bus.read([IMAGE_DEIDENTIFIED])]
    assert lost
    assert Counter(one.image_id for one in dead) == Counter(lost)
    assert {one.reason for one in dead} <= {"store-fails", "object-missing"}
    assert Counter(well) == Counter(one.image_id for one in _received(bus) if one.image_id not in lost)


def _received(bus: MemoryBus) -> list[ImageReceived]:
    return [ImageReceived.FromString(one.value or b"") for one in bus.read([IMAGE_RECEIVED])]


def _can_be_read(store: S3Store, one: ImageReceived) -> bool:
    try:
        store.get(one.object)
    except OsteonError:
        return False
    return True

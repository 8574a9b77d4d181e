"""The store lost a part of what it held: what lay there ends visibly, and holds up nothing else."""

import secrets
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from osteon.bus import MemoryBus
from osteon.contracts import DOOR_FOLDER, DeadLetter, ImageDeidentified, ImageReceived
from osteon.contracts.topics import DEAD_LETTER, IMAGE_DEIDENTIFIED, IMAGE_RECEIVED, TOPICS
from osteon.errors import OsteonError
from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import specimen
from osteon.runtime import read_settings
from osteon.store import S3Store, connect, s3
from osteon_ingest.accept import make_stage
from osteon_ingest.identity import Keys
from osteon_ingest.receive import Threshold, receive
from osteon_ingest.settings import IngestSettings
from osteon_stack.secrets import identity

pytestmark = pytest.mark.slow
N_IMAGES = 4
EMPTY_BYTES = 10_000  # a volume's own header, and no image
MOST_IMAGES = 40  # the store deals them to seven volumes at random: so many are never all in one


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
    data = server.folder / "seaweedfs" / "data"
    n_images = 0
    while n_images < N_IMAGES or (len(_used_volumes(data)) < 2 and n_images < MOST_IMAGES):
        femur = specimen(n_images, seed=8, pitch_mm=0.5).dataset
        receive(threshold, DOOR_FOLDER, encoded(femur, "1.2.840.10008.1.2.1"))
        n_images += 1

    server.stop()
    lost_volume = _used_volumes(data)[-1]
    for path in data.glob(f"{lost_volume.stem}.*"):
        path.unlink()
    server.start()
    # Longer than a read takes that fails, with its repetitions; else each would be the first to fail.
    monkeypatch.setattr(s3, "READ_PATIENCE_S", 15.0)
    lost = {one.image_id for one in _received(bus) if not _can_be_read(store, one)}
    stop = threading.Event()
    thread = threading.Thread(target=make_stage(settings, store, keys).run, args=(bus, stop))
    thread.start()
    until(lambda: len(bus.read([IMAGE_DEIDENTIFIED, DEAD_LETTER])) >= n_images)
    stop.set()
    thread.join(60)

    dead = [DeadLetter.FromString(one.value or b"") for one in bus.read([DEAD_LETTER])]
    well = [ImageDeidentified.FromString(one.value or b"").image_id for one in bus.read([IMAGE_DEIDENTIFIED])]
    assert lost
    assert well
    assert Counter(one.image_id for one in dead) == Counter(lost)
    assert {one.reason for one in dead} <= {"store-fails", "object-missing"}
    assert Counter(well) == Counter(one.image_id for one in _received(bus) if one.image_id not in lost)


def _used_volumes(data: Path) -> list[Path]:
    """Those of the inbox that hold an image, by size."""
    used = [one for one in data.glob("inbox_*.dat") if one.stat().st_size > EMPTY_BYTES]
    return sorted(used, key=lambda one: one.stat().st_size)


def _received(bus: MemoryBus) -> list[ImageReceived]:
    return [ImageReceived.FromString(one.value or b"") for one in bus.read([IMAGE_RECEIVED])]


def _can_be_read(store: S3Store, one: ImageReceived) -> bool:
    try:
        store.get(one.object)
    except OsteonError:
        return False
    return True

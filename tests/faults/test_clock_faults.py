"""A clock that jumps by hours, or over a day's end, under a stage: it stops and says so, and loses or doubles nothing.

Waits and deadlines go by the monotonic clock. The time of day is in what each request to the store is signed with, so
that is what jumps here. (libfaketime can't be used: under it Python's own `time.sleep` fails.)
"""

import secrets
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import minio.time
import pytest

from osteon.bus import MemoryBus
from osteon.contracts import DOOR_FOLDER, ImageDeidentified
from osteon.contracts.topics import DEAD_LETTER, IMAGE_DEIDENTIFIED, IMAGE_SET_ASIDE, TOPICS
from osteon.errors import Fatal
from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import specimen
from osteon.runtime import read_settings
from osteon.store import connect
from osteon_ingest.accept import make_stage
from osteon_ingest.identity import Keys
from osteon_ingest.receive import Threshold, receive
from osteon_ingest.settings import IngestSettings

pytestmark = pytest.mark.slow
N_IMAGES = 3


@pytest.mark.parametrize("jump", [timedelta(hours=5), timedelta(hours=-26)])
def test_a_stage_whose_clock_jumped_stops_with_its_reason_and_goes_on_when_it_is_right(
    jump: timedelta, seaweedfs: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    settings = read_settings(IngestSettings, {}, site_key=secrets.token_hex(32))
    keys = Keys.from_site_key(settings.site_key.get_secret_value())
    store = connect(seaweedfs.endpoint, seaweedfs.access_key, seaweedfs.secret_key)
    bus = MemoryBus()
    bus.provision(TOPICS)
    threshold = Threshold("local", keys, store, bus.publisher(), settings.max_object_bytes)
    for number in range(N_IMAGES):
        femur = specimen(number, seed=9, pitch_mm=0.5).dataset
        receive(threshold, DOOR_FOLDER, encoded(femur, "1.2.840.10008.1.2.1"))
    right = minio.time.utcnow

    with monkeypatch.context() as wrong:
        wrong.setattr(minio.time, "utcnow", lambda: right() + jump)
        with pytest.raises(Fatal, match="the clock of this machine and that of the store differ"):
            make_stage(settings, store, keys).run(bus, threading.Event())
    assert not bus.read([IMAGE_DEIDENTIFIED])
    stop = threading.Event()
    thread = threading.Thread(target=make_stage(settings, store, keys).run, args=(bus, stop))
    thread.start()
    until(lambda: len(bus.read([IMAGE_DEIDENTIFIED])) >= N_IMAGES)
    stop.set()
    thread.join(60)

    found = [ImageDeidentified.FromString(one.value or b"").image_id for one in bus.read([IMAGE_DEIDENTIFIED])]
    assert Counter(found) == Counter(set(found))
    assert not bus.read([DEAD_LETTER, IMAGE_SET_ASIDE])

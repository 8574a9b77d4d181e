"""The inbox is pruned: what has its outcome goes, and what somebody may still need stays."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from osteon.bus import MemoryBus, Outgoing, connect
from osteon.bus.dead_letters import Selection, replay
from osteon.contracts import ImageReceived
from osteon.contracts.topics import DEAD_LETTER, IMAGE_DEIDENTIFIED, IMAGE_RECEIVED, IMAGE_SET_ASIDE, TOPICS
from osteon.runtime import read_settings
from osteon.store import Listed, MemoryStore
from osteon.store import connect as connect_store
from osteon_ingest.identity import Keys, image_id
from osteon_ingest.prune import Pruned, prune
from osteon_ingest.receipts import find_receipt
from osteon_ingest.receive import SEALED
from osteon_ingest.seal import seal
from osteon_ingest.settings import IngestSettings

from .running_site import Site, Wait

SECRET = secrets.token_hex(32)
KEYS, LOST = Keys.from_site_key(SECRET, epoch="2"), Keys.from_site_key(secrets.token_bytes(32))
BOTH = replace(KEYS, former=(LOST,))
Make = Callable[..., Dataset]
Write = Callable[[Dataset], bytes]


@pytest.fixture
def settings() -> IngestSettings:
    return read_settings(IngestSettings, {}, site="test", site_key=SECRET, key_epoch="2")


@pytest.fixture
def site(settings: IngestSettings, until: Wait) -> Site:
    bus = MemoryBus()
    bus.provision(TOPICS)
    return Site(bus, MemoryStore(), settings, until)


@pytest.fixture
def new_radiograph(new_object: Make) -> Make:
    """A radiograph that nothing is wrong with; each has pixels of its own."""

    def make(**elements: object) -> Dataset:
        made = new_object(rows=64, PixelSpacing=["0.5", "0.5"], **elements)
        level = secrets.randbelow(20000)
        made.PixelData = np.tile(np.linspace(level, level + 3000, 64).astype(np.uint16), (64, 1)).tobytes()
        return made

    return make


def later(site: Site, *, keys: Keys = KEYS, is_dry: bool = False) -> Pruned:
    """A pruning of what is older than 90 days, a hundred days from now."""
    then = datetime.now(UTC) + timedelta(days=100)
    return prune(site.bus, site.store, keys, timedelta(days=90), now=then, is_dry=is_dry)


def originals(site: Site) -> set[str]:
    return {one.key for one in site.store.list("inbox")}


def announce(site: Site, content: bytes, uid: str) -> str:
    """What a door does; gives the key of the original."""
    ref = site.store.put("inbox", seal(KEYS.inbox, content), SEALED)
    publisher = site.bus.publisher()
    publisher.publish(Outgoing(IMAGE_RECEIVED, ImageReceived(image_id=image_id(KEYS, uid), site="test", object=ref)))
    publisher.close()
    return ref.key


def fill(site: Site, new_radiograph: Make, as_file: Write) -> Iterator[tuple[str, str]]:
    """Originals of each kind: what it is, and its key."""
    whole, usurper, broken, sealed_otherwise = (new_radiograph() for _ in range(4))
    usurper.SOPInstanceUID = usurper.file_meta.MediaStorageSOPInstanceUID = whole.SOPInstanceUID
    with site.running(KEYS):
        before = originals(site)
        for name, image, size, keys in (
            ("classified", whole, None, KEYS),
            ("conflict", usurper, None, KEYS),
            ("broken", broken, -2000, KEYS),
            ("dead", sealed_otherwise, None, LOST),
        ):
            site.send(as_file(image)[:size], image.SOPInstanceUID, keys)
            (key,) = originals(site) - before
            before.add(key)
            yield name, key
    waiting, unannounced = new_radiograph(), new_radiograph()
    yield "waiting", announce(site, as_file(waiting), waiting.SOPInstanceUID)
    yield "unannounced", site.store.put("inbox", seal(KEYS.inbox, as_file(unannounced)), SEALED).key
    yield "junk", site.store.put("inbox", b"junk", SEALED).key


def check_pruning(site: Site, filled: dict[str, str], pruned: Pruned) -> None:
    """What had its outcome is gone, and all else gets one as if nothing had been pruned."""
    assert pruned.n == 3
    assert dict(pruned.kept) == {"waits": 1, "dead-letter": 1, "unknown": 1, "unreadable": 1}
    assert originals(site) == {filled[name] for name in ("dead", "waiting", "unannounced", "junk")}

    replay(site.bus, "test", Selection(stage="accept"))
    with site.running(BOTH):
        site.wait(lambda: len(site.bus.read([IMAGE_DEIDENTIFIED])) == 3)
    assert len(site.bus.read([DEAD_LETTER])) == 1
    assert len(site.bus.read([IMAGE_SET_ASIDE])) == 2


def test_what_has_its_outcome_goes_and_what_has_none_still_gets_it(
    site: Site, new_radiograph: Make, as_file: Write
) -> None:
    filled = dict(fill(site, new_radiograph, as_file))
    everything = originals(site)

    would = later(site, is_dry=True)
    assert originals(site) == everything

    pruned = later(site)

    assert (would.n, would.size_bytes, would.kept) == (pruned.n, pruned.size_bytes, pruned.kept)
    check_pruning(site, filled, pruned)


@pytest.mark.slow
def test_the_command_prunes_on_real_servers(
    settings: IngestSettings, new_broker: Any, seaweedfs: Any, new_radiograph: Make, as_file: Write, until: Wait
) -> None:
    kafka = new_broker().address
    bus = connect(kafka)
    bus.provision(TOPICS)
    store = connect_store(seaweedfs.endpoint, seaweedfs.access_key, seaweedfs.secret_key)
    site = Site(bus, store, settings, until)
    others = originals(site)  # of tests that use the same store
    filled = dict(fill(site, new_radiograph, as_file))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("OSTEON_")},
        "OSTEON_SITE": "test",
        "OSTEON_SITE_KEY": SECRET,
        "OSTEON_KEY_EPOCH": "2",
        "OSTEON_KAFKA_SERVERS": kafka,
        "OSTEON_STORE_ENDPOINT": seaweedfs.endpoint,
        "OSTEON_STORE_ACCESS_KEY": seaweedfs.access_key,
        "OSTEON_STORE_SECRET_KEY": seaweedfs.secret_key,
    }

    def command(*arguments: str) -> str:
        osteon = str(Path(sys.executable).with_name("osteon"))
        told = subprocess.run(
            [osteon, "inbox", "prune", *arguments],
            env=environment, capture_output=True, text=True, check=False, timeout=200,
        )  # fmt: skip
        assert told.returncode == 0, told.stdout + told.stderr
        return told.stdout

    assert "0 originals deleted" in command("--older-than", "90d")
    assert "3 originals would be deleted" in command("--older-than", "0m", "--dry-run")
    told = command("--older-than", "0m")

    assert "3 originals deleted" in told
    assert "1 kept: accept has not worked them yet" in told
    assert originals(site) - others == {filled[name] for name in ("dead", "waiting", "unannounced", "junk")}


def test_what_the_topics_have_forgotten_goes_only_if_accept_remembers_this_very_content(
    site: Site, new_radiograph: Make, as_file: Write
) -> None:
    assert isinstance(site.bus, MemoryBus)
    filled = dict(fill(site, new_radiograph, as_file))
    for (topic, _), log in site.bus.logs.items():
        if topic not in ("osteon.image.known", "osteon.dead-letter"):
            log.clear()

    pruned = later(site, keys=BOTH)

    assert originals(site) == set(filled.values()) - {filled["classified"], filled["broken"]}
    assert dict(pruned.kept) == {"dead-letter": 1, "unknown": 3, "unreadable": 1}


def test_an_image_that_was_pruned_and_comes_again_adds_nothing_and_has_its_receipt(
    site: Site, new_radiograph: Make, as_file: Write
) -> None:
    image = new_radiograph()
    uid, name = str(image.SOPInstanceUID), image_id(KEYS, str(image.SOPInstanceUID))
    with site.running(KEYS):
        site.send(as_file(image), uid, KEYS)
    assert later(site).n == 1
    assert find_receipt(site.store, name) is None

    announce(site, as_file(image), uid)
    assert dict(later(site).kept) == {"waits": 1}
    with site.running(KEYS):
        site.wait(lambda: sum(site.bus.committed("accept", IMAGE_RECEIVED).values()) == 2)

    assert site.n_outcomes() == 1


def test_an_original_that_is_sent_again_while_the_inbox_is_pruned_stays(
    site: Site, new_radiograph: Make, as_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, list_all = new_radiograph(), site.store.list
    with site.running(KEYS):
        site.send(as_file(image), image.SOPInstanceUID, KEYS)
    old = [replace(one, written_at=one.written_at - timedelta(days=100)) for one in list_all("inbox")]

    def sent_again(bucket: str, prefix: str = "") -> Iterator[Listed]:
        if not prefix:
            return iter(old)
        announce(site, as_file(image), image.SOPInstanceUID)  # just before it would be deleted
        return list_all(bucket, prefix)

    monkeypatch.setattr(site.store, "list", sent_again)

    pruned = prune(site.bus, site.store, KEYS, timedelta(days=90), now=datetime.now(UTC))

    assert (pruned.n, dict(pruned.kept)) == (0, {"young": 1})
    assert {one.key for one in list_all("inbox")} == {one.key for one in old}

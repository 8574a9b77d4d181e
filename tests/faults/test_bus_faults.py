"""The bus is away, has no address, has forgotten, or lives by another clock: told clearly, and nothing is lost."""

import secrets
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from osteon.bus import KafkaBus, Outgoing, Stage, connect
from osteon.bus import kafka as kafka_bus
from osteon.contracts import DOOR_FOLDER, ImageReceived
from osteon.contracts.topics import (
    DAY_MS,
    DEAD_LETTER,
    IMAGE_RECEIVED,
    IMAGE_SET_ASIDE,
    STAGE_BRAKED,
    Topic,
    retry_topic,
)
from osteon.errors import Fatal, Passing
from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import specimen
from osteon.store import MemoryStore
from osteon_ingest.identity import Keys
from osteon_ingest.outage import Outage
from osteon_ingest.receive import INBOX, Threshold, receive

Until = Callable[..., None]
NOWHERE = "no-such-host.invalid:9092"

pytestmark = pytest.mark.slow


def test_a_door_that_knows_that_the_bus_is_away_refuses_without_trying(
    new_broker: Callable[[], Any], until: Until
) -> None:
    broker, store = new_broker(), MemoryStore()
    bus = connect(broker.address, delivery_timeout_s=4.0)
    bus.provision([IMAGE_RECEIVED])
    outage = Outage({"bus": bus.probe})
    keys = Keys.from_site_key(secrets.token_hex(32))
    threshold = Threshold("test", keys, store, bus.publisher(), 10_000_000, outage)
    files = [encoded(specimen(number, seed=7).dataset, "1.2.840.10008.1.2.1") for number in range(3)]
    receive(threshold, DOOR_FOLDER, files[0])

    broker.halt()
    with pytest.raises(Passing):
        receive(threshold, DOOR_FOLDER, files[1])
    until(lambda: _is_refused(outage))
    n_before = len(list(store.list(INBOX)))
    with pytest.raises(Passing, match="Kafka can't be reached"):
        receive(threshold, DOOR_FOLDER, files[2])

    assert len(list(store.list(INBOX))) == n_before
    broker.resume()
    until(lambda: not _is_refused(outage))
    for data in files[1:]:
        receive(threshold, DOOR_FOLDER, data)
    announced = {ImageReceived.FromString(one.value or b"").object.sha256 for one in bus.read([IMAGE_RECEIVED])}
    assert len(announced) == len(files)


def _is_refused(outage: Outage) -> bool:
    try:
        outage.refuse()
    except Passing:
        return True
    return False


def test_a_host_without_an_address_is_named_and_a_stage_does_not_wait_for_it_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus = connect(NOWHERE)
    stage = Stage(name="nobody", site="test", consumes=IMAGE_RECEIVED, work=lambda *_: [])

    with pytest.raises(Passing, match=r"no-such-host\.invalid has no address; see OSTEON_KAFKA_SERVERS"):
        bus.probe()

    monkeypatch.setattr(kafka_bus, "UNKNOWN_FOR_S", 1.0)
    with pytest.raises(Fatal, match=r"no-such-host\.invalid has no address"):
        stage.run(bus, threading.Event())


INPUT = Topic("test.forgotten.in", ImageReceived, "image_id", partitions=1, readers=("forgotten",))
TAKEN = Topic("test.gone.in", ImageReceived, "image_id", partitions=1, readers=("gone",))


def test_what_the_broker_forgot_is_fatal_and_told_and_is_neither_skipped_nor_repeated(
    new_broker: Callable[..., Any], until: Until
) -> None:
    """A stage was stopped for longer than its broker remembers: offsets a minute, and records a moment."""
    broker = new_broker(
        "offsets.retention.minutes=1", "offsets.retention.check.interval.ms=1000", "log.retention.check.interval.ms=500"
    )
    bus = connect(broker.address)
    topics = [INPUT, TAKEN, *(retry_topic(one, one.readers[0]) for one in (INPUT, TAKEN))]
    bus.provision([*topics, DEAD_LETTER, IMAGE_SET_ASIDE, STAGE_BRAKED])
    publisher = bus.publisher()
    for topic in (INPUT, TAKEN):
        publisher.publish(Outgoing(topic, ImageReceived(image_id="an image")))
    publisher.close()

    _keep_for(broker.address, TAKEN, ms=1)
    until(lambda: any("gone stands at offset 0" in one for one in bus.check(topics)))
    gone = _run(bus, TAKEN)
    until(lambda: any("forgotten has no offset in test.forgotten.in" in one for one in bus.check(topics)))
    forgotten = _run(bus, INPUT)

    for outcome in (gone, forgotten):
        assert isinstance(outcome, Fatal)
        assert "records may never have been worked; run `osteon topics check`" in str(outcome)
    assert any("forgets offsets after 1 minutes, before the records" in one for one in bus.check(topics))


def _keep_for(servers: str, topic: Topic, ms: int) -> None:
    with KafkaAdminClient(bootstrap_servers=servers) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, {"retention.ms": str(ms)})])


def _run(bus: KafkaBus, topic: Topic) -> BaseException | None:
    """How the stage that reads `topic` ends; it must not work anything."""

    def work(*_: object) -> list[Outgoing]:
        raise AssertionError("what was forgotten was worked")

    try:
        Stage(name=topic.readers[0], site="test", consumes=topic, work=work).run(bus, threading.Event())
    except Fatal as error:
        return error
    return None


def test_a_writer_whose_clock_is_wrong_by_years_loses_no_record_and_is_not_refused(kafka: str) -> None:
    """A record carries the broker's time: by its own it would be too old to be kept, or refused as too new."""
    topic = Topic(f"test.clock.{uuid.uuid4().hex[:8]}", ImageReceived, "image_id", partitions=1)
    bus = connect(kafka)
    bus.provision([topic])
    producer = KafkaProducer(bootstrap_servers=kafka)
    now_ms = int(1000 * time.time())

    for timestamp_ms in (0, now_ms - 400 * DAY_MS, now_ms + 400 * DAY_MS):
        value = ImageReceived(image_id="an image").SerializeToString()
        producer.send(topic.name, value, b"an image", timestamp_ms=timestamp_ms).get(timeout=90)
    producer.close()

    assert all(abs(one.timestamp_ms - now_ms) < DAY_MS for one in bus.read([topic]))
    assert len(bus.read([topic])) == 3

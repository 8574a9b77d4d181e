"""What a stage promises, shown on a real broker with real deaths: SIGKILL, SIGSTOP, a broker that goes away."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from osteon.bus import Context, Outgoing, Table, connect
from osteon.bus.brake import brake
from osteon.bus.dead_letters import Selection, waiting
from osteon.bus.kafka_follower import Follower
from osteon.bus.record import Record, Sending
from osteon.bus.wire import Batch, Committed, Reader, Refused
from osteon.contracts import ImageDeidentified, ImageHarmonized
from osteon.contracts.topics import STAGE_BRAKED
from osteon.errors import Fatal, Passing

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
Until = Callable[..., None]
STEPS = ["polled", "claimed", "worked", "begun", "produced", "offsets-sent", "committed"]


def once(*image_ids: str) -> dict[str, int]:
    return dict.fromkeys(image_ids, 1)


def polled(reader: Reader) -> Batch:
    """The first batch that holds a record."""
    deadline = time.monotonic() + 90
    while not (batch := reader.poll(0.2, 10)).records:
        assert time.monotonic() < deadline, "nothing came"
    return batch


@pytest.mark.parametrize("step", STEPS)
def test_a_process_killed_between_two_steps_leaves_one_outcome_each(kafka_scene: Any, step: str) -> None:
    sent = [*(f"good-{one}" for one in range(8)), "poison-x"]
    kafka_scene.send(*sent)
    killed = kafka_scene.process(step)
    assert killed.wait(40) == -signal.SIGKILL

    with kafka_scene.running():
        outcomes = kafka_scene.wait(len(sent))

    assert outcomes == once(*sent)


@pytest.mark.slow
def test_a_record_that_crashes_the_process_is_set_apart_and_its_neighbours_are_fine(kafka_scene: Any) -> None:
    sent = [*(f"good-{one}" for one in range(4)), "abort-x", *(f"good-{one}" for one in range(4, 8))]
    for image_id in sent:
        kafka_scene.send(image_id, patient="one")
    for _ in range(2):  # with several in hand, then alone
        assert kafka_scene.process().wait(40) == -signal.SIGABRT
    survivor = kafka_scene.process()

    outcomes = kafka_scene.wait(len(sent))

    assert survivor.poll() is None
    survivor.send_signal(signal.SIGTERM)
    assert survivor.wait(30) == 0
    assert outcomes == once(*sent)
    assert [(one.image_id, one.reason) for one in kafka_scene.aside()] == [("abort-x", "kills-worker")]


def test_a_commit_under_the_membership_of_an_earlier_generation_is_refused(kafka_scene: Any, until: Until) -> None:
    bus, name = kafka_scene.bus, kafka_scene.name
    topic = f"test.{name}.in"
    kafka_scene.send("good-a", patient="one")
    reader = bus.reader(name, [topic], "first")
    batch = polled(reader)
    second = bus.reader(name, [topic], "second")
    stop = threading.Event()
    joining = threading.Thread(target=lambda: [second.poll(0.2, 0) for _ in iter(stop.is_set, True)])
    joining.start()
    epoch = batch.epoch
    until(lambda: reader.poll(0.2, 0).epoch > epoch + 1)
    writer = bus.writer(f"{name}.stale")
    writer.renew()

    record = batch.records[0]
    with pytest.raises(Refused):
        writer.commit([], {record.place: Committed(record.offset + 1)}, batch.membership)

    stop.set()
    joining.join()
    for one in (reader, second, writer):
        one.close()


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["halt", "kill"])
def test_a_broker_away_for_longer_than_the_delivery_timeout_inside_a_transaction(
    broker: Any, scene_on: Callable[[str], Any], until: Until, fault: str
) -> None:
    scene = scene_on(broker.address)
    sent = [f"good-{one}" for one in range(20)]
    is_away, is_begun = threading.Event(), threading.Event()

    def take_away(step: str) -> None:
        if step == "begun" and not is_away.is_set():
            is_away.set()
            broker.halt() if fault == "halt" else broker.kill()
            is_begun.set()

    bus = connect(broker.address, delivery_timeout_s=2.0, session_timeout_s=6.0)
    scene.send(*sent)
    with scene.running(checkpoint=take_away, bus=bus) as running:
        until(is_begun.is_set)
        until(lambda: "bus" in running.health.unready)  # the transaction failed, and so did its successor
        broker.resume() if fault == "halt" else broker.start()
        outcomes = scene.wait(len(sent))
        scene.send("good-more")
        more = scene.wait(len(sent) + 1)

    assert running.error is None
    assert outcomes == once(*sent)
    assert more == once(*sent, "good-more")


@pytest.mark.slow
def test_a_publisher_goes_on_after_a_broker_was_away_for_longer_than_the_delivery_timeout(
    broker: Any, scene_on: Callable[[str], Any], until: Until
) -> None:
    scene = scene_on(broker.address)
    publisher = connect(broker.address, delivery_timeout_s=2.0).publisher()
    inputs = scene.stage().consumes

    def publish(image_id: str) -> bool:
        try:
            publisher.publish(Outgoing(inputs, ImageDeidentified(image_id=image_id, patient="one")))
        except Passing:
            return False
        return True

    until(lambda: publish("before"))
    broker.halt()
    was_told = [publish("lost") for _ in range(2)]
    broker.resume()
    until(lambda: publish("after"))
    publisher.close()

    values = [ImageDeidentified.FromString(record.value or b"") for record in scene.bus.read([inputs])]
    assert was_told == [False, False]
    assert values[0].image_id == "before"
    assert [one.image_id for one in values].count("after") == 1


def test_reading_much_takes_as_long_as_it_takes_and_shows_life(kafka_scene: Any) -> None:
    patience_s = 0.6
    writer = kafka_scene.bus.writer(f"{kafka_scene.name}.writer")
    writer.renew()
    writer.commit([Sending(f"test.{kafka_scene.name}.known", b"%d" % one, b"") for one in range(6000)], {}, None)
    writer.close()
    turns: list[float] = []

    def slow() -> None:
        turns.append(time.monotonic())
        threading.Event().wait(patience_s / 3)

    impatient = connect(kafka_scene.servers, delivery_timeout_s=patience_s / 3)
    records = impatient.read([f"test.{kafka_scene.name}.known"], going=slow)

    assert len(records) == 6000
    assert turns[-1] - turns[0] > patience_s


@pytest.mark.parametrize("size", [50_000, 2_000_000])  # too much for this topic, or for any: the client refuses it
def test_an_item_whose_output_is_larger_than_the_broker_takes_is_a_dead_letter_without_its_original(
    kafka_scene: Any, size: int
) -> None:
    limit = {"max.message.bytes": "20000"}
    admin = KafkaAdminClient(bootstrap_servers=kafka_scene.servers)
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, f"test.{kafka_scene.name}.out", limit)])
    admin.close()

    def work(message: ImageDeidentified, context: Context) -> Sequence[Outgoing]:
        outputs: Sequence[Outgoing] = kafka_scene.stage().work(message, context)
        if message.image_id.startswith("huge") and isinstance(outputs[0].message, ImageHarmonized):
            outputs[0].message.release_set = "x" * size
        return outputs

    kafka_scene.send("good-a", "huge-b", "good-c", patient="one")
    with kafka_scene.running(work=work) as running:
        outcomes = kafka_scene.wait(3)

    (letter,) = kafka_scene.dead()
    assert running.error is None
    assert outcomes == once("good-a", "huge-b", "good-c")
    assert (letter.image_id, letter.reason, letter.original.value) == ("huge-b", "record-too-large", b"")
    assert waiting(kafka_scene.bus, Selection(kafka_scene.name)) == []


def test_a_look_at_a_topic_that_is_not_there_leaves_no_thread_behind(kafka_scene: Any) -> None:
    before = set(threading.enumerate())

    with pytest.raises(Passing, match="does not exist"):
        kafka_scene.bus.read(["test.never-made"])

    assert set(threading.enumerate()) <= before


def test_a_table_misses_nothing_that_came_before_the_bus_went_away(
    kafka_scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Table(kafka_scene.bus, STAGE_BRAKED)
    table.refresh()
    publisher = kafka_scene.bus.publisher()
    publisher.publish(brake(kafka_scene.name, "bad-pixels", ""))
    publisher.close()
    poll = Follower.poll

    def poll_and_fail(follower: Follower, timeout_s: float) -> list[Record]:
        if poll(follower, timeout_s):
            raise Passing("bus", "The broker went away after it gave these records.")
        return []

    with monkeypatch.context() as fault:
        fault.setattr(Follower, "poll", poll_and_fail)
        with pytest.raises(Passing, match="went away"):
            table.refresh()

    table.refresh()

    assert kafka_scene.name in table
    table.close()


def test_an_offset_beyond_what_the_log_holds_is_fatal(kafka_scene: Any, until: Until) -> None:
    topic = f"test.{kafka_scene.name}.in"
    writer = kafka_scene.bus.writer(f"{kafka_scene.name}.operator")
    writer.renew()
    kafka_scene.send("good-a")
    reader = kafka_scene.bus.reader(kafka_scene.name, [topic], "operator")
    batch = polled(reader)
    writer.commit([], {(topic, number): Committed(1000) for number in range(2)}, batch.membership)
    for one in (reader, writer):
        one.close()

    with kafka_scene.running() as running:
        until(lambda: running.error is not None)

    assert isinstance(running.error, Fatal)


def test_topics_that_differ_from_the_table_are_told(kafka_scene: Any, changed_topics: Callable[[Any], Any]) -> None:
    differences = kafka_scene.bus.check(changed_topics(kafka_scene), replication=3)

    text = "\n".join(differences)
    assert f"test.{kafka_scene.name}.in has 2 partitions instead of 3" in text
    assert f"test.{kafka_scene.name}.out: cleanup.policy is delete; set it to compact" in text
    assert f"stranger has no offset in test.{kafka_scene.name}.known" in text
    assert f"topic test.{kafka_scene.name}.absent is missing" in text
    assert f"test.{kafka_scene.name}.in lies on 1 brokers instead of 3" in text


def test_work_that_outlasts_its_instance_is_thrown_away(kafka_scene: Any, until: Until) -> None:
    gate, begun = threading.Event(), threading.Event()

    def stuck(message: ImageDeidentified, context: Context) -> Sequence[Outgoing]:
        begun.set()
        gate.wait(60)
        outputs: Sequence[Outgoing] = kafka_scene.stage().work(message, context)
        return outputs

    kafka_scene.send("good-a")
    with kafka_scene.running(work=stuck) as first:
        until(begun.is_set)
        with kafka_scene.running():  # under the same name: the first is fenced
            outcomes = kafka_scene.wait(1)
            gate.set()
            until(lambda: first.error is not None)

    assert outcomes == once("good-a")
    assert kafka_scene.outcomes() == once("good-a")

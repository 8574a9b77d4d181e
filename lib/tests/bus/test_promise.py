"""What a stage promises, on a bus in memory and on a real Kafka."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from prometheus_client import REGISTRY

from osteon.bus import Context, Outgoing, State, Table
from osteon.bus.record import Sending, header
from osteon.contracts import ImageDeidentified, ImageReceived, ImageSetAside
from osteon.contracts.topics import IMAGE_SET_ASIDE, STAGE_BRAKED, Topic
from osteon.errors import Fatal, Passing

from .running_stage import images, once

# kafka-python leaves connections that were never made to the garbage collector; see `collected`.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
Until = Callable[..., None]


def test_each_record_leads_to_one_output(scene: Any) -> None:
    sent = images("good", 40)

    with scene.running():
        scene.send(*sent)
        outcomes = scene.wait(len(sent))

    assert outcomes == once(*sent)


def test_a_restarted_stage_goes_on_where_it_stopped(scene: Any) -> None:
    with scene.running():
        scene.send("good-a")
        scene.wait(1)
    scene.send("good-b")

    with scene.running():
        outcomes = scene.wait(2)

    assert outcomes == once("good-a", "good-b")


def test_an_output_carries_cloudevents_headers_and_its_trace(scene: Any) -> None:
    scene.send("good-a")

    with scene.running():
        scene.wait(1)

    headers = scene.output_records()[0].headers
    assert header(headers, "ce_type") == "osteon.v1.ImageHarmonized"
    assert header(headers, "ce_source") == f"osteon/test/{scene.name}"
    assert header(headers, "traceparent").startswith("00-")


def test_a_poison_record_does_not_block_its_partition(scene: Any) -> None:
    scene.send("good-before", "poison-it", "good-after", patient="one")

    with scene.running():
        outcomes = scene.wait(3)

    assert outcomes == once("good-before", "poison-it", "good-after")
    letter = scene.dead()[0]
    assert (letter.reason, letter.attempts, letter.original.topic) == ("bad-pixels", 1, f"test.{scene.name}.in")


def test_an_image_that_is_set_aside_is_named(scene: Any) -> None:
    scene.send("aside-a")

    with scene.running():
        scene.wait(1)

    one = scene.aside()[0]
    assert (one.image_id, one.patient, one.site, one.reason) == ("aside-a", "aside-a", "test", "blank")


def test_an_unexpected_error_is_tried_three_times_and_its_text_stays_out(scene: Any) -> None:
    scene.send("error-secret")

    with scene.running():
        scene.wait(1)

    letter = scene.dead()[0]
    assert (letter.reason, letter.explanation, letter.attempts) == ("zero-division-error", "", 3)


def test_a_record_that_cannot_be_read_goes_to_the_dead_letters(scene: Any) -> None:
    writer = scene.bus.writer(f"{scene.name}.writer")
    writer.renew()
    writer.commit([Sending(f"test.{scene.name}.in", b"key", b"\xff\xff no protobuf", (("mark", b"\x00"),))], {}, None)
    writer.close()

    with scene.running():
        scene.wait(1)

    letter = scene.dead()[0]
    assert letter.reason == "unreadable-record"
    assert letter.original.value == b"\xff\xff no protobuf"
    assert letter.original.headers["mark"] == b"\x00"


def test_a_dependency_that_is_away_is_waited_for(scene: Any, until: Until) -> None:
    is_back = threading.Event()

    def work(message: ImageDeidentified, context: Context) -> Sequence[Outgoing]:
        if not is_back.is_set():
            raise Passing("store", "The store did not answer.")
        outputs: Sequence[Outgoing] = scene.stage().work(message, context)
        return outputs

    def probe() -> None:
        if not is_back.is_set():
            raise ConnectionError

    sent = images("good", 10)
    scene.send(*sent)
    # More than may be in flight: the rest is only polled when the dependency is known to be back.
    with scene.running(work=work, probes={"store": probe}, max_in_flight=2) as running:
        until(lambda: "store" in running.health.unready)
        is_back.set()
        outcomes = scene.wait(len(sent))
        until(lambda: running.health.unready == [])

    assert outcomes == once(*sent)


def test_a_dependency_without_a_probe_is_waited_for_until_work_succeeds(scene: Any, until: Until) -> None:
    is_back = threading.Event()

    def work(message: ImageDeidentified, context: Context) -> Sequence[Outgoing]:
        if not is_back.is_set():
            raise Passing("release", "Nothing is in force.")
        outputs: Sequence[Outgoing] = scene.stage().work(message, context)
        return outputs

    sent = images("good", 10)
    scene.send(*sent)
    with scene.running(work=work, max_in_flight=2) as running:
        until(lambda: "release" in running.health.unready)
        is_back.set()
        outcomes = scene.wait(len(sent))
        until(lambda: running.health.unready == [])

    assert outcomes == once(*sent)


def test_an_item_that_fails_while_its_dependency_is_well_is_poison(scene: Any) -> None:
    scene.send("away-a", "good-b")

    with scene.running(probes={"store": lambda: None}):
        scene.wait(2)

    assert [(letter.reason, letter.attempts) for letter in scene.dead()] == [("store-fails", 3)]


def test_duplicates_are_settled_by_the_state_in_the_order_of_their_partition(scene: Any, settling: Any) -> None:
    scene.send("good-a", "good-b", "good-a", patient="one")
    with scene.running(**settling(scene.name)):
        scene.wait(2)
    scene.send("good-b", "good-c", patient="one")  # restored by the next instance

    with scene.running(**settling(scene.name)):
        outcomes = scene.wait(3)

    assert outcomes == once("good-a", "good-b", "good-c")


def test_the_brake_pauses_the_stage_until_it_is_released_also_after_a_restart(scene: Any, until: Until) -> None:
    sent = images("poison", 12)
    scene.send(*sent, patient="one")

    with scene.running(brake_limit=4) as running:
        until(lambda: "brake" in running.health.unready)
    with scene.running(brake_limit=100) as running:
        until(lambda: "brake" in running.health.unready)
        braked = Table(scene.bus, STAGE_BRAKED)
        braked.refresh()
        n_before = scene.outcomes().total()
        scene.bus.publisher().remove(STAGE_BRAKED, scene.name)
        outcomes = scene.wait(len(sent))

    assert n_before == 5
    assert scene.name in braked
    assert outcomes == once(*sent)


def test_an_enum_value_of_a_newer_version_brakes_the_stage(scene: Any, until: Until, newer: Any) -> None:
    with scene.running(**newer(scene)) as running:
        until(lambda: "brake" in running.health.unready)

    assert scene.outcomes().total() == 0


def test_an_enum_value_of_a_newer_version_brakes_the_stage_whatever_is_worked_in_other_partitions(
    scene: Any, until: Until
) -> None:
    topic = Topic(f"test.{scene.name}.received", ImageReceived, "image_id", 2, readers=(scene.name,))
    scene.bus.provision([topic])
    is_committing, is_last = threading.Event(), threading.Event()

    def work(message: ImageReceived, _: Context) -> Sequence[Outgoing]:
        if message.image_id != "a":
            is_committing.wait(30)
        if message.image_id == "d":
            is_last.set()
        return [Outgoing(IMAGE_SET_ASIDE, ImageSetAside(image_id=message.image_id, stage=scene.name, reason="blank"))]

    def checkpoint(step: str) -> None:
        if step == "worked":  # the first commit holds `a`; meanwhile the others are worked, and none is committed
            is_committing.set()
            is_last.wait(30)

    known = [ImageReceived(image_id=one).SerializeToString() for one in "abcd"]
    newer = ImageReceived(image_id="newer").SerializeToString() + b"\x20\x63"  # door = 99
    writer = scene.bus.writer(f"{scene.name}.writer")
    writer.renew()
    places = [(0, known[0]), (0, newer), (1, known[1]), (1, known[2]), (1, known[3])]
    writer.commit([Sending(topic.name, b"key", value, (), number) for number, value in places], {}, None)
    writer.close()

    # A thread for each, since which partition is polled first is the broker's choice.
    with scene.running(consumes=topic, work=work, n_threads=5, max_in_flight=8, checkpoint=checkpoint) as running:
        until(lambda: running.error or "brake" in running.health.unready)

    assert running.error is None
    assert scene.outcomes() == once("a")


def test_an_image_that_settle_sets_aside_counts_as_set_aside(scene: Any, until: Until) -> None:
    def settle(_: Sequence[Outgoing], __: State) -> Sequence[Outgoing]:
        return [Outgoing(IMAGE_SET_ASIDE, ImageSetAside(image_id="good-a", stage=scene.name, reason="conflict"))]

    def count(name: str, *labels: str) -> float:
        given = dict(zip(("stage", "outcome" if name == "records" else "reason"), (scene.name, *labels), strict=True))
        return REGISTRY.get_sample_value(f"osteon_stage_{name}_total", given) or 0.0

    scene.send("good-a")
    with scene.running(settle=settle):
        until(lambda: count("records", "set-aside") == 1)

    assert count("set_aside", "conflict") == 1
    assert count("records", "done") == 0


def test_a_missing_offset_is_fatal(scene: Any, until: Until, without_reader: Callable[[Any], Any]) -> None:
    lost = without_reader(scene)

    with lost.running() as running:
        until(lambda: running.error is not None)

    assert isinstance(running.error, Fatal)
    assert "no offset" in str(running.error)


def test_a_topic_that_ends_before_what_was_read_of_it_is_fatal_to_who_follows_it(scene: Any) -> None:
    scene.send("good-a", patient="one")
    name = f"test.{scene.name}.in"
    (record,) = scene.bus.read([name])

    assert next(scene.bus.follow([name], {record.place: record.offset})) == record
    with pytest.raises(Fatal, match="made anew"):
        next(scene.bus.follow([name], {record.place: record.offset + 2}))

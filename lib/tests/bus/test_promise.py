"""What a stage promises, on a bus in memory and on a real Kafka."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from prometheus_client import REGISTRY

from osteon.bus import Context, Outgoing, State, Table, dead_letters
from osteon.bus.dead_letters import Selection, replay
from osteon.bus.record import REPLAY_OF, Sending, header
from osteon.contracts import ImageDeidentified, ImageReceived, ImageSetAside
from osteon.contracts.topics import IMAGE_SET_ASIDE, STAGE_BRAKED, Topic
from osteon.errors import Fatal, Passing

# kafka-python leaves connections that were never made to the garbage collector; see `collected`.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
Until = Callable[..., None]


def images(kind: str, number: int) -> list[str]:
    return [f"{kind}-{one}" for one in range(number)]


def once(*image_ids: str) -> dict[str, int]:
    return dict.fromkeys(image_ids, 1)


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


def test_a_dead_letter_is_replayed_into_its_stage_alone_and_once(scene: Any) -> None:
    scene.send("poison-a", "poison-b")
    with scene.running():
        scene.wait(2)

    replayed = replay(scene.bus, scene.name, Selection(scene.name, image="poison-a"))
    again = replay(scene.bus, scene.name, Selection(scene.name, image="poison-a"))

    assert [letter.image_id for letter in replayed] == ["poison-a"]
    assert again == []
    healed = scene.stage(work=lambda message, context: scene.stage().work(_healed(message), context))
    with scene.running(healed):
        outcomes = scene.wait(3)
    assert outcomes == {"poison-a": 1, "poison-b": 1, "good-a": 1}
    assert header(scene.output_records()[0].headers, REPLAY_OF) == replayed[0].id


def _healed(message: ImageDeidentified) -> ImageDeidentified:
    return ImageDeidentified(image_id=message.image_id.replace("poison", "good"), patient=message.patient)


def test_who_is_late_when_two_replay_at_once_is_told_so(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.send("poison-a")
    with scene.running():
        scene.wait(1)
    look, selection, others = dead_letters.waiting, Selection(scene.name), list[str]()

    def look_and_be_overtaken(bus: Any, wanted: Selection) -> Any:
        monkeypatch.undo()
        found = look(bus, wanted)
        others.extend(letter.image_id for letter in replay(bus, scene.name, wanted))
        return found

    monkeypatch.setattr(dead_letters, "waiting", look_and_be_overtaken)

    with pytest.raises(Passing, match="at the same time"):
        replay(scene.bus, scene.name, selection)

    assert others == ["poison-a"]


def test_a_replayed_letter_that_fails_again_can_be_replayed_again(scene: Any) -> None:
    scene.send("poison-a")
    with scene.running():
        scene.wait(1)
        replay(scene.bus, scene.name, Selection(scene.name))
        scene.wait(2)

    replayed = replay(scene.bus, scene.name, Selection(scene.name))

    first, second = scene.dead()
    assert first.id != second.id
    assert [letter.id for letter in replayed] == [second.id]


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


def test_a_second_instance_with_the_same_name_ends_the_first_at_its_next_record(scene: Any, until: Until) -> None:
    with scene.running() as first:
        scene.send("good-a")
        scene.wait(1)
        with scene.running() as second:
            until(lambda: second.health.unready == [])
            scene.send("good-b")
            until(lambda: first.error is not None)
            outcomes = scene.wait(2)

    assert isinstance(first.error, Fatal)
    assert second.error is None
    assert outcomes == once("good-a", "good-b")


def test_an_instance_that_joins_while_work_is_in_flight_doubles_nothing(scene: Any, until: Until) -> None:
    gate = threading.Event()
    in_hand: list[str] = []

    def slow(message: ImageDeidentified, context: Context) -> Sequence[Outgoing]:
        in_hand.append(message.image_id)
        gate.wait(30)
        outputs: Sequence[Outgoing] = scene.stage().work(message, context)
        return outputs

    sent = images("good", 30)
    scene.send(*sent)
    with scene.running(work=slow) as first:
        until(lambda: in_hand)
        with scene.running(ordinal=1) as second:
            until(lambda: "bus" not in second.health.unready and second.health.unready != ["start"])
            gate.set()
            outcomes = scene.wait(len(sent))
            scene.send("good-more")
            more = scene.wait(len(sent) + 1)

    assert (first.error, second.error) == (None, None)
    assert outcomes == once(*sent)
    assert more == once(*sent, "good-more")


def test_an_instance_that_leaves_while_both_have_work_in_flight_loses_and_doubles_nothing(
    scene: Any, until: Until
) -> None:
    gate = threading.Event()
    in_hand: dict[int, list[str]] = {0: [], 1: []}

    def slow(ordinal: int) -> Callable[[ImageDeidentified, Context], Sequence[Outgoing]]:
        def work(message: ImageDeidentified, context: Context) -> Sequence[Outgoing]:
            in_hand[ordinal].append(message.image_id)
            gate.wait(30)
            outputs: Sequence[Outgoing] = scene.stage().work(message, context)
            return outputs

        return work

    sent = images("good", 30)
    with scene.running(work=slow(0)) as first:
        with scene.running(work=slow(1), ordinal=1) as second:
            until(lambda: first.health.unready == second.health.unready == [])
            scene.send(*sent)
            until(lambda: in_hand[0] and in_hand[1])
            second.stop.set()
            gate.set()
        scene.wait(len(sent))

    assert (first.error, second.error) == (None, None)
    assert scene.outcomes() == once(*sent)  # also of what came after the last one was waited for


def test_a_stage_that_is_told_to_stop_commits_what_is_in_flight(scene: Any, until: Until) -> None:
    gate, begun = threading.Event(), threading.Event()

    def slow(message: ImageDeidentified, context: Context) -> Sequence[Outgoing]:
        begun.set()
        gate.wait(30)
        outputs: Sequence[Outgoing] = scene.stage().work(message, context)
        return outputs

    scene.send("good-a")
    with scene.running(work=slow) as running:
        until(begun.is_set)
        running.stop.set()
        gate.set()

    assert scene.outcomes() == once("good-a")


class Killed(BaseException):
    """Stands for the death of a process, within this one."""


STEPS = ["polled", "claimed", "worked", "begun", "produced", "offsets-sent", "committed"]


@pytest.mark.parametrize("step", STEPS)
def test_an_instance_that_dies_between_two_steps_leaves_one_outcome_each(scene: Any, until: Until, step: str) -> None:
    def die(reached: str) -> None:
        if reached == step:
            raise Killed

    sent = [*images("good", 8), "poison-x"]
    scene.send(*sent)
    with scene.running(checkpoint=die) as dying:
        until(lambda: dying.error is not None)
    assert isinstance(dying.error, Killed)

    with scene.running():
        outcomes = scene.wait(len(sent))

    assert outcomes == once(*sent)

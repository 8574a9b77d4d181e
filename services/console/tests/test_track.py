import random
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from osteon.bus.record import Record
from osteon.contracts import ImageReceived
from osteon.contracts.topics import IMAGE_RECEIVED, IMAGE_SET_ASIDE, TOPICS, retry_topic
from osteon_console.query import image, summary
from osteon_console.tables import EVENTS, RECEPTIONS, open_database
from osteon_console.track import apply, positions

from .story import NOON_MS, Story

FORGETTING = retry_topic(IMAGE_RECEIVED, "accept")
NEVER_US = 0  # nothing was received before 1970, so nothing is overdue
Rows = list[dict[str, Any]]


def rows(engine: Engine) -> Rows:
    with engine.connect() as connection:
        order = (RECEPTIONS.c.image_id, RECEPTIONS.c.received_at_us)
        return [dict(row) for row in connection.execute(select(RECEPTIONS).order_by(*order)).mappings()]


def told(engine: Engine, records: list[Record]) -> Rows:
    apply(engine, records)
    return rows(engine)


def test_an_image_is_followed_from_reception_to_result(engine: Engine) -> None:
    story = Story()
    story.answer("image-1")

    seen = []
    for record in story.records:
        seen.append(told(engine, [record])[0]["state"])

    assert seen == ["received", "deidentified", "harmonized", "classified"]
    row = rows(engine)[0]
    assert (row["site"], row["patient"], row["probability"]) == ("north", "p1", 0.75)
    assert (row["label"], row["release_set"], row["n_outcomes"]) == ("atypical_fracture", "set-1", 1)
    assert (row["original"]["bucket"], row["harmonized"]["bucket"]) == ("images", "harmonized")
    assert row["received_at_us"] == NOON_MS * 1000
    assert row["finished_at_us"] == (NOON_MS + 3000) * 1000


def test_an_image_that_is_set_aside_says_why(engine: Engine) -> None:
    story = Story()
    story.set_aside(story.receive("image-1"), "truncated")

    row = told(engine, story.records)[0]

    assert (row["state"], row["stage"], row["reason"]) == ("set-aside", "accept", "truncated")
    assert row["explanation"] == "Why."


def test_a_conflict_stands_beside_the_answer_of_the_first_image(engine: Engine) -> None:
    story = Story()
    story.answer("image-1")
    story.set_aside(story.receive("image-1", "ff"), "conflict")

    first, second = told(engine, story.records)

    assert (first["state"], first["is_main"], first["n_outcomes"]) == ("classified", True, 1)
    assert (second["state"], second["reason"], second["is_main"]) == ("set-aside", "conflict", False)


def test_a_conflict_does_not_speak_for_an_image_that_is_on_its_way(engine: Engine) -> None:
    story = Story()
    first = story.receive("image-1")
    story.set_aside(story.receive("image-1", "ff"), "conflict")
    story.deidentify(first)

    assert [(row["state"], row["is_main"]) for row in told(engine, story.records)] == [
        ("deidentified", True),
        ("set-aside", False),
    ]


def test_a_whole_image_that_follows_a_truncated_one_speaks_for_it(engine: Engine) -> None:
    story = Story()
    story.set_aside(story.receive("image-1"), "truncated")
    story.answer("image-1", "ff")

    assert [(row["state"], row["is_main"]) for row in told(engine, story.records)] == [
        ("set-aside", False),
        ("classified", True),
    ]


def test_the_same_file_again_adds_no_row_and_is_never_overdue(engine: Engine) -> None:
    story = Story()
    story.answer("image-1")
    story.receive("image-1")
    apply(engine, story.records)

    with engine.connect() as connection:
        said = summary(connection, late_before_us=(NOON_MS + 10**9) * 1000)

    assert len(rows(engine)) == 1
    assert (said["open"], said["overdue"], said["images"], said["received"]) == (0, 0, 1, 2)


def test_a_first_reception_is_told_by_its_place_in_the_partition_and_not_by_the_doors_clocks(engine: Engine) -> None:
    story = Story()
    ahead, behind = story.receive("image-1"), story.receive("image-1")
    # The records change places: the door that wrote first has the clock that is ahead.
    one, two = story.records
    story.records[:] = [
        Record(**vars(one) | {"value": behind.SerializeToString()}),
        Record(**vars(two) | {"value": ahead.SerializeToString()}),
    ]
    story.classify(story.harmonize(story.deidentify(behind)))

    assert [row["state"] for row in told(engine, story.records)] == ["classified"]


def test_an_image_that_was_lost_is_overdue(engine: Engine) -> None:
    story = Story()
    story.receive("image-1")
    apply(engine, story.records)

    with engine.connect() as connection:
        in_time = summary(connection, late_before_us=NOON_MS * 1000)
        late = summary(connection, late_before_us=NOON_MS * 1000 + 1)

    assert (in_time["overdue"], late["overdue"]) == (0, 1)


def test_a_dead_letter_is_superseded_once_its_replay_has_an_outcome(engine: Engine) -> None:
    story = Story()
    received = story.receive("image-1")
    letter = story.bury(received).encode()
    buried = told(engine, story.records)[0]
    retry = retry_topic(IMAGE_RECEIVED, "accept")
    replayed = story.write(retry, received, "image-1", {"osteon-replay-of": letter})
    waiting = told(engine, [replayed])[0]
    story.set_aside(received, "truncated", {"osteon-replay-of": letter})

    done = told(engine, story.records[-1:])[0]

    assert (buried["state"], buried["reason"], buried["site"]) == ("dead-letter", "undigested", "north")
    assert waiting["state"] == "dead-letter"
    assert (done["state"], done["reason"], done["n_outcomes"]) == ("set-aside", "truncated", 1)


def test_a_record_that_cannot_be_read_is_seen_as_the_image_of_its_key(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    story = Story()
    whole = story.receive("image-1")
    story.records[0] = Record(**vars(story.records[0]) | {"value": b"\xff" + whole.SerializeToString()})

    row = told(engine, story.records)[0]

    assert (row["image_id"], row["state"]) == ("image-1", "received")
    assert caplog.messages == ["record unreadable"]


def test_two_outcomes_of_one_reception_are_counted(engine: Engine) -> None:
    story = Story()
    harmonized = story.harmonize(story.deidentify(story.receive("image-1")))
    story.classify(harmonized)
    story.classify(harmonized, probability=0.25)

    row = told(engine, story.records)[0]

    assert (row["n_outcomes"], row["probability"]) == (2, 0.25)


def wild_story() -> Story:
    """A bit of everything, over several images."""
    story = Story()
    story.answer("plain")
    story.answer("conflicted")
    story.set_aside(story.receive("conflicted", "ff"), "conflict")
    story.receive("plain")
    story.set_aside(story.receive("mended"), "truncated")
    story.answer("mended", "ff")
    buried = story.receive("buried")
    story.bury(buried)
    replayed = story.receive("replayed")
    letter = story.bury(replayed).encode()
    story.write(retry_topic(IMAGE_RECEIVED, "accept"), replayed, "replayed", {"osteon-replay-of": letter})
    story.set_aside(replayed, "no-spacing", {"osteon-replay-of": letter})
    story.write(IMAGE_SET_ASIDE, None, "tombstone")
    story.deidentify(story.receive("under-way"))
    return story


def by_partition(records: list[Record]) -> list[list[Record]]:
    places: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        places.setdefault((record.topic, record.partition), []).append(record)
    return list(places.values())


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_order_the_topics_are_read_in_the_table_is_the_same(data: st.DataObject) -> None:
    records = wild_story().records
    queues = [list(queue) for queue in by_partition(records)]
    straight, mixed = open_database("sqlite://"), open_database("sqlite://")

    apply(straight, records)
    while queues:
        queue = data.draw(st.sampled_from(queues), label="partition")
        n = data.draw(st.integers(1, len(queue)), label="records at once")
        apply(mixed, queue[:n])
        del queue[:n]
        queues = [queue for queue in queues if queue]

    assert rows(mixed) == rows(straight)
    assert positions(mixed) == positions(straight)
    straight.dispose()
    mixed.dispose()


def test_read_again_from_any_place_nothing_counts_twice(engine: Engine) -> None:
    records = wild_story().records
    before = told(engine, records)

    n_new = [apply(engine, records[start:]) for start in range(len(records))]

    assert set(n_new) == {0}
    assert rows(engine) == before


def test_killed_between_batches_the_next_run_goes_on_where_it_stopped(database: Callable[[], Engine]) -> None:
    records = wild_story().records
    half = len(records) // 2
    apply(database(), records[:half])

    restarted = database()
    to_read = [r for r in records if r.offset >= positions(restarted).get((r.topic, r.partition), 0)]
    apply(restarted, to_read)

    assert to_read == records[half:]
    whole = open_database("sqlite://")
    assert rows(restarted) == told(whole, records)
    whole.dispose()


def test_a_batch_that_fails_leaves_nothing_behind(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    records = wild_story().records
    broken = Record(**vars(records[-1]) | {"timestamp_ms": None})

    with pytest.raises(Exception, match=r"."):
        apply(engine, [*records[:-1], broken])

    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(EVENTS)).scalar() == 0
    assert positions(engine) == {}
    assert rows(engine) == []


def test_every_topic_is_tracked_that_speaks_of_an_image() -> None:
    from osteon_console.track import TRACKED

    speaking = {topic for topic in TOPICS if "image_id" in topic.message.DESCRIPTOR.fields_by_name}

    assert {topic.name for topic in speaking} - {topic.name for topic in TRACKED} == {"osteon.image.known"}


def test_the_path_of_an_image_names_each_step_and_its_span(engine: Engine) -> None:
    story = Story()
    story.answer("image-1")
    apply(engine, story.records)

    with engine.connect() as connection:
        answer = image(connection, NEVER_US, "image-1")

    assert answer is not None
    assert [step["step"] for step in answer["path"]] == ["received", "deidentified", "harmonized", "classified"]
    assert [step["since_first_s"] for step in answer["path"]] == [0, 1, 2, 3]
    assert len({step["span_id"] for step in answer["path"]}) == 4
    assert answer["took_s"] == 3


@pytest.mark.parametrize("read_at", [0, 3, 6])
def test_an_image_that_was_forgotten_leaves_no_event_whenever_that_is_read(engine: Engine, read_at: int) -> None:
    story = Story()
    story.answer("image-1")
    story.bury(story.receive("image-1", "dd"))
    forgetting = story.write(FORGETTING, ImageReceived(image_id="image-1", forget=True), "image-1")
    records = [one for one in story.records if one is not forgetting]
    records.insert(read_at, forgetting)
    story.answer("image-2")

    for record in (*records, *story.records[7:]):
        apply(engine, [record])

    with engine.connect() as connection:
        left = connection.execute(select(EVENTS.c.image_id, EVENTS.c.topic)).all()
    assert [row["image_id"] for row in rows(engine)] == ["image-2"]
    assert [topic for image_id, topic in left if image_id == "image-1"] == [FORGETTING.name]


def test_an_image_that_comes_again_after_it_was_forgotten_is_new(engine: Engine) -> None:
    story = Story()
    story.answer("image-1")
    story.write(FORGETTING, ImageReceived(image_id="image-1", forget=True), "image-1")
    story.set_aside(story.receive("image-1"), "truncated")

    (row,) = told(engine, story.records)

    assert (row["state"], row["patient"], row["n_outcomes"]) == ("set-aside", "", 1)


@pytest.mark.parametrize(
    "wild",
    [
        ImageReceived(image_id="a\0b", site="x\0" * 4000),
        ImageReceived(image_id="".join(random.Random(1).choices("abcdefgh\u1234", k=100_000))),
        ImageReceived(image_id="a", received_at=Timestamp(seconds=2**62)),
        ImageReceived(image_id="a", received_at=Timestamp(seconds=1, nanos=-5)),
        ImageReceived(image_id="a", received_at=Timestamp(seconds=-(2**40))),
    ],
    ids=["NUL", "a long id", "a time beyond all years", "no time", "before all years"],
)
def test_a_record_with_wild_values_has_its_row_and_stops_nothing(engine: Engine, wild: ImageReceived) -> None:
    value = wild.SerializeToString()
    record = Record(IMAGE_RECEIVED.name, 0, 0, b"\0key", value, (("traceparent", b"\0\xff"),), NOON_MS)

    assert told(engine, [record])[0]["state"] == "received"

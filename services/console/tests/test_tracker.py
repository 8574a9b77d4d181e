import threading
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, text

from osteon.bus import MemoryBus
from osteon.bus.record import Sending
from osteon.contracts.topics import TOPICS
from osteon.errors import Fatal
from osteon.runtime.health import Health
from osteon_console.query import images
from osteon_console.track import QUIET_S, Tracker

from .story import Story

WITHIN_S = 90.0


@pytest.fixture
def bus() -> MemoryBus:
    found = MemoryBus()
    found.provision(TOPICS)
    return found


@pytest.fixture
def start(bus: MemoryBus) -> Iterator[Callable[..., Tracker]]:
    """Starts trackers, which are stopped after the test."""
    stop, threads = threading.Event(), list[threading.Thread]()

    def start_one(engine: Engine, clock: Callable[[], float] = time.monotonic) -> Tracker:
        tracker = Tracker(engine, bus, Health(), clock)
        threads.append(threading.Thread(target=tracker.run, args=(stop,)))
        threads[-1].start()
        return tracker

    yield start_one
    stop.set()
    for thread in threads:
        thread.join(timeout=WITHIN_S)
        assert not thread.is_alive()


def put(bus: MemoryBus, story: Story) -> None:
    bus.append([Sending(one.topic, one.key, one.value, one.headers) for one in story.records])


def states(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [row["state"] for row in images(connection, 0)["images"]]


def test_what_comes_onto_the_topics_is_in_the_table_soon_after(
    bus: MemoryBus, engine: Engine, start: Callable[..., Tracker], until: Callable[..., None]
) -> None:
    now = [0.0]
    tracker = start(engine, lambda: now[0])
    story = Story()
    story.answer("image-1")

    put(bus, story)

    until(lambda: states(engine) == ["classified"])
    assert not tracker.is_current
    now[0] += 2 * QUIET_S
    until(lambda: tracker.is_current)


def test_a_tracker_that_has_not_begun_is_not_current(bus: MemoryBus, engine: Engine) -> None:
    now = [0.0]
    tracker = Tracker(engine, bus, Health(), clock=lambda: now[0])

    now[0] += 10 * QUIET_S

    assert not tracker.is_current


def test_two_trackers_on_one_database_count_nothing_twice(
    bus: MemoryBus, database: Callable[[], Engine], start: Callable[..., Tracker], until: Callable[..., None]
) -> None:
    engine = database()
    trackers = [start(engine), start(database())]
    for number in range(20):
        story = Story()
        story.answer(f"image-{number}")
        put(bus, story)

    until(lambda: states(engine) == ["classified"] * 20)
    until(lambda: all(tracker.is_current for tracker in trackers))

    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM events")).scalar() == 80
        assert connection.execute(text("SELECT max(n_outcomes) FROM receptions")).scalar() == 1


def test_a_topic_that_was_made_anew_stops_the_console_which_says_what_to_do(
    database: Callable[[], Engine], bus: MemoryBus, start: Callable[..., Tracker], until: Callable[..., None]
) -> None:
    story = Story()
    story.answer("a")
    put(bus, story)
    engine = database()
    start(engine)
    until(lambda: states(engine) == ["classified"])
    anew = MemoryBus()
    anew.provision(TOPICS)

    with pytest.raises(Fatal, match="Delete the console's database"):
        Tracker(engine, anew, Health()).run(threading.Event())

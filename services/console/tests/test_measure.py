"""What Prometheus is told of the table of states."""

from prometheus_client import REGISTRY
from sqlalchemy import Engine

from osteon.runtime import metrics
from osteon_console.measure import measure
from osteon_console.track import apply

from .story import NOON_MS, Story

DEADLINE_S = 900.0


def told(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"osteon_console_{name}", labels)


def test_images_are_counted_by_site_state_and_what_they_wait_for(engine: Engine) -> None:
    story = Story()
    story.answer("image-1")
    story.set_aside(story.receive("image-2"), "truncated")
    story.receive("image-3")
    apply(engine, story.records)

    with engine.connect() as connection:
        measure(connection, NOON_MS / 1000 + 2 * DEADLINE_S, DEADLINE_S)

    assert [told("images", site="north", state=state) for state in ("received", "classified", "dead-letter")] == [
        1,
        1,
        0,
    ]
    assert told("findings", site="north", side="above") == 1
    assert [told("waiting_images", stage=stage) for stage in ("accept", "harmonize")] == [1, 0]
    assert [told("overdue_images", stage=stage) for stage in ("accept", "harmonize")] == [1, 0]
    assert 0 < (told("oldest_waiting_seconds", stage="accept") or 0) <= 2 * DEADLINE_S
    assert told("oldest_waiting_seconds", stage="harmonize") == 0
    assert told("read_offsets", topic="osteon.image.received") == 3


def test_what_waited_and_is_done_waits_no_more(engine: Engine) -> None:
    metrics.WAITING.labels("classify").set(7)

    with engine.connect() as connection:
        measure(connection, NOON_MS / 1000, DEADLINE_S)

    assert told("waiting_images", stage="classify") == 0

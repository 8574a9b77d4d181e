import itertools
import threading
from collections.abc import Iterator

import pytest

from osteon.bus.record import Record
from osteon.errors import Passing
from osteon_console.feed import batches

from .story import Story


def many(n: int) -> list[Record]:
    story = Story()
    for number in range(n):
        story.receive(f"image-{number}")
    return story.records


def test_batches_hold_every_record_in_order() -> None:
    records = many(50)

    found = list(batches(lambda _: iter(records), threading.Event(), n_most=7))

    assert list(itertools.chain.from_iterable(found)) == records
    assert max(map(len, found)) <= 7


def test_a_record_does_not_wait_for_others_to_fill_its_batch() -> None:
    record, more = many(1)[0], threading.Event()

    def follow(ended: threading.Event) -> Iterator[Record]:
        yield record
        ended.wait(timeout=60)

    found = batches(follow, more)

    assert next(batch for batch in found if batch) == [record]
    assert next(found) == []
    found.close()


def test_a_bus_that_is_away_is_told_after_what_it_gave() -> None:
    record = many(1)[0]

    def follow(_: threading.Event) -> Iterator[Record]:
        yield record
        raise Passing("bus", "away")

    found = batches(follow, threading.Event())
    seen = next(batch for batch in found if batch)

    with pytest.raises(Passing, match="away"):
        list(found)
    assert seen == [record]


def test_whoever_reads_no_more_ends_the_stream_too() -> None:
    records, read = many(1) * 10_000, []

    def follow(_: threading.Event) -> Iterator[Record]:
        for record in records:
            read.append(record)
            yield record

    found = batches(follow, threading.Event(), n_most=10)
    next(found)
    found.close()

    assert len(read) < 100  # bounded, however much there is
    assert "feed" not in {thread.name for thread in threading.enumerate()}

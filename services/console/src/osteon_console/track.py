"""Track: every topic in, one row a reception out.

1. A batch of records is stored as events, and the receptions of the images that they name are worked out anew from
   all events of each.
2. The offsets are stored in the same transaction: each record counts once, wherever the process is killed.
   Those before an image was forgotten (`osteon patient forget`) count no more, and are deleted.
3. What an image's events say does not depend on their order, so that topics may be read side by side.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import OperationalError

from osteon.bus.record import REPLAY_OF, Record, header
from osteon.bus.wire import Bus
from osteon.contracts import DeadLetter
from osteon.contracts.topics import DEAD_LETTER, IMAGE_KNOWN, IMAGE_RECEIVED, MODEL_RELEASED, TOPICS, retry_topic
from osteon.errors import Fatal, Passing
from osteon.runtime import logs
from osteon.runtime.health import Health
from osteon_console.feed import batches
from osteon_console.reception import Event, message_of, receptions
from osteon_console.tables import EVENTS, POSITIONS, RECEPTIONS, lock

__all__ = ["TRACKED", "Tracker", "apply", "positions"]

LOGGER = logs.logger(__name__)

# What stages remember and what is released says nothing about the way of one image.
TRACKED = tuple(topic for topic in TOPICS if topic not in (IMAGE_KNOWN, MODEL_RELEASED))
_KEYED_BY_IMAGE = {topic.name for topic in TOPICS if topic.key == "image_id"} - {DEAD_LETTER.name}
_FORGETTING = retry_topic(IMAGE_RECEIVED, "accept").name
QUIET_S = 1.5  # longer than one poll of the bus takes
RETRY_S = 2.0


def positions(engine: Engine) -> dict[tuple[str, int], int]:
    """By topic and partition, the offset to read next."""
    with engine.connect() as connection:
        return {(topic, partition): offset for topic, partition, offset in connection.execute(select(POSITIONS))}


def apply(engine: Engine, records: Sequence[Record]) -> int:
    """Store `records` and what follows from them, in one transaction; gives the number of new ones.

    Records that were stored before are passed over.
    """
    with engine.begin() as connection:
        lock(connection)  # before the positions are read
        known = {(topic, partition): offset for topic, partition, offset in connection.execute(select(POSITIONS))}
        new = [_row(record) for record in records if record.offset >= known.get((record.topic, record.partition), 0)]
        if new:
            connection.execute(insert(EVENTS), new)
            _tell_anew(connection, {row["image_id"] for row in new} - {""})
            _advance(connection, known, new)
    return len(new)


def _row(record: Record) -> dict[str, Any]:
    message = message_of(record.topic, record.value)
    key = record.key.decode(errors="replace")
    image_id = getattr(message, "image_id", "") or _image_of_letter(message)
    if message is None and record.value is not None:
        # What can't be read is still an image that came in; its key names it on some topics.
        LOGGER.error("record unreadable", extra={"topic": record.topic, "offset": record.offset})
        image_id = key if record.topic in _KEYED_BY_IMAGE else ""
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "image_id": image_id,
        "time_us": record.timestamp_ms * 1000,
        "traceparent": header(record.headers, "traceparent"),
        "replay_of": header(record.headers, REPLAY_OF),
        "key": key,
        "value": record.value,
    }


def _image_of_letter(message: Message | None) -> str:
    """The image that a dead letter is about whose record could not be read: on some topics its key names it."""
    if isinstance(message, DeadLetter) and message.original.topic in _KEYED_BY_IMAGE:
        return message.original.key.decode(errors="replace")
    return ""


def _tell_anew(connection: Connection, image_ids: set[str]) -> None:
    """Work out the receptions of these images again, from all their events."""
    events = defaultdict(list)
    for row in connection.execute(select(EVENTS).where(EVENTS.c.image_id.in_(image_ids))):
        events[row.image_id].append(
            Event(
                topic=row.topic,
                partition=row.partition,
                offset=row.offset,
                time_us=row.time_us,
                traceparent=row.traceparent,
                replay_of=row.replay_of,
                message=message_of(row.topic, row.value),
            )
        )
    for image_id, known in events.items():
        events[image_id] = _without_forgotten(connection, image_id, known)
    connection.execute(delete(RECEPTIONS).where(RECEPTIONS.c.image_id.in_(image_ids)))
    rows = [asdict(row) for image_id, known in events.items() for row in receptions(image_id, known)]
    if rows:
        connection.execute(insert(RECEPTIONS), rows)


def _without_forgotten(connection: Connection, image_id: str, known: list[Event]) -> list[Event]:
    """The events since an image was forgotten; the others are deleted, in whatever order they were read."""
    forgotten_us = [event.time_us for event in known if getattr(event.message, "forget", False)]
    if not forgotten_us:
        return known
    old = (EVENTS.c.image_id == image_id) & (EVENTS.c.time_us <= max(forgotten_us))
    connection.execute(delete(EVENTS).where(old & (EVENTS.c.topic != _FORGETTING)))
    return [event for event in known if event.time_us > max(forgotten_us)]


def _advance(connection: Connection, known: dict[tuple[str, int], int], new: Iterable[dict[str, Any]]) -> None:
    ahead: dict[tuple[str, int], int] = {}
    for row in new:
        place = (row["topic"], row["partition"])
        ahead[place] = max(ahead.get(place, 0), row["offset"] + 1)
    for (topic, partition), offset in ahead.items():
        if (topic, partition) in known:
            here = (POSITIONS.c.topic == topic) & (POSITIONS.c.partition == partition)
            connection.execute(update(POSITIONS).where(here).values(next_offset=offset))
        else:
            connection.execute(insert(POSITIONS).values(topic=topic, partition=partition, next_offset=offset))


class Tracker:
    """Keeps the table of a database up with the topics of a bus."""

    def __init__(self, engine: Engine, bus: Bus, health: Health, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._bus = bus
        self._health = health
        self._clock = clock
        self._busy_at = clock()
        health.ready("track", False)

    @property
    def is_current(self) -> bool:
        """Whether all that lay on the topics has been read: they are followed, and nothing came for `QUIET_S`."""
        return not self._health.unready and self._clock() - self._busy_at > QUIET_S

    def run(self, stop: threading.Event) -> None:
        """Follow the topics until `stop`. A bus or a database that is away is waited for.

        Raises Fatal where a topic was made anew, so that what the database holds is of another life.
        """
        while not stop.is_set():
            try:
                self._follow(stop)
            except (Passing, OperationalError) as error:
                # The text of a database's error may hold what was to be stored.
                why = str(error) if isinstance(error, Passing) else "the database does not answer"
                LOGGER.warning("tracking waits", extra={"why": why})
                self._health.ready("track", False)
                self._health.alive()
                stop.wait(RETRY_S)
            except Fatal as error:
                # Not by itself: the database may tell of images that the topics have let go of.
                raise Fatal(f"{error}. Delete the console's database; it is built again from the topics") from None

    def _follow(self, stop: threading.Event) -> None:
        begin = positions(self._engine)
        for batch in batches(lambda ended: self._bus.follow(TRACKED, begin, ended), stop):
            if batch:
                self._busy_at = self._clock()
                apply(self._engine, batch)
            self._health.ready("track", True)
            self._health.alive()

"""Forget a patient: delete the objects, tell accept and the console, and say when the records are gone.

1. Wait until the stages have passed what was sent of the patient, as far as they run: see `underway.py`.
2. Delete the objects of each bucket; the vault last, since it tells whose the others are, should this be cut short.
3. Publish for each image, on the topic that accept alone reads, that it is to be forgotten. Accept writes the tombstone
   of what it remembers, in its own transaction; the console deletes what it knows of the image.
4. Search again, until nothing more has come meanwhile.
5. Wait until accept and the console have forgotten, as far as they run.

Safe to repeat: what is gone is not found again.
"""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPException

from osteon.bus import Bus, Outgoing, Table
from osteon.contracts import ImageReceived
from osteon.contracts.topics import DEAD_LETTER, IMAGE_KNOWN, IMAGE_RECEIVED, REMOVED_WITHIN_MS, retry_topic
from osteon.runtime.console import TOKEN, URL, ConsoleDoor, console_door
from osteon.store import Store
from osteon_ingest.traces import PLACES, Records, Traces, retained
from osteon_ingest.underway import Search, Waited, at_rest, by_stage, until

__all__ = ["Place", "forget", "would_forget"]

WAIT_S = 60.0  # for a stage or the console to finish one record; they need seconds
PASSES = 5  # somebody still sends the patient's images, if the last one finds more
UNAUTHORIZED, NOT_FOUND = 401, 404
TELL_ACCEPT = retry_topic(IMAGE_RECEIVED, "accept")


@dataclass(frozen=True)
class Place:
    """What was in one place, and since or until when it is gone."""

    name: str
    n: int
    outcome: str


def would_forget(found: Traces) -> list[Place]:
    """What `forget` would do; nothing is changed."""
    kept = [
        *(Place(f"bucket {bucket}", len(found.objects.get(bucket, ())), "would be deleted") for bucket in PLACES),
        Place(IMAGE_KNOWN.name, found.n_known, "would be removed"),
        Place("the console's table", len(found.images), "would be deleted"),
    ]
    waits = (Place(f"before {stage}", n, "would be waited for") for stage, n in by_stage(found.underway).items())
    return [*waits, *kept, *_records([found], "would be gone")]


def forget(
    found: Traces,
    search: Search,
    bus: Bus,
    store: Store,
    site: str,
    *,
    wait_s: float = WAIT_S,
    say: Callable[[str], object] = lambda _: None,
) -> list[Place]:
    """Forget what was `found`, and what `search` finds after it; one line for each place.

    A stage that finishes nothing for `wait_s` is not waited for. `say` is told what is. Raises Passing: then repeat it.
    """
    console = console_door()  # first: what is wrong with it shall be told before anything is gone
    waited, passes, deleted = Waited(), list[Traces](), dict.fromkeys(PLACES, 0)
    found = at_rest(found, search, bus, waited, wait_s=wait_s, say=say)  # 1
    while not passes or (any(found.objects.values()) and len(passes) < PASSES):
        passes.append(found)
        for bucket in PLACES:
            deleted[bucket] += _delete(store, found, bucket)  # 2
        _tell(bus, site, found.images)  # 3
        found = at_rest(search(found.names), search, bus, waited, wait_s=wait_s, say=say)  # 4
    images = set().union(*(one.images for one in passes))
    places = [Place(f"bucket {bucket}", n, "gone") for bucket, n in deleted.items()]
    n_known = sum(one.n_known for one in passes)
    accepts_s = 0.0 if TELL_ACCEPT.readers[0] in waited.stuck else wait_s  # what stands is not waited for twice
    places.append(_wait_for_accept(bus, images, n_known, accepts_s))  # 5
    places.append(_wait_for_console(console, images, wait_s))
    return [*_waited(waited, found), *places, *_records([*passes, found], "gone")]


def _waited(waited: Waited, left: Traces) -> Iterator[Place]:
    """What was waited for, and what a repetition has to find."""
    for stage, n in sorted(waited.passed.items()):
        yield Place(f"before {stage}", n, "waited for, and passed")
    for stage, n in by_stage(waited.left | left.underway).items():
        yield Place(f"before {stage}", n, f"not passed: when {stage} runs and has passed them, repeat this")
    n_objects = sum(map(len, left.objects.values()))
    if n_objects:
        yield Place("come meanwhile", n_objects, "not deleted: stop who sends them, then repeat this")


def _delete(store: Store, found: Traces, bucket: str) -> int:
    objects = found.objects.get(bucket, [])
    for ref in objects:
        store.delete(ref)
    return len(objects)


def _tell(bus: Bus, site: str, images: Set[str]) -> None:
    publisher = bus.publisher(source=f"osteon/{site}/forget")
    try:
        for image in sorted(images):
            publisher.publish(Outgoing(TELL_ACCEPT, ImageReceived(image_id=image, site=site, forget=True)))
    finally:
        publisher.close()


def _wait_for_accept(bus: Bus, images: Set[str], n_known: int, wait_s: float) -> Place:
    table = Table(bus, IMAGE_KNOWN)

    def is_forgotten() -> bool:
        table.refresh()
        return not images & set(table)

    try:
        is_gone = until(is_forgotten, wait_s)
    finally:
        table.close()
    by = _day(time.time() * 1000 + REMOVED_WITHIN_MS)
    outcome = f"gone; from Kafka's disk by {by}" if is_gone else "gone when accept has read on: it does not run"
    return Place(IMAGE_KNOWN.name, n_known, outcome)


def _wait_for_console(console: ConsoleDoor | None, images: Set[str], wait_s: float) -> Place:
    def is_forgotten() -> bool:
        return console is not None and all(_answer(console, one) == NOT_FOUND for one in sorted(images))

    outcome = "gone when the console has read on: "
    if console is None:
        outcome += f"set {URL} to have it asked"
    elif any(_answer(console, one) == UNAUTHORIZED for one in images):  # asked again and again, it would raise alarms
        outcome += f"it knows no such token, set {TOKEN} to one of its own"
    else:
        outcome = "gone" if until(is_forgotten, wait_s) else f"{outcome}it did not confirm it"
    return Place("the console's table", len(images), outcome)


def _answer(console: ConsoleDoor, image: str) -> int:
    """The HTTP status of a question for an image; 0 if there is no answer."""
    request = urllib.request.Request(f"{console.url}/api/images/{image}", headers=dict(console.headers))  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10, context=console.tls) as answer:  # noqa: S310 - it is HTTP
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, HTTPException):
        return 0


def _records(passes: Sequence[Traces], gone: str) -> Iterator[Place]:
    """The topics that keep their records for a time; they name images and pseudonyms, and objects that are gone."""
    for topic in retained:
        found = [one.records.get(topic.name, Records()) for one in passes]
        n, last_ms = max(one.n for one in found), max(one.last_ms for one in found)
        if topic.retention_ms is None or not n:
            continue
        name = "dead letters" if topic is DEAD_LETTER else topic.name
        yield Place(name, n, f"{gone} by {_day(last_ms + topic.retention_ms + REMOVED_WITHIN_MS)}")


def _day(time_ms: float) -> str:
    """The day by whose end that time has passed, whatever the time zone."""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC) + timedelta(days=1):%Y-%m-%d}"

"""What all events of one image say of it, in whatever order they came.

A *reception* is one arrival of an image at the door. Most images have one. The same file may come twice, which adds
nothing, and another picture may come under the same SOP Instance UID, which is a conflict; both bear the first
image's id. Every message says when its image was received, and so which reception it belongs to.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from osteon.contracts import DeadLetter, ImageClassified, ImageSetAside, ObjectRef
from osteon.contracts.topics import (
    DEAD_LETTER,
    IMAGE_CLASSIFIED,
    IMAGE_DEIDENTIFIED,
    IMAGE_HARMONIZED,
    IMAGE_RECEIVED,
    IMAGE_SET_ASIDE,
    TOPICS,
)
from osteon.runtime import trace

__all__ = ["ENDED", "OPEN", "Event", "Reception", "message_of", "receptions"]

OPEN = ("received", "deidentified", "harmonized")
ENDED = ("classified", "set-aside", "dead-letter")
_STEPS = {
    IMAGE_RECEIVED.name: "received",
    IMAGE_DEIDENTIFIED.name: "deidentified",
    IMAGE_HARMONIZED.name: "harmonized",
    IMAGE_CLASSIFIED.name: "classified",
    IMAGE_SET_ASIDE.name: "set-aside",
    DEAD_LETTER.name: "dead-letter",
}
_MESSAGES = {topic.name: topic.message for topic in TOPICS}

# Which event speaks for a reception: an answer before none, then how far it came.
_LOUDEST_EVENT = ("received", "deidentified", "harmonized", "dead-letter", "set-aside", "classified")
# Which reception speaks for an image: an answer, else one on its way, else why there is none.
_LOUDEST_RECEPTION = ("dead-letter", "set-aside", "received", "deidentified", "harmonized", "classified")


@dataclass(frozen=True)
class Event:
    """A record about one image. `message` is None where the value could not be read."""

    topic: str
    partition: int
    offset: int
    time_us: int
    traceparent: str
    replay_of: str
    message: Message | None


@dataclass(frozen=True)
class Reception:
    """A row of the table `receptions`; see there."""

    image_id: str
    received_at_us: int
    is_main: bool
    site: str
    patient: str
    state: str
    stage: str
    reason: str
    explanation: str
    label: str
    probability: float | None
    is_above_operating_point: bool | None
    release_set: str
    original: dict[str, Any] | None
    harmonized: dict[str, Any] | None
    finished_at_us: int | None
    n_outcomes: int
    trace_id: str


def message_of(topic: str, value: bytes | None) -> Message | None:
    """The message that a record of `topic` holds, or None if it holds none that can be read."""
    if value is None or topic not in _MESSAGES:
        return None
    try:
        return _MESSAGES[topic].FromString(value)
    except DecodeError:
        return None


def receptions(image_id: str, events: Sequence[Event]) -> list[Reception]:
    """The receptions of an image, from all of its events; their order does not matter.

    A later reception that led to nothing is a duplicate and has no row. The first one always has a row, so that
    an image that was lost is seen.
    """
    groups = _by_reception([event for event in events if event.topic in _STEPS])
    superseded = {event.replay_of for event in events if event.topic in _STEPS}
    first = min(groups, key=lambda at: _entry(at, groups[at]), default=0)
    rows = [
        _reception(image_id, at, group, superseded)
        for at, group in groups.items()
        if at == first or any(event.topic != IMAGE_RECEIVED.name for event in group)
    ]
    return _with_main(rows)


def _by_reception(events: list[Event]) -> dict[int, list[Event]]:
    """Events by the time of their reception; one that does not say it joins the earliest."""
    groups = defaultdict(list)
    for event in events:
        groups[_received_at_us(event.message)].append(event)
    nameless = groups.pop(0, [])
    if nameless:
        groups[min(groups, default=min(event.time_us for event in nameless))] += nameless
    return dict(groups)


def _received_at_us(message: Message | None) -> int:
    at: Timestamp | None = getattr(_inner(message), "received_at", None)
    try:
        return max(0, at.ToMicroseconds()) if at is not None else 0
    except ValueError:  # beyond the year 9999: it says nothing
        return 0


def _entry(at: int, group: list[Event]) -> tuple[bool, int, int]:
    """When a reception entered its partition. The clocks of two doors may differ, the order of a partition not."""
    offsets = [event.offset for event in group if event.topic == IMAGE_RECEIVED.name]
    return (not offsets, min(offsets, default=0), at)


def _reception(image_id: str, at: int, group: list[Event], superseded: set[str]) -> Reception:
    standing = sorted((event for event in group if not _is_superseded(event, superseded)), key=_loudness)
    told = standing[-1] if standing else None
    state = _STEPS[told.topic] if told else "received"
    said = told.message if told else None
    answer = said if isinstance(said, ImageClassified) else None
    refusal = said if isinstance(said, ImageSetAside | DeadLetter) else None
    return Reception(
        image_id=image_id,
        received_at_us=at,
        is_main=False,
        site=_last(group, "site"),
        patient=_last(group, "patient"),
        state=state,
        stage=refusal.stage if refusal else "",
        reason=refusal.reason if refusal else "",
        explanation=refusal.explanation if refusal else "",
        label=answer.label if answer else "",
        probability=answer.probability if answer else None,
        is_above_operating_point=answer.above_operating_point if answer else None,
        release_set=_last(group, "release_set"),
        original=_object(group, {IMAGE_DEIDENTIFIED.name: "object", IMAGE_CLASSIFIED.name: "original"}),
        harmonized=_object(group, {IMAGE_HARMONIZED.name: "object", IMAGE_CLASSIFIED.name: "harmonized"}),
        finished_at_us=told.time_us if told and state in ENDED else None,
        n_outcomes=sum(_STEPS[event.topic] in ENDED for event in standing),
        trace_id=trace.trace_id(told.traceparent) if told else "",
    )


def _loudness(event: Event) -> tuple[int, int, str, int, int]:
    """Orders the events of a reception; total, so that the order of arrival never decides."""
    rank = _LOUDEST_EVENT.index(_STEPS[event.topic])
    return (rank, event.time_us, event.topic, event.partition, event.offset)


def _is_superseded(event: Event, superseded: set[str]) -> bool:
    return isinstance(event.message, DeadLetter) and event.message.id in superseded - {""}


def _bodies(group: list[Event]) -> list[Message]:
    """The messages of a group, the one that speaks last; of a dead letter, the record that lies in it."""
    messages = [_inner(event.message) for event in sorted(group, key=_loudness)]
    return [message for message in messages if message is not None]


def _inner(message: Message | None) -> Message | None:
    return message_of(message.original.topic, message.original.value) if isinstance(message, DeadLetter) else message


def _last(group: list[Event], field: str) -> str:
    values = [getattr(message, field, "") for message in _bodies(group)]
    return next((str(value) for value in reversed(values) if value), "")


def _object(group: list[Event], fields: dict[str, str]) -> dict[str, Any] | None:
    for event in sorted(group, key=_loudness, reverse=True):
        ref = getattr(event.message, fields.get(event.topic, ""), None)
        if isinstance(ref, ObjectRef) and ref.key:
            return {field.name: value for field, value in ref.ListFields()}
    return None


def _with_main(rows: list[Reception]) -> list[Reception]:
    """`rows` with the one marked that speaks for the image; a conflict never does where another can."""

    def loudness(row: Reception) -> tuple[bool, int, int]:
        return (row.reason != "conflict", _LOUDEST_RECEPTION.index(row.state), -row.received_at_us)

    main = max(rows, key=loudness, default=None)
    return [replace(row, is_main=row is main) for row in rows]

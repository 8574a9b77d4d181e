"""What people ask of the tables. Every answer is plain JSON; times are ISO 8601 in UTC."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, desc, distinct, func, select, true

from osteon.contracts import Brake, ReleaseInForce
from osteon.contracts.topics import IMAGE_RECEIVED, MODEL_IN_FORCE, STAGE_BRAKED
from osteon.runtime import trace
from osteon_console.reception import ENDED, OPEN, message_of
from osteon_console.tables import EVENTS, RECEPTIONS

__all__ = ["STATES", "WAITED_FOR", "image", "images", "is_overdue", "stages", "summary"]

STATES = (*OPEN, *ENDED, "overdue")
WAITED_FOR = {"accept": "received", "harmonize": "deidentified", "classify": "harmonized"}


def images(
    connection: Connection, late_before_us: int, *, state: str = "", site: str = "", limit: int = 100, offset: int = 0
) -> dict[str, Any]:
    """Receptions, the newest first, and how many there are in all.

    What was received before `late_before_us` and has no outcome is overdue.
    """
    where = and_(true(), *_wanted(late_before_us, state, site))
    newest = (desc(RECEPTIONS.c.received_at_us), RECEPTIONS.c.image_id)
    rows = connection.execute(select(RECEPTIONS).where(where).order_by(*newest).limit(limit).offset(offset))
    return {"total": _count(connection, where), "images": [_told(row, late_before_us) for row in rows.mappings()]}


def image(connection: Connection, late_before_us: int, image_id: str) -> dict[str, Any] | None:
    """One image: the reception that speaks for it, the others under its id, and its path, step by step.

    `image_id` is the id or how it begins; None where no image has it, or several do.
    """
    begins = RECEPTIONS.c.image_id.startswith(image_id, autoescape=True)
    named = select(RECEPTIONS.c.image_id).where(begins).distinct().order_by(RECEPTIONS.c.image_id).limit(2)
    ids = connection.execute(named).scalars().all()
    if not ids or (len(ids) > 1 and ids[0] != image_id):
        return None
    image_id = ids[0]
    query = select(RECEPTIONS).where(RECEPTIONS.c.image_id == image_id).order_by(RECEPTIONS.c.received_at_us)
    told = [_told(row, late_before_us) for row in connection.execute(query).mappings()]
    main = next((row for row in told if row["is_main"]), None)
    if main is None:
        return None
    return main | {"others": [row for row in told if row is not main], "path": _path(connection, image_id)}


def stages(connection: Connection) -> list[dict[str, Any]]:
    """For each stage: how many images wait for it and since when, what it ended, and its brake."""
    brakes = _brakes(connection)
    return [
        {
            "stage": stage,
            "waiting": _count(connection, RECEPTIONS.c.state == state),
            "oldest_received_at": _iso(
                connection.execute(
                    select(func.min(RECEPTIONS.c.received_at_us)).where(RECEPTIONS.c.state == state)
                ).scalar()
            ),
            "set_aside": _count(connection, _ended(stage, "set-aside")),
            "dead_letters": _count(connection, _ended(stage, "dead-letter")),
            "brake": brakes.get(stage),
        }
        for stage, state in WAITED_FOR.items()
    ]


def summary(connection: Connection, late_before_us: int) -> dict[str, Any]:
    """How many receptions are in each state, and what else is worth a glance."""
    found = connection.execute(select(RECEPTIONS.c.state, func.count()).group_by(RECEPTIONS.c.state))
    states = dict.fromkeys((*OPEN, *ENDED), 0) | dict(found.all())
    received = select(func.count()).select_from(EVENTS).where(EVENTS.c.topic == IMAGE_RECEIVED.name)
    in_force = message_of(MODEL_IN_FORCE.name, _latest(connection, MODEL_IN_FORCE.name).get("in-force"))
    return {
        "states": states,
        "open": sum(states[state] for state in OPEN),
        "overdue": _count(connection, is_overdue(late_before_us)),
        "images": connection.execute(select(func.count(distinct(RECEPTIONS.c.image_id)))).scalar_one(),
        "received": connection.execute(received).scalar_one(),  # duplicates among them
        "release_set": in_force.release_set if isinstance(in_force, ReleaseInForce) else None,
    }


def _wanted(late_before_us: int, state: str, site: str) -> list[ColumnElement[bool]]:
    wanted = [RECEPTIONS.c.site == site] if site else []
    if state == "overdue":
        return [*wanted, is_overdue(late_before_us)]
    return [*wanted, RECEPTIONS.c.state == state] if state else wanted


def is_overdue(late_before_us: int) -> ColumnElement[bool]:
    """Of a reception: whether it has no outcome, though it was received before."""
    return and_(RECEPTIONS.c.state.in_(OPEN), RECEPTIONS.c.received_at_us < late_before_us)


def _ended(stage: str, state: str) -> ColumnElement[bool]:
    return and_(RECEPTIONS.c.stage == stage, RECEPTIONS.c.state == state)


def _count(connection: Connection, where: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(RECEPTIONS).where(where)).scalar_one()


def _told(row: RowMapping, late_before_us: int) -> dict[str, Any]:
    """A row as people read it."""
    told = dict(row)
    received_at_us, finished_at_us = told.pop("received_at_us"), told.pop("finished_at_us")
    return told | {
        "received_at": _iso(received_at_us),
        "finished_at": _iso(finished_at_us),
        "took_s": None if finished_at_us is None else (finished_at_us - received_at_us) / 1e6,
        "is_overdue": row["state"] in OPEN and received_at_us < late_before_us,
    }


def _path(connection: Connection, image_id: str) -> list[dict[str, Any]]:
    """What happened to an image, in time; receptions that added nothing are among it."""
    in_time = (EVENTS.c.time_us, EVENTS.c.topic, EVENTS.c.partition, EVENTS.c.offset)
    rows = connection.execute(select(EVENTS).where(EVENTS.c.image_id == image_id).order_by(*in_time)).all()
    return [
        {
            "step": row.topic.removeprefix("osteon.").removeprefix("image."),
            "at": _iso(row.time_us),
            "since_first_s": (row.time_us - rows[0].time_us) / 1e6,
            "stage": getattr(message := message_of(row.topic, row.value), "stage", ""),
            "reason": getattr(message, "reason", ""),
            "trace_id": trace.trace_id(row.traceparent),
            "span_id": trace.span_id(row.traceparent),
            "replay_of": row.replay_of,
            "topic": row.topic,
            "partition": row.partition,
            "offset": row.offset,
        }
        for row in rows
    ]


def _brakes(connection: Connection) -> dict[str, dict[str, Any]]:
    """The brakes that are on, by stage."""
    said = {key: message_of(STAGE_BRAKED.name, value) for key, value in _latest(connection, STAGE_BRAKED.name).items()}
    return {
        stage: {
            "reason": brake.reason,
            "explanation": brake.explanation,
            "since": _iso(brake.since.ToMicroseconds()),
        }
        for stage, brake in said.items()
        if isinstance(brake, Brake)
    }


def _latest(connection: Connection, topic: str) -> dict[str, bytes | None]:
    """By key, the last record of a compacted topic; None where it was taken back."""
    rows = connection.execute(
        select(EVENTS.c.key, EVENTS.c.value).where(EVENTS.c.topic == topic).order_by(EVENTS.c.offset)
    )
    return dict(rows.all())


def _iso(time_us: int | None) -> str | None:
    return None if time_us is None else datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="milliseconds")

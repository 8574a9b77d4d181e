"""From one record to one outcome: attempts, and what each kind of error leads to."""

import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from osteon.bus.record import Outgoing, Record, header
from osteon.errors import Fatal, OsteonError, Passing, Poison, SetAside
from osteon.runtime import logs

__all__ = [
    "Aside",
    "Context",
    "Dead",
    "Dependencies",
    "Done",
    "Item",
    "Outcome",
    "Stopped",
    "Unknown",
    "attempt",
    "kebab",
]

LOGGER = logs.logger(__name__)
ATTEMPTS = 3  # an item that fails this often while everything around it is well is poison
# Between attempts, give or take a half: what failed together, as one batch of a model, shall not come together again.
BACKOFF_S = (0.1, 0.5)
LONGEST_WAIT_S = 5.0  # between two looks at a dependency that is away


@dataclass(frozen=True)
class Context:
    """What work may want to know beside its message. `stop` is set when nobody waits for the result any more."""

    traceparent: str
    stop: threading.Event


@dataclass(frozen=True)
class Done:
    """Worked. No outputs at all mean success and no record, as for a duplicate."""

    outputs: tuple[Outgoing, ...]


@dataclass(frozen=True)
class Aside:
    """The image is set aside."""

    reason: str
    explanation: str


@dataclass(frozen=True)
class Dead:
    """The record goes to the dead letters."""

    reason: str
    explanation: str
    attempts: int


@dataclass(frozen=True)
class Unknown:
    """The message holds an enum value that this version does not know: newer code must work it."""

    field_name: str


@dataclass(frozen=True)
class Stopped:
    """The process can't go on."""

    error: Fatal


Outcome = Done | Aside | Dead | Unknown | Stopped


@dataclass(eq=False)
class Item:
    """A record in flight. `died` counts the processes that ended with it in hand."""

    record: Record
    membership: Any
    died: int = 0
    is_started: bool = False
    began_s: float = 0.0  # monotonic; 0 while it waits for a dependency or a thread
    outcome: Outcome | None = None
    message: Message | None = None
    dropped: threading.Event = field(default_factory=threading.Event)


class Dependencies:
    """Which dependencies are away, by their own probes. Shared by the threads of a stage.

    One is away only as long as an item waits for it: nobody else would notice that it came back.
    """

    def __init__(self, probes: Mapping[str, Callable[[], Any]]) -> None:
        self._probes = probes
        self._away: set[str] = set()
        self._named = set(probes)

    @property
    def away(self) -> list[str]:
        """The names of those that are away."""
        return sorted(self._away)

    @property
    def named(self) -> list[str]:
        """The names of all that have a probe or were ever away."""
        return sorted(self._named)

    def is_away(self, name: str) -> bool:
        """Ask the dependency itself. One without a probe is away whenever somebody says so."""
        probe = self._probes.get(name)
        try:
            is_well = probe is not None and probe() is not False
        except Exception:  # noqa: BLE001 - whatever a probe raises, it did not succeed
            is_well = False
        if is_well:
            self._away.discard(name)
        elif name not in self._away:
            self._away.add(name)
            self._named.add(name)
            LOGGER.warning("dependency away", extra={"dependency": name})
        return not is_well

    def awaited_no_more(self, names: set[str]) -> None:
        """An item that waited for these goes on, or was dropped; who still misses one says so again."""
        self._away -= names


def attempt(
    item: Item,
    consumed: type[Message],
    work: Callable[[Message, Context], Sequence[Outgoing]],
    dependencies: Dependencies,
) -> Outcome | None:
    """Work one record until it has an outcome; None if nobody wants it any more."""
    try:
        message = item.message = consumed.FromString(item.record.value or b"")
    except DecodeError:
        return Dead("unreadable-record", "The record does not hold the message that its topic holds.", 1)
    unknown = unknown_enum(message)
    if unknown:
        return Unknown(unknown)
    context = Context(header(item.record.headers, "traceparent"), item.dropped)
    awaited: set[str] = set()
    try:
        return _until_worked(item, lambda: work(message, context), dependencies, awaited)
    finally:
        dependencies.awaited_no_more(awaited)


def _until_worked(
    item: Item, work: Callable[[], Sequence[Outgoing]], dependencies: Dependencies, awaited: set[str]
) -> Outcome | None:
    failures = 0
    waits_s = 0.1
    while not item.dropped.is_set():
        item.began_s = time.monotonic()
        tried = _try(work, item.died + failures + 1)
        item.began_s = 0.0
        if not isinstance(tried, _Failed):
            return tried
        if tried.dependency and dependencies.is_away(tried.dependency):
            awaited.add(tried.dependency)
            waits_s = min(2 * waits_s, LONGEST_WAIT_S)
            item.dropped.wait(waits_s)
            continue
        failures += 1
        if failures == ATTEMPTS:
            return Dead(tried.reason, tried.explanation, item.died + failures)
        item.dropped.wait(BACKOFF_S[failures - 1] * random.uniform(0.5, 1.5))
    return None


@dataclass(frozen=True)
class _Failed:
    reason: str
    explanation: str
    dependency: str = ""


def _try(work: Callable[[], Sequence[Outgoing]], attempts: int) -> Outcome | _Failed:
    try:
        return Done(tuple(work()))
    except SetAside as error:
        return Aside(error.reason, str(error))
    except Poison as error:
        return Dead(error.reason, str(error), attempts)
    except Passing as error:
        return _Failed(f"{error.dependency}-fails", str(error), error.dependency)
    except Fatal as error:
        return Stopped(error)
    except OsteonError as error:
        return _Failed(kebab(error), str(error))
    except Exception as error:
        LOGGER.exception("attempt failed")
        # Its text stays out: it may quote what it choked on, and that may name a patient.
        return _Failed(kebab(error), "")


def kebab(error: BaseException) -> str:
    """The class of an error as a reason: `ZeroDivisionError` is `zero-division-error`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", type(error).__name__).lower()


def unknown_enum(message: Message) -> str:
    """The name of a field whose enum value is not known here, at any depth; nothing if there is none."""
    if not _may_hold_enums(message.DESCRIPTOR):
        return ""
    for descriptor, value in message.ListFields():
        if descriptor.enum_type is not None:
            values = value if descriptor.is_repeated else [value]
            if any(one not in descriptor.enum_type.values_by_number for one in values):
                return str(descriptor.full_name)
        elif descriptor.message_type is not None and not descriptor.message_type.GetOptions().map_entry:
            for one in value if descriptor.is_repeated else [value]:
                found = unknown_enum(one)
                if found:
                    return found
    return ""


@cache
def _may_hold_enums(kind: Descriptor) -> bool:
    """Whether messages of this kind have a field of an enum, at any depth: most have none, and need no walk."""
    seen, kinds = {kind}, [kind]
    for one in kinds:  # which grows meanwhile: kinds may hold each other
        for field_kind in one.fields:
            if field_kind.enum_type is not None:
                return True
            inner = field_kind.message_type
            if inner is not None and inner not in seen:
                seen.add(inner)
                kinds.append(inner)
    return False

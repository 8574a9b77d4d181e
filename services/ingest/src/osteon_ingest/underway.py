"""What of a patient is still on its way, and the wait until the stages have passed it.

A stage that has an image in hand may still write it, whatever is deleted meanwhile. So what was sent is waited for:
a stage has passed a record once its offset is committed, which it is in one transaction with what came of the record.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from osteon.bus import Bus
from osteon_ingest.traces import Traces, Waiting

__all__ = ["Search", "Waited", "at_rest", "by_stage", "until"]

LOOK_EVERY_S = 0.5
SEARCHES = 10  # an image passes three stages; somebody who sends without end is not waited for without end

Search = Callable[[frozenset[str]], Traces]
"""Gives what there is now of the patient with these pseudonyms."""


@dataclass
class Waited:
    """By stage, how many records it has passed while it was waited for; and what is left before those that stand."""

    passed: Counter[str] = field(default_factory=Counter)
    left: set[Waiting] = field(default_factory=set)

    @property
    def stuck(self) -> set[str]:
        """The stages that finished nothing."""
        return {one.stage for one in self.left}


def at_rest(
    found: Traces, search: Search, bus: Bus, waited: Waited, *, wait_s: float, say: Callable[[str], object]
) -> Traces:
    """What there is once no stage has any of it before it or in hand; `found` is what there was.

    A stage that finishes nothing for `wait_s` is noted in `waited`, and not waited for again. Raises Passing.
    """
    for _ in range(SEARCHES):
        waiting = {one for one in found.underway if one.stage not in waited.stuck}
        if not waiting:
            break
        told = ", ".join(f"{stage} has {n} to pass" for stage, n in by_stage(waiting).items())
        say(f"waiting for what is on its way: {told}")
        left = _wait(bus, waiting, wait_s)
        waited.passed += by_stage(waiting - left)
        waited.left |= left
        found = search(found.names)  # what a stage has passed, the next one has before it
    return found


def by_stage(waiting: Collection[Waiting]) -> Counter[str]:
    """How many records wait for each stage, in its own order."""
    return Counter(sorted(one.stage for one in waiting))


def until(condition: Callable[[], bool], wait_s: float) -> bool:
    """Whether it came true within that time."""
    deadline = time.monotonic() + wait_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _wait(bus: Bus, waiting: set[Waiting], wait_s: float) -> set[Waiting]:
    """Which of `waiting` are left when their stages have finished nothing for `wait_s`."""
    left, finished = set(waiting), _finished(bus, waiting)
    while left := {one for one in left if one.offset >= finished.get((one.stage, *one.place), 0)}:
        before = finished

        def moves(left: set[Waiting] = left, before: dict[tuple[str, str, int], int] = before) -> bool:
            nonlocal finished
            finished = _finished(bus, left)
            return any(before.get(place) != offset for place, offset in finished.items())

        if not until(moves, wait_s):
            break
    return left


def _finished(bus: Bus, waiting: Collection[Waiting]) -> dict[tuple[str, str, int], int]:
    return {
        (stage, *place): offset
        for stage, topic in {(one.stage, one.topic) for one in waiting}
        for place, offset in bus.committed(stage, topic).items()
    }

"""What is released and what is in force, followed on the bus."""

import threading
import time
from collections.abc import Callable
from typing import final

from osteon import contracts
from osteon.bus import Bus, Table
from osteon.contracts.topics import MODEL_IN_FORCE, MODEL_RELEASED
from osteon.errors import Passing, Poison
from osteon.release.card import Card
from osteon.release.release_set import ReleaseSet
from osteon.release.repository import BUCKET
from osteon.store import Store

__all__ = ["IN_FORCE", "Releases"]

IN_FORCE = "in-force"  # the one key of its topic
RETIRED = "release-retired"
NEVER_RELEASED = "release-unknown"
FRESH_S = 1.0  # how late a stage may notice a switch; each look is a request to the broker


@final
class Releases:
    """The released sets. Thread-safe; knows of a change within `FRESH_S`, at once after `refresh`.

    Everything here raises Passing("bus") or Passing("store") while these are away. The bus is first touched
    by the first question.
    """

    def __init__(self, bus: Bus, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._store = store
        self._clock = clock
        self._tables: tuple[Table, Table] | None = None
        self._parsed: dict[str, ReleaseSet] = {}
        self._read_at: float | None = None
        self._lock = threading.RLock()

    def refresh(self) -> None:
        """Read what was released, retired or put in force up to now."""
        with self._lock:
            if self._tables is None:
                self._tables = (Table(self._bus, MODEL_RELEASED), Table(self._bus, MODEL_IN_FORCE))
            for table in self._tables:
                table.refresh()
            for retired in self._parsed.keys() - set(self._tables[0]):
                del self._parsed[retired]
            self._read_at = self._clock()

    def in_force(self) -> ReleaseSet:
        """The set that new images are harmonized with. Raises Passing("release") while there is none."""
        record = self.in_force_record()
        if record is None:
            raise Passing("release", "no release set is in force; put one in force with `osteon release use`")
        try:
            return self.get(record.release_set)
        except Poison as error:
            if error.reason != RETIRED:
                raise
            # Only a set that is no longer in force is retired: both happened since the record was read.
            raise Passing("release", f"release set {record.release_set} was retired meanwhile") from None

    def in_force_record(self) -> contracts.ReleaseInForce | None:
        """What is in force and what was before, as written on the bus; None before the first release."""
        with self._lock:
            record = self._fresh()[1].get(IN_FORCE)
        assert record is None or isinstance(record, contracts.ReleaseInForce)
        return record

    def released(self) -> tuple[contracts.ReleaseSet, ...]:
        """All sets that are released and not retired, oldest first."""
        with self._lock:
            records = [record for record in self._fresh()[0].values() if isinstance(record, contracts.ReleaseSet)]
        return tuple(sorted(records, key=lambda record: (record.released_at.ToNanoseconds(), record.id)))

    def get(self, set_id: str) -> ReleaseSet:
        """The set of this id, its cards read and checked.

        Raises Poison if it was never released, or retired, or its cards are missing or wrong.
        """
        with self._lock:
            released = self._fresh()[0]
            if set_id not in released:
                self.refresh()
            record = released.get(set_id)
            if record is None and set_id in released.removed:
                raise Poison(RETIRED, f"release set {set_id} was retired; release it again, then replay")
            if record is None:
                # Who stamped it read of it on this bus, and all of it was just read: no waiting would help, and
                # one wrong record would hold up all others.
                raise Poison(NEVER_RELEASED, "this release set was never released; release it, then replay")
            assert isinstance(record, contracts.ReleaseSet)
            if set_id not in self._parsed:
                self._parsed[set_id] = _parse(record, self._store)
            return self._parsed[set_id]

    def cards(self, role: str, with_previous: bool = False) -> list[Card]:
        """The cards of one role that images need now: those of the set in force, if there is one.

        With `with_previous`, of the set before too, if it is still released. Others don't matter here: one that
        Triton refuses must not stop what is in force. Raises as `get` does.
        """
        record = self.in_force_record()
        if record is None:
            return []
        needed = [record.release_set]
        if with_previous and record.previous in {one.id for one in self.released()}:
            needed.append(record.previous)
        sets = [self.get(set_id) for set_id in needed]
        return [one.harmonizer if role == "harmonizer" else one.classifier for one in sets]

    def close(self) -> None:
        """Stop reading the bus."""
        with self._lock:
            for table in self._tables or ():
                table.close()
            self._tables = None

    def _fresh(self) -> tuple[Table, Table]:
        if self._tables is None or self._read_at is None or self._clock() - self._read_at > FRESH_S:
            self.refresh()
        assert self._tables is not None
        return self._tables


def _parse(record: contracts.ReleaseSet, store: Store) -> ReleaseSet:
    try:
        harmonizer, classifier = (
            Card.from_json(store.get(model.card, BUCKET)) for model in (record.harmonizer, record.classifier)
        )
        return ReleaseSet(record.id, harmonizer, classifier, record)
    except ValueError as error:
        raise Poison("bad-release", f"release set {record.id}: {error}") from None

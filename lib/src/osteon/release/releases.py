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
from osteon.store import Store

__all__ = ["IN_FORCE", "Releases"]

IN_FORCE = "in-force"  # the one key of its topic
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
        return self.get(record.release_set)

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

        Raises Passing("release") while it is not known here, Poison if its cards are missing or wrong.
        """
        with self._lock:
            released = self._fresh()[0]
            if set_id not in released:
                self.refresh()
            record = released.get(set_id)
            if record is None:
                raise Passing("release", f"release set {set_id} is not released, or was retired")
            assert isinstance(record, contracts.ReleaseSet)
            if set_id not in self._parsed:
                self._parsed[set_id] = _parse(record, self._store)
            return self._parsed[set_id]

    def cards(self, role: str) -> list[Card]:
        """The cards of one role of all sets that are released. Raises as `get` does."""
        sets = [self.get(record.id) for record in self.released()]
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
            Card.from_json(store.get(model.card)) for model in (record.harmonizer, record.classifier)
        )
        return ReleaseSet(record.id, harmonizer, classifier, record)
    except ValueError as error:
        raise Poison("bad-release", f"release set {record.id}: {error}") from None

"""Durable attempts, kept in the note beside a committed offset: no topic of their own.

Before records are worked, the unchanged offset is committed with a claim: which records are in hand, whether one of
them alone, and by which process. Who later finds a claim of another process at an offset that did not move knows
that this process died, or lost the partition, with those records in hand:

- several in hand: one of them may have killed it. They are worked one at a time, each claimed alone.
- one alone: it is worked in a subprocess with limits, where only it can die.
"""

import json
from collections import deque
from dataclasses import dataclass, field

from osteon.bus.outcome import Item
from osteon.bus.wire import Committed

__all__ = ["Claim", "Lane"]

NOBODY = -1


@dataclass(frozen=True)
class Claim:
    """The records up to and including offset `through` are in hand of process `by`; `alone` means the first only."""

    through: int
    alone: bool
    by: str

    def note(self) -> str:
        """As text beside an offset; Kafka allows 4096 bytes."""
        return json.dumps({"through": self.through, "alone": self.alone, "by": self.by})

    @classmethod
    def of(cls, committed: Committed) -> "Claim | None":
        """The claim that is still open at a committed offset."""
        try:
            noted = json.loads(committed.note or "{}")
            claim = cls(int(noted["through"]), bool(noted["alone"]), str(noted["by"]))
        except (ValueError, KeyError, TypeError):
            return None  # nothing noted, or by hand
        return claim if claim.through >= committed.offset else None


@dataclass
class Lane:
    """One partition in the hands of this process: what is committed, claimed and in flight."""

    offset: int  # committed
    items: deque[Item] = field(default_factory=deque)
    through: int = NOBODY  # last offset that is claimed
    careful_through: int = NOBODY  # up to here one at a time
    died_at: int = NOBODY  # a process died while it worked this record alone

    @classmethod
    def after(cls, committed: Committed, me: str) -> "Lane":
        """A lane that begins where the group stands; claims of this living process `me` mean nothing."""
        claim = Claim.of(committed)
        if claim is None or claim.by == me:
            return cls(committed.offset)
        return cls(
            committed.offset,
            through=claim.through,
            careful_through=claim.through,
            died_at=committed.offset if claim.alone else NOBODY,
        )

    @property
    def is_careful(self) -> bool:
        """Whether its records are worked one at a time."""
        return self.careful_through >= self.offset

    @property
    def has_claim(self) -> bool:
        """Whether a claim of this process is open."""
        return self.through >= self.offset

    def given_back(self, me: str) -> Committed:
        """The unchanged offset without the claim, since nothing died; what was to be careful with stays noted."""
        return self.moved(me, self.offset) if self.is_careful else Committed(self.offset)

    def claimed(self, me: str, through: int, alone: bool = False) -> Committed:
        """The unchanged offset with a claim."""
        return Committed(self.offset, Claim(through, alone, me).note())

    def moved(self, me: str, offset: int) -> Committed:
        """A later offset with what is left of the claim."""
        through = max(self.through, self.careful_through)
        return Committed(offset, Claim(through, False, me).note() if through >= offset else "")

"""Which part is hit at which moment: follows from a seed alone, so that a run that found something can be repeated."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["DOOR", "KILLED", "Blow", "Deed", "Force", "schedule"]

Deed = Literal["kill", "halt", "join", "leave", "switch", "roll back"]

DOOR = "a door"
"""One of the processes that `ingest` opens its doors with; killing `ingest` itself takes all of them."""

KILLED = (
    *("kafka", "seaweedfs", "triton", "ingest", DOOR),
    *("accept", "harmonizer", "classifier", "console", "reconcile"),
)
HALTED = ("kafka", "accept", "seaweedfs", "ingest", "harmonizer", "triton", "classifier", "console")
DOUBLED = ("accept", "harmonizer", "classifier")


@dataclass(frozen=True)
class Blow:
    """What is done to a part, and when at the earliest, in seconds since the first image was sent."""

    at_s: float
    deed: Deed
    part: str
    for_s: float = 0.0
    """How long it lasts, in seconds; 0 if it is done at once."""


@dataclass(frozen=True)
class Force:
    """How hard a stack is hit: numbers of SIGKILLs, SIGSTOPs, and second instances that come and go."""

    n_kills: int = 24
    n_halts: int = 4
    n_joins: int = 3
    switches_release: bool = True
    gap_s: float = 12.0
    """Mean time between two blows, in seconds; drawn from an exponential distribution, as of what knows no order."""
    halt_s: float = 30.0
    """How long a halted part stays so: longer than the 20 s in which a record must have been acknowledged."""


def schedule(seed: int, force: Force) -> list[Blow]:
    """All blows of a run, by time. Each part is killed about as often as any other, in an order that is shuffled."""
    rng = random.Random(seed)
    deeds: list[tuple[Deed, str, float]] = [("kill", part, 0.0) for part in _dealt(rng, KILLED, force.n_kills)]
    deeds += [("halt", part, force.halt_s) for part in _dealt(rng, HALTED, force.n_halts)]
    rng.shuffle(deeds)
    for part in _dealt(rng, DOUBLED, force.n_joins):
        _insert_pair(rng, deeds, ("join", part, 0.0), ("leave", part, 0.0))
    if force.switches_release:
        _insert_pair(rng, deeds, ("switch", "release", 0.0), ("roll back", "release", 0.0))
    blows, at_s = [], 0.0
    for deed, part, for_s in deeds:
        at_s += min(rng.expovariate(1 / force.gap_s), 3 * force.gap_s)
        blows.append(Blow(round(at_s, 2), deed, part, for_s))
    return blows


def _dealt(rng: random.Random, parts: Sequence[str], n: int) -> list[str]:
    """`n` parts, as from a pack of cards that is shuffled again when it is used up."""
    dealt: list[str] = []
    while len(dealt) < n:
        dealt += rng.sample(parts, len(parts))
    return dealt[:n]


def _insert_pair(
    rng: random.Random,
    deeds: list[tuple[Deed, str, float]],
    first: tuple[Deed, str, float],
    second: tuple[Deed, str, float],
) -> None:
    """Insert two deeds in this order, with others between them where there are any."""
    begin = rng.randint(0, len(deeds) // 2)
    deeds.insert(begin, first)
    deeds.insert(rng.randint(min(begin + 2, len(deeds)), len(deeds)), second)

"""Inputs by number: a sound file with one to four things made wrong. The same seed and number give the same bytes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.fuzz.draft import Draft
from tests.fuzz.mutate_bytes import BYTES, META
from tests.fuzz.mutate_elements import ELEMENTS
from tests.fuzz.mutate_pixels import PIXELS, RARE, deflate_bomb
from tests.fuzz.seeds import phantoms, seeds

__all__ = ["Input", "mutated"]

T = TypeVar("T")
SHARE_OF_PHANTOMS = 0.5  # they get through to the last step, so that what is changed in them is seen by all
DEFLATED = 3  # of the phantoms


@dataclass(frozen=True)
class Input:
    """A file, and what was done to which sound one."""

    content: bytes
    made: str


def mutated(seed: int, number: int) -> Input:
    """Input `number` of the run that `seed` names; depends on the sound files that are there too."""
    rng = random.Random(f"osteon {seed} {number}")  # text is hashed alike in every process
    if number % 500 == 250:
        packed = phantoms()[DEFLATED].content
        return Input(deflate_bomb(rng, bytes(Draft.of(packed).head)), "deflate bomb")
    sound = rng.choice(phantoms() if rng.random() < SHARE_OF_PHANTOMS else seeds())
    names = [sound.name]
    draft = Draft.of(sound.content)
    if number % 500 == 0:
        change = rng.choice(RARE)
        change(rng, draft)
        return Input(draft.packed(), f"{sound.name} {change.__name__}")
    n_structural = rng.choice((0, 1, 1, 1, 2, 3))
    for _ in range(n_structural):
        structural = _weighted(rng, (*ELEMENTS, *PIXELS))
        structural(rng, draft)
        names.append(structural.__name__)
    content = bytearray(draft.packed())
    for table, chance in ((META, 0.1), (BYTES, 0.25 if n_structural else 1.0)):
        if content and rng.random() < chance:
            raw = _weighted(rng, table)
            raw(rng, content, seeds())
            names.append(raw.__name__)
    return Input(bytes(content), " ".join(names))


def _weighted(rng: random.Random, table: Sequence[tuple[int, T]]) -> T:
    return rng.choices([one for _, one in table], [weight for weight, _ in table])[0]

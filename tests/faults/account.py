"""Each acknowledged image against the outcomes on the bus: none is lost, none is doubled.

The account begins with the senders' own logs. An image that was acknowledged at least once must have exactly one
outcome: classified, set aside, or a dead letter. Repetitions by a sender are the same image. What was never
acknowledged may have one outcome or none.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from osteon.bus import Bus, Record
from osteon.contracts import DeadLetter, ImageClassified, ImageDeidentified, ImageHarmonized, ImageSetAside
from osteon.contracts.topics import (
    DEAD_LETTER,
    IMAGE_CLASSIFIED,
    IMAGE_DEIDENTIFIED,
    IMAGE_HARMONIZED,
    IMAGE_SET_ASIDE,
)
from osteon.errors import OsteonError
from osteon.store import Store
from osteon_ingest.identity import Keys, image_id
from tests.faults.radiographs import Radiograph
from tests.faults.senders import Entry

__all__ = ["FAULTS", "Account", "account", "outcomes"]

FAULTS = {
    "lost": "acknowledged and without an outcome",
    "doubled": "with more than one outcome, or a step taken twice",
    "wrong": "with another outcome than they should have",
    "strange": "with an outcome, though nobody sent them",
    "never_taken": "never acknowledged",
    "missing": "objects that a record names and the store does not give",
    "mixed": "harmonized by one release set and classified by another",
}
"""What must not be: the lists of an account."""


@dataclass(frozen=True)
class Account:
    """How many images there were, and the ids of those with which something is wrong, by the names in FAULTS."""

    n_sent: int
    n_acknowledged: int
    n_repeated: int  # acknowledged more than once
    n_refused: int  # answers and silences after which a sender tried again
    by_outcome: Mapping[str, int]
    lost: Sequence[str] = ()
    doubled: Sequence[str] = ()
    wrong: Sequence[str] = ()
    strange: Sequence[str] = ()
    never_taken: Sequence[str] = ()
    missing: Sequence[str] = ()
    mixed: Sequence[str] = ()

    @property
    def is_right(self) -> bool:
        """Whether nothing is lost, doubled, or otherwise not as it should be."""
        return not any(getattr(self, name) for name in FAULTS)


def outcomes(bus: Bus) -> dict[str, list[str]]:
    """What readers of committed records see of each image, by image id: `classified`, a reason, or `dead: a reason`."""
    found: dict[str, list[str]] = defaultdict(list)
    for record in bus.read([IMAGE_CLASSIFIED, IMAGE_SET_ASIDE, DEAD_LETTER]):
        one, outcome = _outcome(record)
        found[one].append(outcome)
    return found


def account(
    images: Iterable[Radiograph],
    log: Iterable[Entry],
    bus: Bus,
    store: Store,
    keys: Keys,
) -> Account:
    """Compare what the senders say with what lies on the bus and in the store."""
    found = outcomes(bus)
    expected = {image_id(keys, image.uid): image.expected for image in images}
    said: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in log:
        said[image_id(keys, entry.uid)][entry.said] += 1
    acknowledged = {one for one, counts in said.items() if counts["acknowledged"]}
    return Account(
        n_sent=len(said),
        n_acknowledged=len(acknowledged),
        n_repeated=sum(counts["acknowledged"] > 1 for counts in said.values()),
        n_refused=sum(counts["refused"] for counts in said.values()),
        by_outcome=dict(Counter(outcome for one in found.values() for outcome in one)),
        lost=sorted(acknowledged - found.keys()),
        doubled=sorted({one for one, of_one in found.items() if len(of_one) > 1} | _repeated_on_the_way(bus)),
        wrong=sorted(one for one, of_one in found.items() if one in expected and expected[one] not in of_one),
        strange=sorted(found.keys() - said.keys()),
        never_taken=sorted(expected.keys() - acknowledged),
        missing=_missing(bus, store),
        mixed=_mixed(bus),
    )


def _missing(bus: Bus, store: Store) -> list[str]:
    """The objects that records name and the store does not give whole, as bucket and key."""
    missing = []
    for record in bus.read([IMAGE_DEIDENTIFIED, IMAGE_HARMONIZED]):
        ref = _on_the_way(record).object
        try:
            store.get(ref)  # compares its SHA-256
        except OsteonError:
            missing.append(f"{ref.bucket}/{ref.key}")
    return sorted(missing)


def _repeated_on_the_way(bus: Bus) -> set[str]:
    """Images that have two records on a topic between the stages: sooner or later they would have two outcomes."""
    seen: Counter[tuple[str, str]] = Counter()
    for record in bus.read([IMAGE_DEIDENTIFIED, IMAGE_HARMONIZED]):
        seen[record.topic, _on_the_way(record).image_id] += 1
    return {one for (_, one), n in seen.items() if n > 1}


def _mixed(bus: Bus) -> list[str]:
    """Images that were classified by another release set than harmonized them."""
    records = [_on_the_way(record) for record in bus.read([IMAGE_HARMONIZED])]
    harmonized = {one.image_id: one.release_set for one in records if isinstance(one, ImageHarmonized)}
    classified = [ImageClassified.FromString(record.value or b"") for record in bus.read([IMAGE_CLASSIFIED])]
    return sorted(one.image_id for one in classified if one.release_set != harmonized.get(one.image_id))


def _on_the_way(record: Record) -> ImageDeidentified | ImageHarmonized:
    message = ImageDeidentified if record.topic == IMAGE_DEIDENTIFIED.name else ImageHarmonized
    return message.FromString(record.value or b"")


def _outcome(record: Record) -> tuple[str, str]:
    value = record.value or b""
    if record.topic == IMAGE_CLASSIFIED.name:
        return ImageClassified.FromString(value).image_id, "classified"
    if record.topic == IMAGE_SET_ASIDE.name:
        aside = ImageSetAside.FromString(value)
        return aside.image_id, aside.reason
    letter = DeadLetter.FromString(value)
    return letter.image_id, f"dead: {letter.reason}"

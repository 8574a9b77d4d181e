"""Dead letters: what they are, and their way back to the stage that wrote them."""

from collections.abc import Sequence
from dataclasses import dataclass

from osteon.bus.produce import TOO_LARGE
from osteon.bus.record import REPLAY_OF, Headers, Sending, header
from osteon.bus.wire import Bus, Refused
from osteon.contracts import DeadLetter
from osteon.contracts.topics import DEAD_LETTER
from osteon.errors import Fatal, Passing, Poison

__all__ = ["Selection", "find", "list_all", "replay", "waiting"]


@dataclass(frozen=True)
class Selection:
    """Which dead letters are meant; what is empty matches all."""

    stage: str = ""
    reason: str = ""
    id: str = ""
    image: str = ""

    def takes(self, letter: DeadLetter) -> bool:
        """Whether `letter` is meant."""
        asked = ((self.stage, letter.stage), (self.reason, letter.reason), (self.id, letter.id))
        return all(not wanted or wanted == given for wanted, given in (*asked, (self.image, letter.image_id)))


def list_all(bus: Bus, selection: Selection) -> list[DeadLetter]:
    """All dead letters that `selection` takes, oldest first. Raises Passing."""
    letters = [DeadLetter.FromString(record.value or b"") for record in bus.read([DEAD_LETTER])]
    return [letter for letter in letters if selection.takes(letter)]


def find(bus: Bus, letter_id: str) -> DeadLetter:
    """The dead letter with this id. Raises Poison if there is none."""
    found = list_all(bus, Selection(id=letter_id))
    if not found:
        raise Poison("unknown-dead-letter", f"there is no dead letter {letter_id}; see `osteon dead-letters list`")
    return found[-1]


def waiting(bus: Bus, selection: Selection) -> list[DeadLetter]:
    """Those that `selection` takes and that were not replayed yet, each once. Raises Passing.

    Without those that hold no original record, because it may have been too large.
    """
    letters = {letter.id: letter for letter in list_all(bus, selection) if letter.reason != TOO_LARGE}
    topics = sorted({_retry(letter) for letter in letters.values()})
    replayed = {header(record.headers, REPLAY_OF) for record in bus.read(topics)} if topics else set()
    return [letter for letter_id, letter in letters.items() if letter_id not in replayed]


def replay(bus: Bus, site: str, selection: Selection) -> list[DeadLetter]:
    """Write the records of waiting dead letters to the retry topics of their stages, in one transaction.

    A letter is replayed once; if it fails again it comes back as a new one. Raises Passing; then none was replayed.
    """
    writer = bus.writer(f"osteon.{site}.replay")
    try:
        writer.renew()  # before looking: who replays at the same time is fenced, or is read below
        letters = waiting(bus, selection)
        if letters:
            writer.commit(_sendings(letters), {}, None)
    except Refused as error:
        raise Passing("bus", f"nothing is known to be replayed; look and try again: {error}") from None
    except Fatal:
        raise Passing("bus", "somebody else replays at the same time; look what is left, and try again") from None
    finally:
        writer.close()
    return letters


def _sendings(letters: Sequence[DeadLetter]) -> list[Sending]:
    return [
        # The same partition: retry topics are co-partitioned with what the stage reads, and so is its state.
        Sending(_retry(one), one.original.key, one.original.value, _headers(one), one.original.partition)
        for one in letters
    ]


def _headers(letter: DeadLetter) -> Headers:
    kept = tuple((name, value) for name, value in letter.original.headers.items() if name != REPLAY_OF)
    return (*kept, (REPLAY_OF, letter.id.encode()))


def _retry(letter: DeadLetter) -> str:
    return f"osteon.retry.{letter.stage}"

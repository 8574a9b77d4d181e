"""Mutated requests at a real door: what it answers to each, and how it stands afterwards."""

import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from tests.fuzz import dimse, stow
from tests.fuzz.door import Door, open_door
from tests.fuzz.ledger import FOUND, Ledger

__all__ = ["run_doors"]

AFTERWARDS = -1  # the number under which it is told how the door stood after all of them
N_SENDERS = 8
GOOD_EVERY = 100
MORE_MB = 300  # that a door may weigh after the burst; one object is one megabyte at most, sixteen senders at a time
SETTLED_S = 20.0


def run_doors(
    kind: str, ledger: Ledger, seed: int, numbers: Iterable[int], *, until: float, tick: Callable[[], None]
) -> None:
    """Send the inputs `numbers` to a door of this kind, `stow` or `dimse`; several at a time."""
    lock = threading.Lock()
    with open_door(kind, ledger.folder / "door.log") as door:
        refused = [] if _serves(door, kind, 0) else ["before all others"]
        before = door.weight()

        def send(number: int) -> None:
            if time.monotonic() > until:
                return
            began = time.monotonic()
            outcome, content = _sent(door, kind, seed, number)
            if number % GOOD_EVERY == 0 and not _serves(door, kind, number + 1):
                refused.append(f"after {number}")
            with lock:
                seconds = round(time.monotonic() - began, 3)
                ledger.add({"number": number, "outcome": outcome, "seconds": seconds}, content)
                tick()

        with ThreadPoolExecutor(N_SENDERS) as senders:
            list(senders.map(send, numbers))
        ledger.add({"number": AFTERWARDS, "outcome": _standing(door, kind, refused, before)})


def _sent(door: Door, kind: str, seed: int, number: int) -> tuple[str, bytes]:
    if kind == "stow":
        request, says_end = stow.request(seed, number)
        return stow.sent(door, request, says_end).outcome, request
    pdus = dimse.conversation(seed, number)
    return dimse.held(door, pdus).outcome, b"".join(pdus)


def _serves(door: Door, kind: str, number: int) -> bool:
    """Whether a good request is answered with success; the store refuses one object in sixteen, so some are tried."""
    for attempt in range(5):
        rng = random.Random(f"good {number} {attempt}")
        if kind == "stow":
            answer = stow.sent(door, stow.good_request(rng), False)
        else:
            answer = dimse.held(door, dimse.good_conversation(rng))
        if answer.stored:
            return True
    return False


def _standing(door: Door, kind: str, refused: list[str], before: tuple[int, int]) -> str:
    """How the door stands when all have gone."""
    if not door.is_alive:
        return f"{FOUND}the door died"
    if refused or not _serves(door, kind, AFTERWARDS):
        return f"{FOUND}a good request was refused {', '.join(refused) or 'at the end'}"
    deadline = time.monotonic() + SETTLED_S
    while door.weight()[1] > before[1] + N_SENDERS and time.monotonic() < deadline:
        time.sleep(0.1)
    megabytes, threads = door.weight()
    if threads > before[1] + N_SENDERS:
        return f"{FOUND}{threads} threads were left, of {before[1]} at the beginning"
    if megabytes > before[0] + MORE_MB:
        return f"{FOUND}{megabytes} MB are held, of {before[0]} at the beginning"
    return f"afterwards the door serves, with {megabytes} MB and {threads} threads"

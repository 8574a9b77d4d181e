"""Several senders at once, by C-STORE, STOW-RS and the watched folder, as systems of a hospital send.

A sender repeats what was not acknowledged until it is. It keeps a log of its own, in which each image stands with
what was done and heard and when: the log is what the account begins with, since nothing of Osteon's wrote it.
"""

import itertools
import json
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import httpx

from osteon.cohort.send import Parcel, send_by_c_store, send_by_stow
from osteon_stack.ports import HOST
from osteon_stack.stack import Stack
from tests.faults.radiographs import Radiograph

__all__ = ["Entry", "Sender", "read_logs", "senders"]

BATCH = 8  # images over one association, or in the folder at a time
BACKOFF_S = (0.5, 3.0)
SENT_TWICE = 0.05  # of the images: two systems were told to send them
LOOK_S = 0.1
FOLDER_PATIENCE_S = 300.0

Said = Literal["sent", "acknowledged", "refused"]
Carry = Callable[[Sequence[Radiograph]], Iterator[str]]


@dataclass(frozen=True)
class Entry:
    """One line of a sender's log: seconds since it began, the image, what was done or heard, and in which words."""

    at_s: float
    sender: str
    uid: str
    said: Said
    text: str = ""


class Sender(threading.Thread):
    """Sends its images over about `spread_s` seconds, each until it is acknowledged, or until `give_up` is set."""

    def __init__(
        self,
        name: str,
        carry: Carry,
        images: Sequence[Radiograph],
        spread_s: float,
        log: Path,
        rng: random.Random,
        *,
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.give_up = threading.Event()
        self.n_acknowledged = 0
        self._carry = carry
        self._due = [(spread_s * number / max(1, len(images)), image) for number, image in enumerate(images)]
        self._log = log
        self._rng = rng
        self._backoff_s = backoff_s
        self._began = time.monotonic()

    @property
    def n_left(self) -> int:
        """Images that it has not heard to be safe."""
        return len(self._due)

    def run(self) -> None:
        """Send all."""
        self._began = time.monotonic()
        with self._log.open("a") as log:
            while self._due and not self.give_up.is_set():
                now = time.monotonic() - self._began
                batch = [image for at_s, image in self._due if at_s <= now][:BATCH]
                heard = self._send(batch, log.write)
                log.flush()
                self._due = [one for one in self._due if one[1] not in heard]
                self.n_acknowledged += len(heard)
                is_behind = len(heard) < len(batch)
                self.give_up.wait(self._rng.uniform(*self._backoff_s) if is_behind else LOOK_S)

    def _send(self, batch: Sequence[Radiograph], write: Callable[[str], object]) -> list[Radiograph]:
        """Those of the batch that were acknowledged. What comes after a broken connection is for the next time."""

        def note(image: Radiograph, said: Said, text: str = "") -> None:
            at_s = round(time.monotonic() - self._began, 3)
            write(json.dumps(asdict(Entry(at_s, self.name, image.uid, said, text))) + "\n")

        heard, answers = [], self._carry(batch)
        for image in batch:
            note(image, "sent")
            text = next(answers)
            note(image, "refused" if text else "acknowledged", text)
            if not text:
                heard.append(image)
            elif self.give_up.is_set():
                break
        return heard


def senders(
    stack: Stack,
    images: Sequence[Radiograph],
    spread_s: float,
    logs: Path,
    seed: int,
    *,
    backoff_s: tuple[float, float] = BACKOFF_S,
) -> list[Sender]:
    """Two senders a network door and one for the folder; some images are given to two of them.

    What was refused is sent again after a pause drawn from `backoff_s`, least and most seconds.
    """
    logs.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    carriers: dict[str, Carry] = {
        "c-store-1": lambda batch: _by_c_store(stack, batch),
        "c-store-2": lambda batch: _by_c_store(stack, batch),
        "stow-1": lambda batch: _by_stow(stack, batch),
        "stow-2": lambda batch: _by_stow(stack, batch),
        "folder": lambda batch: _by_folder(stack.folder / "incoming", batch),
    }
    shares: dict[str, list[Radiograph]] = {name: [] for name in carriers}
    for image, name in zip(images, itertools.cycle(carriers), strict=False):
        shares[name].append(image)
        if rng.random() < SENT_TWICE:
            shares[rng.choice([other for other in carriers if other != name])].append(image)
    return [
        Sender(
            name,
            carry,
            shares[name],
            spread_s,
            logs / f"{name}.jsonl",
            random.Random(rng.random()),
            backoff_s=backoff_s,
        )
        for name, carry in carriers.items()
    ]


def read_logs(logs: Path) -> list[Entry]:
    """What all senders did and heard."""
    lines = itertools.chain.from_iterable(log.read_text().splitlines() for log in sorted(logs.glob("*.jsonl")))
    return [Entry(**json.loads(line)) for line in lines]


def _by_c_store(stack: Stack, batch: Sequence[Radiograph]) -> Iterator[str]:
    """One association for the batch, and another where it breaks; empty texts for what was taken."""
    parcels = [Parcel(image.path, "dimse") for image in batch]
    return (answer.text for answer in send_by_c_store(parcels, HOST, stack.ports.dimse, "OSTEON"))


def _by_stow(stack: Stack, batch: Sequence[Radiograph]) -> Iterator[str]:
    """One request an image, over one connection as long as it holds."""
    url = f"http://{HOST}:{stack.ports.stow}/dicomweb/studies"
    left = [Parcel(image.path, "stow") for image in batch]
    while left:
        try:
            for answer in send_by_stow(tuple(left), url):
                left.pop(0)
                yield answer.text
        except httpx.HTTPError as error:
            left.pop(0)
            yield type(error).__name__


def _by_folder(incoming: Path, batch: Sequence[Radiograph]) -> Iterator[str]:
    """Lay the files into the folder, whole under their last name; taken is what the door has moved to `done`."""
    for image in batch:
        partial = incoming / f"{image.path.name}.part"
        shutil.copyfile(image.path, partial)
        partial.rename(incoming / image.path.name)
    for image in batch:
        deadline = time.monotonic() + FOLDER_PATIENCE_S
        while (incoming / image.path.name).exists() and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        is_taken = (incoming / "done" / image.path.name).exists()
        yield "" if is_taken else "it still lies in the folder, or in `refused`"

"""Mutated records on the stages' topics, on a bus in memory: each must end as an outcome or a dead letter.

The three stages run as they are. In place of Triton the same models run on bare ONNX Runtime. Behind them the console
reads all that was written into its table.
"""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnxruntime
from google.protobuf.message import Message

from osteon.bus import MemoryBus, Stage
from osteon.bus.outcome import unknown_enum
from osteon.bus.record import REPLAY_OF, Headers, Record, Sending, header
from osteon.contracts import DeadLetter, ImageReceived, ImageSetAside
from osteon.contracts.topics import (
    DEAD_LETTER,
    IMAGE_CLASSIFIED,
    IMAGE_DEIDENTIFIED,
    IMAGE_HARMONIZED,
    IMAGE_KNOWN,
    IMAGE_RECEIVED,
    IMAGE_SET_ASIDE,
    TOPICS,
    Topic,
    retry_topic,
)
from osteon.release import Card, Releases, Triton
from osteon.release.publish import make, use
from osteon.release.repository import read_folder
from osteon.runtime import Settings, read_settings
from osteon.store import MemoryStore
from osteon_classifier.classify import make_stage as classifier
from osteon_console.tables import open_database
from osteon_console.track import TRACKED, apply
from osteon_harmonizer.harmonize import make_stage as harmonizer
from osteon_ingest.accept import make_stage as acceptor
from osteon_ingest.identity import Keys, image_id
from osteon_ingest.seal import seal
from osteon_ingest.settings import IngestSettings
from tests.fuzz.ledger import FOUND, Ledger
from tests.fuzz.path import SITE_KEY
from tests.fuzz.seeds import phantoms

__all__ = ["run_records"]

MODELS = Path(__file__).parents[2] / "models"
N_AT_ONCE = 50
ENDED_S = 60.0
CONSUMED = ((IMAGE_RECEIVED, "accept"), (IMAGE_DEIDENTIFIED, "harmonize"), (IMAGE_HARMONIZED, "classify"))
VISIBLE = (IMAGE_DEIDENTIFIED, IMAGE_HARMONIZED, IMAGE_CLASSIFIED, IMAGE_SET_ASIDE, DEAD_LETTER)
WORDS = (
    "", " ", "\0", "a\0b", "../../x", "x" * 70, "x" * 100_000, "\u202e", "\U0001f9b4", "inbox", "images", "0" * 64,
    "%00", "'; DROP TABLE events; --", "NaN", "in-force", "osteon.dead-letter", "\ufffe", "é" * 50,
)  # fmt: skip
NUMBERS = (0, 1, -1, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1, 253402300799, -62135596801, 10**9)
BYTES = (b"", b"\0", b"\xff\xfe", b"x" * 1000, b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", "é".encode("latin-1"))


class _Models:
    """Triton's part: the models of this repository on ONNX Runtime, in this process."""

    def __init__(self) -> None:
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    def infer(self, card: Card, inputs: dict[str, npt.NDArray[np.generic]]) -> dict[str, npt.NDArray[np.generic]]:
        folder = MODELS / ("nyul" if card.role == "harmonizer" else "cnn")
        session = self._sessions.setdefault(card.name, onnxruntime.InferenceSession(str(folder / "model.onnx")))
        names = [tensor.name for tensor in card.outputs]
        return dict(zip(names, session.run(names, inputs), strict=True))

    def probe(self, _: object = ()) -> None:
        """Never away."""


class Site:
    """A bus with the three stages on it, and one image that went all the way."""

    def __init__(self, folder: Path) -> None:
        self.bus, self.store = MemoryBus(), MemoryStore()
        self.bus.provision(TOPICS)
        self._keys = Keys.from_site_key(SITE_KEY)
        releases = Releases(self.bus, self.store)
        made = make(self.bus, self.store, releases, read_folder(MODELS / "nyul"), read_folder(MODELS / "cnn"))
        use(self.bus, releases, made)
        triton = cast(Triton, _Models())
        settings = read_settings(Settings, {})
        ingest = read_settings(IngestSettings, {}, site_key=SITE_KEY)
        self._stages = [
            replace(stage, brake_limit=10**9, isolate=())  # wild records are what it brakes for
            for stage in (
                acceptor(ingest, self.store, self._keys),
                harmonizer(settings, self.store, releases, triton),
                classifier(settings, self.store, releases, triton),
            )
        ]
        self.errors: list[str] = []
        (folder / "console.sqlite").unlink(missing_ok=True)
        self._engine = open_database(f"sqlite:///{folder / 'console.sqlite'}")
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(stage,), daemon=True) for stage in self._stages]
        for thread in self._threads:
            thread.start()
        self.bus.append([Sending(IMAGE_RECEIVED.name, b"good", self._received().SerializeToString())])
        self.wait()
        self.good: dict[str, Message] = {IMAGE_RECEIVED.name: self._received()}
        for record in self.bus.read([IMAGE_DEIDENTIFIED, IMAGE_HARMONIZED, IMAGE_CLASSIFIED]):
            topic = next(one for one in TOPICS if one.name == record.topic)
            self.good[record.topic] = topic.message.FromString(record.value or b"")
        self.good[IMAGE_SET_ASIDE.name] = ImageSetAside(image_id="0" * 32, stage="accept", reason="blank")
        self.good[DEAD_LETTER.name] = DeadLetter(id="accept/x/0/0", stage="accept", reason="x", image_id="0" * 32)

    def close(self) -> None:
        """End the stages."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        self._engine.dispose()

    def wait(self) -> str:
        """Return when all records are worked, with what went wrong, if anything."""
        deadline = time.monotonic() + ENDED_S
        while time.monotonic() < deadline:
            if self.errors:
                return self.errors[0]
            if all(self._is_through(topic, stage) for topic, stage in CONSUMED):
                return ""
            time.sleep(0.02)
        return f"not through within {ENDED_S:.0f} s"

    def told(self) -> str:
        """What goes wrong when the console reads all there is, if anything."""
        try:
            apply(self._engine, self.bus.read(TRACKED))
        except Exception as error:  # noqa: BLE001 - any is a finding
            return f"console: {type(error).__name__}"
        return ""

    def _received(self) -> ImageReceived:
        content = phantoms()[1].content
        ref = self.store.put("inbox", seal(self._keys.inbox, content), "application/octet-stream")
        received = ImageReceived(image_id=image_id(self._keys, "1.2.3"), site="local", object=ref)
        received.received_at.FromSeconds(1_700_000_000)
        return received

    def _is_through(self, topic: Topic, stage: str) -> bool:
        with self.bus.changed:
            places = [place for place in self.bus.logs if place[0] in (topic.name, retry_topic(topic, stage).name)]
            offsets = self.bus.groups[stage].offsets
            return all(offsets[place].offset == len(self.bus.logs[place]) for place in places)

    def _run(self, stage: Stage) -> None:
        try:
            stage.run(self.bus, self._stop)
        except BaseException as error:  # noqa: BLE001 - any is a finding
            self.errors.append(f"{stage.name} ended: {type(error).__name__}")


def run_records(ledger: Ledger, seed: int, numbers: Iterable[int], *, until: float, tick: Callable[[], None]) -> None:
    """Send `numbers`, some at a time; those among which something went wrong once more, each alone."""
    waiting = list(numbers)
    with _sites(ledger.folder) as new_site:
        site = new_site()
        while waiting and time.monotonic() < until:
            chunk, waiting = waiting[:N_AT_ONCE], waiting[N_AT_ONCE:]
            outcomes = _outcomes(site, seed, chunk)
            if any(outcome.startswith(FOUND) for outcome in outcomes.values()):
                outcomes = {}
                for number in chunk:
                    site = new_site()
                    outcomes |= _outcomes(site, seed, [number])
                site = new_site()
            for number, outcome in outcomes.items():
                content = _record(site, seed, number).value or b""
                ledger.add({"number": number, "outcome": outcome}, content)
                tick()


@contextlib.contextmanager
def _sites(folder: Path) -> Iterator[Callable[[], Site]]:
    """Makes a site, and ends the one before."""
    open_now: list[Site] = []

    def new() -> Site:
        while open_now:
            open_now.pop().close()
        open_now.append(Site(folder))
        return open_now[-1]

    try:
        yield new
    finally:
        while open_now:
            open_now.pop().close()


def _outcomes(site: Site, seed: int, numbers: list[int]) -> dict[int, str]:
    """What became of each record."""
    begins = {place: len(log) for place, log in site.bus.logs.items()}
    places: dict[tuple[str, int, int], int] = {}
    outcomes: dict[int, str] = {}
    for number in numbers:
        one = _record(site, seed, number)
        if _is_newer(one):
            outcomes[number] = "waits for newer code"  # an enum value that is not known brakes a stage, as it shall
            continue
        before = {place: len(log) for place, log in site.bus.logs.items() if place[0] == one.topic}
        with site.bus.changed:
            site.bus.append([one])
            place = next(place for place, n in before.items() if len(site.bus.logs[place]) > n)
            places[(*place, len(site.bus.logs[place]) - 1)] = number
    trouble = site.wait() or site.told()
    written = [record for record in site.bus.read([*VISIBLE, IMAGE_KNOWN]) if record.offset >= begins[record.place]]
    for (topic, partition, offset), number in places.items():
        outcomes[number] = f"{FOUND}{trouble}" if trouble else _told(f"{topic}/{partition}/{offset}/", topic, written)
    return outcomes


def _told(event: str, topic: str, written: list[Record]) -> str:
    """The outcome of the record whose results bear this event id."""
    if topic not in {consumed.name for consumed, _ in CONSUMED} and "retry" not in topic:
        return "read by the console"
    results = [
        record for record in written if header(record.headers, "ce_id").startswith(event) and _is_visible(record.topic)
    ]
    if len(results) > 1:
        return f"{FOUND}more than one outcome"
    if not results:
        return "seen before"
    result = results[0]
    if result.topic == DEAD_LETTER.name:
        return f"dead letter: {DeadLetter.FromString(result.value or b'').reason}"
    if result.topic == IMAGE_SET_ASIDE.name:
        return f"set aside: {ImageSetAside.FromString(result.value or b'').reason}"
    return result.topic.removeprefix("osteon.")


def _is_visible(topic: str) -> bool:
    return topic in {one.name for one in VISIBLE}


def _is_newer(one: Sending) -> bool:
    topic = next(topic for topic in TOPICS if topic.name == one.topic)
    try:
        return bool(unknown_enum(topic.message.FromString(one.value or b"")))
    except Exception:  # noqa: BLE001 - it can't be read at all
        return False


def _record(site: Site, seed: int, number: int) -> Sending:
    """Record `number`."""
    rng = random.Random(f"records {seed} {number}")
    topic, stage = rng.choice(CONSUMED)
    name = topic.name
    if rng.random() < 0.15:
        name = rng.choice((IMAGE_CLASSIFIED, IMAGE_SET_ASIDE, DEAD_LETTER)).name
    message = type(site.good[name])()
    message.CopyFrom(site.good[name])
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        _change(rng, message)
    value: bytes | None = message.SerializeToString()
    if rng.random() < 0.3:
        value = _spoiled(rng, value or b"")
    key = rng.choice((b"good", b"", b"\0", b"\xff\xfe", b"k" * 5000, str(number).encode()))
    if name == topic.name and rng.random() < 0.2:
        name = retry_topic(topic, stage).name
    return Sending(name, key, value, _headers(rng))


def _change(rng: random.Random, message: Message) -> None:
    """A field of `message`, or of a message in it, with a wild value."""
    field: Any = rng.choice(list(message.DESCRIPTOR.fields))
    if field.is_repeated:
        return
    if field.message_type is not None:
        if rng.random() < 0.1:
            message.ClearField(field.name)
        else:
            _change(rng, getattr(message, field.name))
        return
    kinds: dict[int, tuple[Any, ...]] = {field.CPPTYPE_STRING: WORDS, field.CPPTYPE_DOUBLE: (float("nan"), 1e308, -1.0)}
    value = rng.choice(BYTES if field.type == field.TYPE_BYTES else kinds.get(field.cpp_type, NUMBERS))
    with contextlib.suppress(ValueError, TypeError, OverflowError):  # out of the range of its type
        setattr(message, field.name, value)


def _spoiled(rng: random.Random, value: bytes) -> bytes | None:
    spoiled = bytearray(value)
    kind = rng.randrange(6)
    if kind == 0:
        return None
    if kind == 1:
        return rng.randbytes(rng.choice((0, 1, 20, 2000)))
    for _ in range(rng.choice((1, 3))):
        if spoiled:
            spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
    if kind == 2:
        del spoiled[rng.randrange(len(spoiled) + 1) :]
    if kind == 3:
        spoiled += b"\x0a\xff\xff\xff\xff\x0f" + b"x" * 50  # a field that says it has 4 GiB
    if kind == 4:
        spoiled += b"\xfb\x01" * 200  # groups in groups
    return bytes(spoiled)


def _headers(rng: random.Random) -> Headers:
    names = ("traceparent", "ce_id", "ce_type", "content-type", REPLAY_OF, "", "\0", "x" * 1000, "é")
    return tuple((rng.choice(names), rng.choice(BYTES)) for _ in range(rng.choice((0, 0, 1, 3, 200))))

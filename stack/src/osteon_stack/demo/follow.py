"""From files that were sent to what came out of each: sends them, waits, and matches outcomes with files."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from google.protobuf.json_format import ParseDict
from kafka import KafkaAdminClient
from kafka.admin import OffsetSpec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from osteon.bus.login import Brokers
from osteon.cohort.send import Answer, Parcel, send_by_c_store, send_by_stow
from osteon.contracts import ObjectRef
from osteon.contracts.topics import IMAGE_RECEIVED
from osteon.errors import Fatal, SetAside
from osteon_ingest.identity import Keys, image_id
from osteon_ingest.peek import peek
from osteon_stack.demo.report import Row

__all__ = ["Doors", "Shipment", "bars", "n_unread", "outcomes", "send", "shipments", "states", "wait"]

OUTCOMES = ("classified", "set-aside", "dead-letter")
STALLED_AFTER_S = 180.0  # longer than a stage needs to work its largest image alone, twice


@dataclass(frozen=True)
class Doors:
    """Where the stack listens."""

    dimse_host: str
    dimse_port: int
    aet: str
    stow_url: str
    console_url: str


@dataclass(frozen=True)
class Shipment:
    """A file on its way: its image id (empty if it has none) and what should come of it (empty: any outcome)."""

    parcel: Parcel
    image_id: str
    site: str = ""
    expected: str = ""


def shipments(parcels: Sequence[Parcel], keys: Keys, expected: Mapping[Path, tuple[str, str]]) -> list[Shipment]:
    """What is sent, with `expected` site and outcome by path."""
    return [Shipment(parcel, _image_id(parcel.path, keys), *expected.get(parcel.path, ("", ""))) for parcel in parcels]


def send(sent: Sequence[Shipment], doors: Doors, progress: Progress) -> dict[Path, Answer]:
    """Bring each file to its door, both doors at once; what the doors said, by path.

    Files that repeat an earlier one's UID go last, so that it is known which of them came first.
    """
    answers: dict[Path, Answer] = {}
    bars = {
        door: progress.add_task(f"sending by {name}", total=sum(one.parcel.door == door for one in sent))
        for door, name in (("dimse", "C-STORE"), ("stow", "STOW-RS"))
    }

    def carry(door: str, batch: Sequence[Shipment]) -> None:
        parcels = [one.parcel for one in batch if one.parcel.door == door]
        for answer in _carrier(door, parcels, doors):
            answers[answer.parcel.path] = answer
            progress.advance(bars[door])

    for batch in _in_order(sent):
        with ThreadPoolExecutor(2) as both:
            list(both.map(carry, bars, [batch] * 2))
    return answers


def states(console_url: str, image_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the console knows of each image, by image id; those that it has not seen are missing."""
    known = {}
    with httpx.Client(base_url=console_url, timeout=30) as client:
        for one in sorted(set(image_ids) - {""}):
            answer = client.get(f"/api/images/{one}")
            if answer.status_code == 200:
                known[one] = answer.json()
            elif answer.status_code != 404:
                raise Fatal(f"the console answered {answer.status_code}; look at `make logs`")
    return known


def wait(
    image_ids: Sequence[str], n_conflicts: int, console_url: str, n_waiting: Callable[[], int], progress: Progress
) -> dict[str, dict[str, Any]]:
    """Wait until each image has an outcome, the conflicts are seen, and `n_waiting` records for the stages are none.

    Returns the states by image id; gives up, and returns those reached, when nothing moves for STALLED_AFTER_S.
    """
    bar = progress.add_task("outcomes", total=len(set(image_ids)))
    last_moved, before = time.monotonic(), ""
    while True:
        known = states(console_url, image_ids)
        done = sum(state["state"] in OUTCOMES for state in known.values())
        conflicts = sum(len(_conflicts(state)) for state in known.values())
        lag = n_waiting()
        progress.update(bar, completed=done)
        now = json.dumps([known, lag], sort_keys=True)
        if done == len(set(image_ids)) and conflicts >= n_conflicts and lag == 0:
            return known
        if now != before:
            last_moved, before = time.monotonic(), now
        elif time.monotonic() - last_moved > STALLED_AFTER_S:
            return known
        time.sleep(0.5)


def outcomes(
    sent: Sequence[Shipment],
    answers: Mapping[Path, Answer],
    known: Mapping[str, dict[str, Any]],
    seen_before: set[str],
) -> list[Row]:
    """One row a file. Of several files under one UID the first has the image's outcome, the others are
    conflicts, as many as the console counts, or duplicates.
    """
    conflicts = {one: _conflicts(state) for one, state in known.items()}
    settled: set[str] = set(seen_before)
    shown: set[str] = set()
    rows = []
    for one in sent:
        answer = answers[one.parcel.path]
        state = known.get(one.image_id, {"state": "lost"})
        if not answer.is_taken:
            row = _row(one, {"state": "refused", "explanation": answer.text})
        elif one.image_id not in settled:
            row = _row(one, state)
            settled.add(one.image_id)
        elif one.image_id in shown:  # its outcome is that of the first file of this UID, and stands there
            row = _row(one, {"reason": "same UID as an earlier file"}, "seen-before")
        elif one.image_id in seen_before:
            row = _row(one, state, "seen-before")
            shown.add(one.image_id)
        elif conflicts[one.image_id] and one.expected != "duplicate":
            row = _row(one, conflicts[one.image_id].pop())
        else:
            row = _row(one, {}, "duplicate")
        rows.append(row)
    return rows


def n_unread(brokers: Brokers) -> int:
    """How many received records accept has not finished.

    Doors write outside of transactions, so that the offsets of their topic count records.
    """
    admin = brokers.client(KafkaAdminClient)
    try:
        committed = admin.list_group_offsets("accept")["accept"]
        places = [place for place in committed if place.topic == IMAGE_RECEIVED.name]
        ends = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
        return sum(ends[place].offset - committed[place].offset for place in places)
    finally:
        admin.close()


def bars(console: Console) -> Progress:
    """The progress bars of a demonstration."""
    return Progress(
        TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def _carrier(door: str, parcels: Sequence[Parcel], doors: Doors) -> Iterator[Answer]:
    if door == "dimse":
        return send_by_c_store(parcels, doors.dimse_host, doors.dimse_port, doors.aet)
    return send_by_stow(parcels, doors.stow_url)


def _in_order(sent: Sequence[Shipment]) -> tuple[list[Shipment], list[Shipment]]:
    first: dict[str, Shipment] = {}
    for one in sent:
        first.setdefault(one.image_id or str(one.parcel.path), one)
    firsts = list(first.values())
    return firsts, [one for one in sent if not any(one is other for other in firsts)]


def _image_id(path: Path, keys: Keys) -> str:
    try:
        return image_id(keys, peek(path.read_bytes()).sop_instance_uid)
    except SetAside:
        return ""


def _conflicts(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [other for other in state.get("others", ()) if other["state"] == "set-aside"]


def _row(one: Shipment, state: Mapping[str, Any], name: str = "") -> Row:
    return Row(
        name=one.parcel.path.name,
        site=one.site or state.get("site", ""),
        door=one.parcel.door,
        state=name or state["state"],
        reason=state.get("reason") or "",
        explanation=state.get("explanation") or "",
        probability=state.get("probability") if name != "duplicate" else None,
        seconds=state.get("took_s"),
        expected=one.expected,
        image_id=one.image_id,
        original=_ref(state.get("original")),
        harmonized=_ref(state.get("harmonized")),
    )


def _ref(told: Mapping[str, Any] | None) -> ObjectRef | None:
    return ParseDict(dict(told), ObjectRef()) if told else None

"""Looks for planted identifiers everywhere behind the door: in objects, object keys, records and logs."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx

from osteon.bus import Bus
from osteon.contracts import ObjectRef
from osteon.contracts.buckets import BUCKETS
from osteon.contracts.topics import TOPICS
from osteon.store import Store

__all__ = ["found_planted"]

PIXEL_DATA = b"\xe0\x7f\x10\x00"  # the tag (7FE0,0010) in little endian; pixels hold no text


def found_planted(planted: Iterable[str], bus: Bus, store: Store, logs: Path) -> list[str]:
    """Where a planted string was found, one sentence each, naming the place and not the string."""
    needles = [text.encode() for text in sorted(set(planted)) if text]
    return [
        f"a planted identifier was found in {place}"
        for place, content in _places(bus, store, logs)
        if any(needle in content for needle in needles)
    ]


def _places(bus: Bus, store: Store, logs: Path) -> Iterator[tuple[str, bytes]]:
    for bucket in BUCKETS:
        for listed in store.list(bucket):
            yield f"an object of {bucket}", listed.key.encode() + b"\n" + _text_of(store, bucket, listed.key)
    for record in bus.read(TOPICS):
        headers = b"\n".join(name.encode() + b"=" + value for name, value in record.headers)
        yield f"a record of {record.topic}", b"\n".join((record.key, record.value or b"", headers))
    for log in sorted(logs.glob("*.log")):
        yield f"the log {log.name}", log.read_bytes()


def _text_of(store: Store, bucket: str, key: str) -> bytes:
    # By a link for people: the check of the hash that `get` makes is not what is asked here.
    answer = httpx.get(store.presign(ObjectRef(bucket=bucket, key=key)), timeout=60)
    return answer.raise_for_status().content.split(PIXEL_DATA, 1)[0]

"""Looks for planted identifiers everywhere behind the door: in objects, object keys, records, logs, tables.

As text in the encodings in which DICOM, Java or a database could have written it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx

from osteon.bus import Bus
from osteon.contracts import ObjectRef
from osteon.contracts.buckets import BUCKETS
from osteon.contracts.topics import TOPICS
from osteon.store import Store

__all__ = ["found_planted"]

ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "latin-1")
PIXEL_DATA = b"\xe0\x7f\x10\x00"  # the tag (7FE0,0010) in little endian; pixels hold no text


def found_planted(planted: Iterable[str], bus: Bus, store: Store, folder: Path) -> list[str]:
    """Where a planted string was found, one sentence each, naming the place and not the string.

    `folder` is that of the stack.
    """
    texts = sorted(set(planted) - {""})
    needles = {text.encode(encoding, "ignore") for text in texts for encoding in ENCODINGS} - {b""}
    return [
        f"a planted identifier was found in {place}"
        for place, content in _places(bus, store, folder)
        if any(needle in content for needle in needles)
    ]


def _places(bus: Bus, store: Store, folder: Path) -> Iterator[tuple[str, bytes]]:
    for bucket in BUCKETS:
        for listed in store.list(bucket):
            yield f"an object of {bucket}", listed.key.encode() + b"\n" + _text_of(store, bucket, listed.key)
    for record in bus.read(TOPICS):
        headers = b"\n".join(name.encode() + b"=" + value for name, value in record.headers)
        yield f"a record of {record.topic}", b"\n".join((record.key, record.value or b"", headers))
    for log in sorted((folder / "logs").glob("*.log")):
        yield f"the log {log.name}", log.read_bytes()
    for table in sorted((folder / "console").glob("*")):
        yield f"the console's {table.name}", table.read_bytes()


def _text_of(store: Store, bucket: str, key: str) -> bytes:
    # By a link for people: the check of the hash that `get` makes is not what is asked here.
    answer = httpx.get(store.presign(ObjectRef(bucket=bucket, key=key)), timeout=60)
    return answer.raise_for_status().content.split(PIXEL_DATA, 1)[0]

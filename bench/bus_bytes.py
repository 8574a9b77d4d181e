"""Bytes on the bus an image: keys, values and headers of all records that come of it, from door to result."""

from bench.models import nothing
from bench.place import Place
from bench.row import Row
from osteon.bus import connect
from osteon.contracts.topics import TOPICS
from osteon_stack.ports import HOST

__all__ = ["bus_bytes"]

MOST_BYTES = 4096


def bus_bytes(place: Place) -> list[Row]:
    """All topics of the path, counted as they can be read."""
    place.release(place.models(nothing))
    before = _bytes(place)
    paths = place.radiographs(place.size.n_warm)
    place.throughput(paths)
    each = (_bytes(place) - before) / len(paths)
    return [Row("bytes on the bus", each, "bytes/image", aim=MOST_BYTES, better="lower")]


def _bytes(place: Place) -> int:
    return sum(
        len(record.key) + len(record.value or b"") + sum(len(name) + len(value) for name, value in record.headers)
        for record in connect(f"{HOST}:{place.stack.ports.kafka}").read(TOPICS)
    )

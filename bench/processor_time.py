"""Milliseconds of processor an image outside the models, by part: with models that cost nothing, all of it is that.

The stack uses the processor when nothing comes, too: at few images a second, more of that falls to each.
"""

import time

from bench.models import nothing
from bench.place import Place
from bench.row import Row

__all__ = ["processor_time"]

LEAST_MS = 0.1


def processor_time(place: Place) -> list[Row]:
    """A row for the sum and one for each part, the largest first."""
    place.release(place.models(nothing))
    place.throughput(place.radiographs(place.size.n_warm))
    idle_ms = _idle_ms(place)
    paths = place.radiographs(place.size.n_images)
    before = place.processor_s()
    place.throughput(paths)
    used_ms = {
        part: 1e3 * (after_s - before.get(part, 0.0)) / len(paths) for part, after_s in place.processor_s().items()
    }
    return [
        Row("processor time outside the models", sum(used_ms.values()), "ms/image", better="lower"),
        *(
            Row(f"processor time of {part}", ms, "ms/image", better="lower")
            for part, ms in sorted(used_ms.items(), key=lambda item: -item[1])
            if ms >= LEAST_MS
        ),
        Row("processor time of the idle stack", idle_ms, "ms/s", better="lower"),
    ]


def _idle_ms(place: Place) -> float:
    """Milliseconds of processor that the whole stack uses in a second without images."""
    before = sum(place.processor_s().values())
    time.sleep(place.size.idle_s)
    return 1e3 * (sum(place.processor_s().values()) - before) / place.size.idle_s

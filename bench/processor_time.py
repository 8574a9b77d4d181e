"""Milliseconds of processor an image outside the models, by part: with models that cost nothing, all of it is that."""

from bench.models import nothing
from bench.place import Place
from bench.row import Row

__all__ = ["processor_time"]

LEAST_MS = 0.1


def processor_time(place: Place) -> list[Row]:
    """A row for the sum and one for each part, the largest first."""
    place.release(place.models(nothing))
    place.throughput(place.radiographs(place.size.n_warm))
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
    ]

"""Records/s of a stage that does nothing, exactly once, against kafka-python without transactions."""

from bench.copying import records_per_s
from bench.place import Place
from bench.row import Row, against

__all__ = ["empty_stage"]


def empty_stage(place: Place) -> list[Row]:
    """A stage commits as soon as it can, always within 100 ms; the baseline commits every 100 ms."""
    with place.started(["kafka"]) as broker:
        plain = records_per_s(broker, "plain", place.size.n_records, [["--copy"]])
        exact = records_per_s(broker, "exact", place.size.n_records, [[]])
    return [against(plain, "empty stage, exactly once", exact, "records/s", aim=0.5)]

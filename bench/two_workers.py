"""Two workers of a stage against one, with a model that sleeps 50 ms: what the bus costs where work is shared."""

from bench.copying import records_per_s
from bench.place import Place
from bench.row import Row, against

__all__ = ["two_workers"]

SLEEP = ["--sleep", "0.05"]


def two_workers(place: Place) -> list[Row]:
    """Records/s of two processes that share the partitions; the baseline is one process with all of them."""
    n = place.size.n_sleeps
    with place.started(["kafka"]) as broker:
        one = records_per_s(broker, "one-worker", n, [SLEEP])
        two = records_per_s(broker, "two-workers", 2 * n, [[*SLEEP, "--ordinal", each] for each in ("0", "1")])
    return [against(one, "two workers of a stage, a model that sleeps 50 ms", two, "records/s", aim=1.9)]

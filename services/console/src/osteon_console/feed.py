"""Batches out of a stream of records: what has come so far is stored together, and nothing waits for more."""

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator
from queue import Empty, Full, Queue

from osteon.bus.record import Record
from osteon.errors import OsteonError

__all__ = ["batches"]

WAIT_S = 0.2  # between looks at `stop`; also how long a batch that is not full may lie in the queue


def batches(
    follow: Callable[[threading.Event], Iterator[Record]], stop: threading.Event, n_most: int = 500
) -> Generator[list[Record], None, None]:
    """Lists of at most `n_most` records of `follow(stop)`, in order; an empty one whenever nothing came for a while.

    `follow` blocks, so it runs in a thread of its own, at most two batches ahead. What it raises is raised here.
    """
    queue: Queue[Record] = Queue(2 * n_most)
    ended, failures = threading.Event(), list[OsteonError]()
    reader = threading.Thread(target=_read, args=(follow, queue, ended, failures), name="feed", daemon=True)
    reader.start()
    try:
        while not stop.is_set():
            batch = _take(queue, n_most)
            if not batch and not reader.is_alive() and queue.empty():
                break
            yield batch
    finally:
        ended.set()
        reader.join()
    for failure in failures:
        raise failure


def _read(
    follow: Callable[[threading.Event], Iterator[Record]],
    queue: Queue[Record],
    ended: threading.Event,
    failures: list[OsteonError],
) -> None:
    try:
        for record in follow(ended):
            if not _put(queue, record, ended):
                return
    except OsteonError as failure:
        failures.append(failure)


def _put(queue: Queue[Record], record: Record, ended: threading.Event) -> bool:
    while not ended.is_set():
        try:
            queue.put(record, timeout=WAIT_S)
            return True
        except Full:
            continue
    return False


def _take(queue: Queue[Record], n_most: int) -> list[Record]:
    """What lies in the queue; waits a moment for the first record only."""
    batch: list[Record] = []
    with contextlib.suppress(Empty):
        batch.append(queue.get(timeout=WAIT_S))
        while len(batch) < n_most:
            batch.append(queue.get_nowait())
    return batch

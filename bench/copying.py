"""Records through workers that are processes of their own: how many a second, by the times in the records."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

from kafka import KafkaProducer

from bench.worker import inputs, outputs, topics
from osteon.bus import connect
from osteon.bus.record import Outgoing, event_headers, sending
from osteon.contracts import Acquisition, ImageDeidentified, ObjectRef
from osteon_stack.ports import HOST
from osteon_stack.stack import Stack

__all__ = ["records_per_s"]

WITHIN_S = 180.0
END_WITHIN_S = 30.0
EDGE = 0.1  # of the records at each end, while workers begin and end


def records_per_s(broker: Stack, name: str, n_records: int, workers: list[list[str]]) -> float:
    """`n_records` through a stage `name` of this many workers, each with its own arguments; edges left out."""
    servers = f"{HOST}:{broker.ports.kafka}"
    bus = connect(servers)
    bus.provision(topics(name))
    _fill(servers, name, n_records)
    with contextlib.ExitStack() as stack:
        for arguments in workers:
            stack.enter_context(_worker([servers, name, *arguments]))
        deadline = time.monotonic() + WITHIN_S
        times_ms: list[int] = []
        while len(times_ms) < n_records:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(times_ms)} of {n_records} records after {WITHIN_S:.0f} s")
            time.sleep(0.5)
            times_ms = sorted(record.timestamp_ms for record in bus.read([outputs(name)]))
    edge = int(EDGE * len(times_ms))
    middle = times_ms[edge : len(times_ms) - edge]
    return len(middle) / (max(1, middle[-1] - middle[0]) / 1e3)


def _fill(servers: str, name: str, n_records: int) -> None:
    """Records like those of the path, spread evenly over the partitions."""
    producer = KafkaProducer(bootstrap_servers=servers, acks="all", linger_ms=20)
    ref = ObjectRef(bucket="images", key=f"ab/{'ab' * 32}", sha256="ab" * 32, size_bytes=6_000_000, media_type="x/y")
    acquisition = Acquisition(modality="DX", body_part="FEMUR", view="AP", rows=1591, columns=1955)
    for number in range(n_records):
        message = ImageDeidentified(
            image_id=f"{number:032x}", site="bench", patient=f"{number:032x}", object=ref, acquisition=acquisition
        )
        one = sending(Outgoing(inputs(name), message), event_headers(message, "bench", ""))
        partition = number % inputs(name).partitions
        producer.send(one.topic, one.value, one.key, list(one.headers), partition)
    producer.close()


@contextlib.contextmanager
def _worker(arguments: list[str]) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "bench.worker", *arguments])
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

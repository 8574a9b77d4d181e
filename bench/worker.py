"""One instance of a stage that sleeps, or copies records without transactions: `python -m bench.worker …`."""

import argparse
import signal
import threading
import time
from collections.abc import Sequence

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from osteon.bus import Context, Outgoing, Stage, connect
from osteon.contracts import ImageDeidentified, ImageHarmonized
from osteon.contracts.topics import DEAD_LETTER, IMAGE_SET_ASIDE, STAGE_BRAKED, Topic, retry_topic

__all__ = ["inputs", "outputs", "topics"]

COMMIT_EVERY_S = 0.1


def inputs(name: str) -> Topic:
    """What the stage `name` reads."""
    return Topic(f"bench.{name}.in", ImageDeidentified, "image_id", readers=(name,))


def outputs(name: str) -> Topic:
    """What it writes."""
    return Topic(f"bench.{name}.out", ImageHarmonized, "image_id")


def topics(name: str) -> list[Topic]:
    """All topics that it touches."""
    taken = inputs(name)
    return [taken, retry_topic(taken, name), outputs(name), DEAD_LETTER, IMAGE_SET_ASIDE, STAGE_BRAKED]


def stage(name: str, ordinal: int, sleep_s: float) -> Stage:
    """A stage whose model only sleeps, or does nothing at all."""

    def work(message: ImageDeidentified, _: Context) -> Sequence[Outgoing]:
        if sleep_s:
            time.sleep(sleep_s)
        made = ImageHarmonized(image_id=message.image_id, patient=message.patient, original=message.object)
        return [Outgoing(outputs(name), made)]

    return Stage(name=name, site="bench", ordinal=ordinal, consumes=inputs(name), work=work)


def copy(servers: str, name: str, stop: threading.Event) -> None:
    """The same records, consumed and produced by kafka-python alone: at least once, committed every 100 ms."""
    consumer = KafkaConsumer(bootstrap_servers=servers, group_id=f"{name}.copy", enable_auto_commit=False)
    consumer.assign([TopicPartition(inputs(name).name, number) for number in range(inputs(name).partitions)])
    consumer.seek_to_beginning()
    producer = KafkaProducer(bootstrap_servers=servers, acks="all")
    committed = time.monotonic()
    while not stop.is_set():
        for records in consumer.poll(100, max_records=500).values():
            for one in records:
                message = ImageDeidentified.FromString(one.value)
                made = ImageHarmonized(image_id=message.image_id, patient=message.patient, original=message.object)
                producer.send(outputs(name).name, made.SerializeToString(), one.key, one.headers)
        if time.monotonic() - committed >= COMMIT_EVERY_S:
            producer.flush()
            consumer.commit()
            committed = time.monotonic()
    producer.close()
    consumer.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("servers")
    parser.add_argument("name")
    parser.add_argument("--ordinal", type=int, default=0)
    parser.add_argument("--sleep", type=float, default=0.0)
    parser.add_argument("--copy", action="store_true")
    given = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if given.copy:
        copy(given.servers, given.name, stop)
    else:
        stage(given.name, given.ordinal, given.sleep).run(connect(given.servers), stop)


if __name__ == "__main__":
    main()

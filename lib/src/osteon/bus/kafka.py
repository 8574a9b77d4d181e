"""Apache Kafka as the bus, by kafka-python."""

# ruff: noqa: D102 - `osteon.bus.wire` says what each method does.

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from osteon.bus import kafka_topics, kafka_users
from osteon.bus.kafka_follower import Follower
from osteon.bus.kafka_reader import KafkaReader
from osteon.bus.kafka_tail import KafkaTail
from osteon.bus.kafka_writer import KafkaWriter, Patience, discard
from osteon.bus.login import Brokers, Login, login_of
from osteon.bus.record import Outgoing, Place, Record, Sending, event_headers, sending
from osteon.bus.wire import Refused
from osteon.contracts.topic_rights import Rights
from osteon.contracts.topics import Topic
from osteon.errors import Fatal, Passing
from osteon.runtime import Settings

__all__ = ["KafkaBus", "connect", "connect_as"]

NOBODY = Login()


UNKNOWN_FOR_S = 120.0  # a name that a cluster has just given may not be known at once; later it is a wrong setting


def connect_as(settings: Settings) -> "KafkaBus":
    """The bus that the settings name, as the user that they name; connects when it is first used."""
    return connect(settings.kafka_servers, login_of(settings))


def connect(
    servers: str, login: Login = NOBODY, *, delivery_timeout_s: float = 20.0, session_timeout_s: float = 10.0
) -> "KafkaBus":
    """The bus at `servers` (`host:port`, separated by commas); connects when it is first used.

    A record that is not acknowledged within `delivery_timeout_s` has failed. An instance that is silent for
    `session_timeout_s` (the broker's least is 6 by default) loses its partitions to the others.
    """
    brokers = Brokers(tuple(one.strip() for one in servers.split(",")), login)
    return KafkaBus(brokers, Patience(delivery_timeout_s), session_timeout_s)


class KafkaBus:
    """See `osteon.bus.wire.Bus`."""

    def __init__(self, brokers: Brokers, patience: Patience, session_s: float) -> None:
        self._brokers = brokers
        self._patience = patience
        self._session_s = session_s
        self._began = time.monotonic()

    def provision(self, topics: Sequence[Topic], replication: int = 1) -> None:
        kafka_topics.provision(self._brokers, topics, replication)

    def claim(self, site: str) -> None:
        """Write down that this Kafka is a site's; see `kafka_topics`."""
        kafka_topics.claim(self._brokers, site)

    def refuse_others(self, site: str) -> None:
        """Raise Fatal if this Kafka is another site's; see `kafka_topics`."""
        kafka_topics.refuse_others(self._brokers, site)

    def probe(self) -> None:
        kafka_topics.probe(self._brokers)

    def check(self, topics: Sequence[Topic], replication: int = 1) -> list[str]:
        return kafka_topics.check(self._brokers, topics, replication)

    def grant(self, passwords: Mapping[str, str], rights: Mapping[str, Rights], site: str) -> None:
        """Make users with these passwords and rights; see `kafka_users`."""
        kafka_users.grant(self._brokers, passwords, rights, site)

    def missing_for(self, allowed: Rights) -> list[str]:
        """What a service with those rights does not see yet; see `kafka_users`."""
        return kafka_users.missing_for(self._brokers, allowed)

    def reader(self, group: str, topics: Sequence[str], instance: str) -> KafkaReader:
        nameless = self._brokers.nameless()  # asked first: kafka-python would take all its time for each try
        if nameless and time.monotonic() - self._began > UNKNOWN_FOR_S:
            raise Fatal(f"Kafka can't be reached: {nameless}; it was tried for {UNKNOWN_FOR_S:.0f} s")
        if nameless:
            raise Passing("bus", f"Kafka can't be reached: {nameless}")
        return KafkaReader(self._brokers, group, topics, instance, self._session_s)

    def writer(self, transactional_id: str) -> KafkaWriter:
        return KafkaWriter(self._brokers, transactional_id, self._patience)

    def publisher(self, transactional_id: str | None = None, source: str = "osteon") -> "KafkaPublisher":
        writer = self.writer(transactional_id) if transactional_id else None
        return KafkaPublisher(self._brokers, self._patience, source, writer)

    def committed(self, group: str, topic: Topic) -> dict[Place, int]:
        return kafka_topics.committed(self._brokers, group, topic)

    def read(
        self,
        topics: Sequence[Topic | str],
        partitions: Collection[int] | None = None,
        going: Callable[[], object] = lambda: None,
    ) -> list[Record]:
        follower = Follower(self._brokers, [_name(topic) for topic in topics], partitions)
        try:
            return follower.until_end(self._patience.transaction_s, going)
        finally:
            follower.close()

    def follow(
        self,
        topics: Sequence[Topic | str],
        positions: Mapping[Place, int],
        stop: threading.Event | None = None,
    ) -> Iterator[Record]:
        names = [_name(topic) for topic in topics]
        follower = Follower(self._brokers, names, None, positions, fetch_max_wait_ms=500)  # it asks nothing else
        try:
            while stop is None or not stop.is_set():
                yield from follower.poll(0.5)
        finally:
            follower.close()

    def tail(self, topic: Topic) -> KafkaTail:
        return KafkaTail(self._brokers, topic.name)


class KafkaPublisher:
    """See `osteon.bus.wire.Publisher`. Idempotent: a repeated send is written once."""

    def __init__(self, brokers: Brokers, patience: Patience, source: str, writer: KafkaWriter | None) -> None:
        self._brokers = brokers
        self._patience = patience
        self._source = source
        self._writer = writer
        self._is_fresh = False
        self._producer: KafkaProducer | None = None
        self._lock = threading.Lock()

    def publish(self, outgoing: Outgoing, traceparent: str = "") -> None:
        self._send(sending(outgoing, event_headers(outgoing.message, self._source, traceparent)))

    def remove(self, topic: Topic, key: str) -> None:
        self._send(Sending(topic.name, key.encode(), None))

    def _send(self, one: Sending) -> None:
        if self._writer is not None:
            with self._lock:
                self._commit(self._writer, one)
            return
        producer = None
        try:
            producer = self._plain()
            future = producer.send(one.topic, one.value, one.key, list(one.headers), one.partition)
            future.get(timeout=self._patience.commit_s)
        except KafkaError as error:
            # One whose record expired never sends another, though the broker comes back.
            self._discard(producer)
            why = self._brokers.nameless() or self._brokers.why(error)
            raise Passing("bus", f"Kafka did not acknowledge a record: {why}") from None

    def _commit(self, writer: KafkaWriter, one: Sending) -> None:
        if not self._is_fresh:
            writer.renew()
        try:
            self._is_fresh = False
            writer.commit([one], {}, None)
            self._is_fresh = True
        except Refused as error:
            raise Passing("bus", str(error)) from None

    def _plain(self) -> KafkaProducer:
        # While the broker is away each attempt takes its time, and many threads may come: none waits for all others.
        if not self._lock.acquire(timeout=self._patience.request_s):
            raise KafkaTimeoutError("others wait for a producer")
        try:
            self._producer = self._producer or self._connected()
            return self._producer
        finally:
            self._lock.release()

    def _connected(self) -> KafkaProducer:
        return self._brokers.client(
            KafkaProducer,
            bootstrap_timeout_ms=int(1000 * self._patience.request_s),
            acks="all",
            enable_idempotence=True,
            delivery_timeout_ms=int(1000 * self._patience.delivery_s),
            request_timeout_ms=int(1000 * self._patience.request_s),
            max_block_ms=int(1000 * self._patience.request_s),
            allow_auto_create_topics=False,
            reconnect_backoff_max_ms=1000,
            linger_ms=0,
            metrics_enabled=False,
        )

    def _discard(self, producer: KafkaProducer | None) -> None:
        """Have another one made for the next record. Threads may share `producer`, and one of them does this."""
        with self._lock:
            if producer is None or producer is not self._producer:
                return
            self._producer = None
        discard(producer, self._patience)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            discard(producer, self._patience, wait_s=self._patience.request_s)


def _name(topic: Topic | str) -> str:
    return topic if isinstance(topic, str) else topic.name

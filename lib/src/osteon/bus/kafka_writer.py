"""Transactions on Apache Kafka.

What kafka-python 3.0 leaves to its user, and is done here:
- `commit_transaction` succeeds although a record failed: every future is resolved first.
- `send_offsets_to_transaction`, `commit_transaction` and `abort_transaction` wait for ever: they run on a thread of
  their own, and past the deadline the producer is thrown away.
- After most errors a producer can't be used again: any error throws it away.
"""

# ruff: noqa: D102 - `osteon.bus.wire` says what each method does.

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from kafka import KafkaProducer, TopicPartition
from kafka.errors import (
    InvalidProducerEpochError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFencedError,
    RecordListTooLargeError,
)
from kafka.structs import OffsetAndMetadata

from osteon.bus.login import Brokers
from osteon.bus.record import Place, Sending
from osteon.bus.wire import Checkpoint, Committed, Refused, TooLarge
from osteon.errors import Fatal, Passing
from osteon.runtime import logs

__all__ = ["KafkaWriter", "Patience", "discard", "is_fenced"]

LOGGER = logs.logger(__name__)


class Patience:
    """How long to wait for the broker. Each is shorter than the next, or errors would be lost."""

    def __init__(self, delivery_s: float = 20.0) -> None:
        self.request_s = delivery_s / 2
        self.delivery_s = delivery_s  # until a record that is not acknowledged fails
        self.commit_s = delivery_s * 1.5  # for all of one transaction, on this side
        self.transaction_s = delivery_s * 3  # until the broker gives up a transaction of a silent producer


class KafkaWriter:
    """A transactional producer that is replaced whenever something went wrong; see `osteon.bus.wire.Writer`."""

    def __init__(self, brokers: Brokers, transactional_id: str, patience: Patience) -> None:
        self._brokers = brokers
        self._id = transactional_id
        self._patience = patience
        self._producer: KafkaProducer | None = None

    def renew(self) -> None:
        self._discard()
        deadline = time.monotonic() + self._patience.commit_s
        try:
            self._producer = self._brokers.client(
                KafkaProducer,
                bootstrap_timeout_ms=int(1000 * self._patience.request_s),
                transactional_id=self._id,
                transaction_timeout_ms=int(1000 * self._patience.transaction_s),
                delivery_timeout_ms=int(1000 * self._patience.delivery_s),
                request_timeout_ms=int(1000 * self._patience.request_s),
                max_block_ms=int(1000 * self._patience.request_s),
                allow_auto_create_topics=False,
                # By default each transaction waits 100 ms for the broker to finish the one before.
                retry_backoff_ms=3,
                reconnect_backoff_max_ms=1000,
                linger_ms=0,
                metrics_enabled=False,
            )
            _within(deadline, self._producer.init_transactions)
        except KafkaError as error:
            fenced = is_fenced(error, self._producer)
            self._discard()
            raise self._taken_over() if fenced else Passing("bus", f"Kafka gave no producer: {_name(error)}") from None

    def commit(
        self,
        sendings: Sequence[Sending],
        offsets: Mapping[Place, Committed],
        membership: Any,
        checkpoint: Checkpoint = lambda _: None,
    ) -> None:
        if self._producer is None:
            raise Refused("there is no producer yet; renew the writer")
        try:
            self._commit(self._producer, sendings, offsets, membership, checkpoint)
        except TooLarge:
            self._abort()
            raise
        except (KafkaError, ValueError) as error:
            if is_fenced(error, self._producer):
                self._discard()
                raise self._taken_over() from None
            self._abort()
            raise Refused(f"the transaction failed: {_name(error)}") from error

    def _commit(
        self,
        producer: KafkaProducer,
        sendings: Sequence[Sending],
        offsets: Mapping[Place, Committed],
        membership: Any,
        checkpoint: Checkpoint,
    ) -> None:
        deadline = time.monotonic() + self._patience.commit_s
        producer.begin_transaction()
        checkpoint("begun")
        futures: list[Any] = []
        try:
            for one in sendings:
                futures.append(producer.send(one.topic, one.value, one.key, list(one.headers), one.partition))
            for future in futures:
                future.get(timeout=max(0.001, deadline - time.monotonic()))
        except KafkaError as error:
            _blame([*(future.exception for future in futures), error])
            raise
        checkpoint("produced")
        if offsets:
            positions = {
                TopicPartition(*place): OffsetAndMetadata(at.offset, at.note, -1) for place, at in offsets.items()
            }
            _within(deadline, lambda: producer.send_offsets_to_transaction(positions, membership))
            checkpoint("offsets-sent")
        _within(deadline, producer.commit_transaction)
        checkpoint("committed")

    def _abort(self) -> None:
        """Abort for the sake of readers, who wait for open transactions; the successor does it anyway."""
        if self._producer is not None:
            try:
                _within(time.monotonic() + 2.0, self._producer.abort_transaction)
            except KafkaError as error:
                LOGGER.info("transaction left to the broker", extra={"why": _name(error)})
        self._discard()

    def _discard(self, wait_s: float = 0.0) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            discard(producer, self._patience, wait_s)

    def _taken_over(self) -> Fatal:
        return Fatal(f"another process writes as {self._id}: give each instance an OSTEON_ORDINAL of its own")

    def close(self) -> None:
        self._discard(wait_s=2.0)


def is_fenced(error: BaseException, producer: KafkaProducer | None) -> bool:
    """Whether a successor holds the transactional id. kafka-python hides that inside a plain KafkaError."""
    fencing = (ProducerFencedError, InvalidProducerEpochError)
    manager = getattr(producer, "_transaction_manager", None)
    return isinstance(error, fencing) or isinstance(getattr(manager, "last_error", None), fencing)


def _blame(errors: Sequence[BaseException | None]) -> None:
    """Raise TooLarge if one record failed of that; the others then failed since their transaction did."""
    for number, error in enumerate(errors):
        if isinstance(error, (MessageSizeTooLargeError, RecordListTooLargeError)):
            raise TooLarge(number)


def _within(deadline: float, call: Callable[[], object]) -> None:
    """`call`, given up at `deadline` (of the monotonic clock). Raises KafkaError."""
    future: Future[None] = Future()

    def resolve() -> None:
        try:
            call()
            future.set_result(None)
        except Exception as error:  # noqa: BLE001 - it is raised again where somebody waits
            future.set_exception(error)

    threading.Thread(target=resolve, name="transaction", daemon=True).start()
    try:
        future.result(max(0.001, deadline - time.monotonic()))
    except TimeoutError:
        raise KafkaError("no answer within the deadline") from None


def discard(producer: KafkaProducer, patience: Patience, wait_s: float = 0.0) -> None:
    """Close `producer` on a thread of its own, since closing waits for a broker that may be away; wait for `wait_s`."""
    args = (producer, patience.commit_s)
    thread = threading.Thread(target=_close, args=args, name="discard-producer", daemon=True)
    thread.start()
    thread.join(wait_s)


def _close(producer: KafkaProducer, timeout_s: float) -> None:
    try:
        producer.close(timeout=timeout_s)
    except KafkaError as error:
        LOGGER.debug("producer not closed in time", extra={"why": _name(error)})
        # It still waits for records that nobody will acknowledge, and would for as long as the process lives.
        sender = getattr(producer, "_sender", None)
        if sender is not None:
            sender.force_close()
        with contextlib.suppress(KafkaError):
            producer.close(timeout=timeout_s)


def _name(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, KafkaError) else type(error).__name__

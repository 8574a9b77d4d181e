"""The loop of a stage: consume, work, produce, commit. Each record has exactly one outcome, whatever dies when.

1. Poll records, and keep the membership in the group that this poll had.
2. Claim them durably, then work them on threads, with no transaction open.
3. Commit the finished prefix of each partition: begin, produce, resolve every future, send offsets with the
   membership of their poll, commit.
4. After anything that went wrong, and after every change of the assignment: drop what is in flight and begin again
   at the committed offsets.
"""

import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from osteon.bus.brake import Brakes, brake
from osteon.bus.claims import Lane
from osteon.bus.isolate import apart
from osteon.bus.outcome import Dead, Dependencies, Done, Item, Outcome, Stopped, Unknown, attempt
from osteon.bus.produce import KINDS, TOO_LARGE, Turn, outgoing, sendings, settled, tell
from osteon.bus.record import Place, Record, event_headers, header, sending
from osteon.bus.state import State
from osteon.bus.window import Window
from osteon.bus.wire import Batch, Bus, Committed, Reader, Refused, TooLarge, Writer
from osteon.bus.workers import Workers
from osteon.contracts.reasons import DEAD_LETTER_REASONS, REASONS
from osteon.errors import Fatal, Passing
from osteon.runtime import logs, metrics, trace
from osteon.runtime.health import Health

if TYPE_CHECKING:
    from osteon.bus.stage import Stage

__all__ = ["Running"]

LOGGER = logs.logger(__name__)
IDLE_S = 0.25  # how long an idle stage does not notice that it should stop
BUSY_S = 0.02  # how long new records may wait while others are worked
DRAIN_S = 20.0  # shorter than the 30 s that Kubernetes gives by default
TOO_LARGE_TEXT = "What comes of it is larger than the bus takes. The original was left out: it lies where it says."
MAX_SENDINGS = 500  # of one transaction: kafka-python does not bound what it holds


class Running:
    """The loop of one instance. All of it runs on one thread, except `attempt`."""

    def __init__(self, stage: "Stage", bus: Bus, reader: Reader, health: Health) -> None:
        self.stage = stage
        self.bus = bus
        self.health = health
        self.me = uuid.uuid4().hex[:12]  # this process, in claims
        self.reader = reader
        self.writer: Writer = bus.writer(stage.id)
        self.brakes = Brakes(bus, stage.name, stage.brake_limit)
        self.state = State(stage.state)
        self.dependencies = Dependencies(stage.probes)
        self.workers = Workers(stage.n_threads, stage.name)
        self.lanes: dict[Place, Lane] = {}
        self.epoch = -1
        self.must_begin = True
        self.needs_writer = True
        self.too_large: set[tuple[Place, int]] = set()  # the bus took none of what came of these records
        _begin_counts(stage.name)
        self.window = Window(stage.max_in_flight or 4 * stage.n_threads, stage.max_in_flight or MAX_SENDINGS)

    # ------------------------------------------------------------------------------------------ the loop

    def turn(self) -> None:
        """Once round."""
        self._watch()
        is_braked = self._brakes()
        batch = self._poll(is_braked)
        if batch is None:
            return
        if self.must_begin or batch.epoch != self.epoch:
            self._begin(batch.epoch)
            return
        try:
            self._take(batch)
            if not is_braked:
                self._start_careful()
            self._commit()
        except Refused as error:
            metrics.TRANSACTIONS_ABORTED.labels(self.stage.name).inc()
            LOGGER.warning("beginning again at the committed offsets", extra={"why": str(error)})
            self._drop()
            self.must_begin = self.needs_writer = True

    def _poll(self, is_braked: bool) -> Batch | None:
        """1. Records, as many as there is room for; none while something is away, only a sign of life."""
        in_flight = sum(len(lane.items) for lane in self.lanes.values())
        metrics.IN_FLIGHT.labels(self.stage.name).set(in_flight)
        is_closed = is_braked or self.must_begin or self.dependencies.away
        room = 0 if is_closed else max(0, self.window.size - in_flight)
        if in_flight:
            self.workers.wait(BUSY_S)
        try:
            batch = self.reader.poll(0.0 if in_flight or self.must_begin else IDLE_S, room)
        except Passing as error:
            LOGGER.warning("waiting for the bus", extra={"why": str(error)})
            self.health.ready("bus", False)
            self.workers.wait(0.5)
            return None
        if batch.records:
            self.stage.checkpoint("polled")
        return batch

    def _begin(self, epoch: int) -> None:
        """4. Drop what is in flight; begin where the group stands."""
        self._drop()
        self.must_begin = True
        try:
            if self.needs_writer:
                self.writer.renew()  # resolves what was left open, or the committed offsets would not be the last
                self.needs_writer = False
            committed = self.reader.committed()
            self.state.restore(self.bus, {partition for _, partition in committed}, self._going)
            self.reader.seek({place: at.offset for place, at in committed.items()})
        except (Passing, Refused) as error:
            LOGGER.warning("waiting for the bus", extra={"why": str(error)})
            self.health.ready("bus", False)
            self.workers.wait(0.2)
            return
        self.lanes = {place: Lane.after(at, self.me) for place, at in sorted(committed.items())}
        self.epoch = epoch
        self.must_begin = False
        self.health.ready("bus", True)

    def _going(self) -> None:
        """Show, while much is read, that the process lives and that this instance keeps its place in the group."""
        self.health.alive()
        self.reader.poll(0.0, 0)  # of a changed assignment the next turn hears by its epoch

    def _drop(self) -> None:
        for lane in self.lanes.values():
            for item in lane.items:
                item.dropped.set()
        self.lanes = {}

    # ---------------------------------------------------------------------------------- claiming and working

    def _take(self, batch: Batch) -> None:
        """2. Claim what was polled, then hand it to the threads."""
        if not batch.records:
            return
        items: dict[Place, list[Item]] = {}
        for record in batch.records:
            items.setdefault(record.place, []).append(Item(record, batch.membership))
        if not items.keys() <= self.lanes.keys():
            raise Refused("records of a partition that is not assigned")
        brisk = {place: polled for place, polled in items.items() if not self.lanes[place].is_careful}
        if brisk:
            self.reader.claim(
                {place: self.lanes[place].claimed(self.me, polled[-1].record.offset) for place, polled in brisk.items()}
            )
            self.stage.checkpoint("claimed")
        for place, polled in items.items():
            self.lanes[place].items.extend(polled)
        for place, polled in brisk.items():
            self.lanes[place].through = polled[-1].record.offset
            for item in polled:
                self._start(item)

    def _start_careful(self) -> None:
        """One record at a time where a process died with several in hand."""
        for place, lane in self.lanes.items():
            if lane.careful_through < 0 or not lane.items or lane.items[0].is_started:
                continue
            first = lane.items[0]
            if first.record.offset > lane.careful_through:
                # The dangerous ones are through; what was polled with them is polled again, and claimed together.
                self.reader.seek({place: first.record.offset})
                lane.items.clear()
                lane.careful_through = -1
            elif lane.died_at == lane.offset:
                first.died = 2
                self._start(first)
            else:
                first.died = 1
                through = max(lane.careful_through, lane.through)
                claim = {place: lane.claimed(self.me, through, alone=True)}
                self.writer.commit([], claim, first.membership)
                self.stage.checkpoint("claimed")
                self._start(first)

    def _start(self, item: Item) -> None:
        item.is_started = True
        if self._is_known(item):
            item.outcome = Done(())
            return
        stage, work = self.stage, self.stage.work
        if item.died > 1 and stage.isolate:
            LOGGER.warning("working a record in a subprocess", extra={"stage": stage.name})
            work = apart(stage.isolate, stage.limits, stage.killed)

        def task() -> None:
            began = time.monotonic()
            item.outcome = attempt(item, self.stage.consumes.message, work, self.dependencies)
            metrics.WORK_SECONDS.labels(self.stage.name).observe(time.monotonic() - began)

        self.workers.submit(task)

    def _is_known(self, item: Item) -> bool:
        if self.stage.is_known is None:
            return False
        try:
            message = self.stage.consumes.message.FromString(item.record.value or b"")
        except DecodeError:
            return False  # `attempt` says what becomes of it
        return self.stage.is_known(message, self.state)

    # ----------------------------------------------------------------------------------------- committing

    def _commit(self) -> None:
        """3. One transaction with the finished prefix of each partition."""
        turn = self._gathered()
        if not turn.items:
            return
        self.stage.checkpoint("worked")
        began = time.monotonic()
        offsets: dict[Place, Committed] = {}
        for item in turn.items:
            place = item.record.place
            offsets[place] = self.lanes[place].moved(self.me, item.record.offset + 1)
        try:
            self.writer.commit(turn.sendings, offsets, turn.items[0].membership, self.stage.checkpoint)
        except TooLarge as error:
            record = turn.owners[error.number].record
            self.too_large.add((record.place, record.offset))
            raise
        commit_s = time.monotonic() - began
        metrics.COMMIT_SECONDS.labels(self.stage.name).observe(commit_s)
        self.window.committed(len(turn.items), commit_s)
        self._committed(turn, offsets)

    def _committed(self, turn: Turn, offsets: Mapping[Place, Committed]) -> None:
        for item in turn.items:
            self.lanes[item.record.place].items.popleft()
        for place, at in offsets.items():
            self.lanes[place].offset = at.offset
        for item, (kind, reason) in zip(turn.items, turn.outcomes, strict=True):
            LOGGER.info("record worked", extra={**_told(item), "outcome": kind, "reason": reason})
            _count(self.stage.name, item, kind, reason)
        self.brakes.count(turn.reasons)
        if turn.has_brake:
            self._pulled()

    def _gathered(self) -> Turn:
        turn = Turn()
        for lane in self.lanes.values():
            for item in lane.items:
                if item.outcome is None or len(turn.sendings) > MAX_SENDINGS or turn.has_brake:
                    break
                if not self._add(turn, item, item.outcome):
                    break
        return turn

    def _add(self, turn: Turn, item: Item, outcome: Outcome) -> bool:
        """Add one outcome to a transaction; False if the transaction must end before it."""
        stage = self.stage
        if isinstance(outcome, Stopped):
            raise outcome.error
        if isinstance(outcome, Unknown):
            if not turn.items:
                self._brake("unknown-enum-value", f"{outcome.field_name} holds a value of a newer version.")
                turn.has_brake = True  # what is in flight in the other partitions was dropped
            return False
        if (item.record.place, item.record.offset) in self.too_large:
            outcome = Dead(TOO_LARGE, TOO_LARGE_TEXT, item.died + 1)
        final = settled(item, outcome, stage.settle, self.state)
        outputs = list(outgoing(stage.name, item, final))
        turn.reasons.append(final.reason if isinstance(final, Dead) else "")
        reason = self.brakes.too_many(turn.reasons)
        if reason:
            outputs.append(brake(stage.name, reason, f"More than {stage.brake_limit} of the last 100 records."))
            turn.has_brake = True
        made = sendings(stage.name, stage.site, item, outputs, self.state)
        turn.sendings += made
        turn.owners += [item] * len(made)
        turn.items.append(item)
        turn.outcomes.append(tell(final))
        if isinstance(final, Dead):
            LOGGER.error(
                "record to the dead letters", extra={"stage": stage.name, "reason": final.reason, **_at(item.record)}
            )
        return True

    # ------------------------------------------------------------------------------- brake, health, the end

    def _brake(self, reason: str, explanation: str) -> None:
        """Stop at a record that newer code must work."""
        one = brake(self.stage.name, reason, explanation)
        headers = event_headers(one.message, f"osteon/{self.stage.site}/{self.stage.name}", "")
        self.writer.commit([sending(one, headers)], {}, None)
        self._pulled()

    def _pulled(self) -> None:
        LOGGER.critical("stage braked; see `osteon stage list`", extra={"stage": self.stage.name})
        self.brakes.pulled()
        self._drop()
        self.must_begin = True

    def _brakes(self) -> bool:
        is_on = self.brakes.is_on()
        metrics.BRAKED.labels(self.stage.name).set(is_on)
        self.health.ready("brake", not is_on)
        return is_on

    def _watch(self) -> None:
        self.health.alive()
        away = self.dependencies.away
        for name in self.dependencies.named:
            self.health.ready(name, name not in away)
        now = time.monotonic()
        for lane in self.lanes.values():
            for item in lane.items:
                if item.began_s and now - item.began_s > self.stage.work_limit_s:
                    limit_s = self.stage.work_limit_s
                    raise Fatal(f"work on one record took over {limit_s:.0f} s; after a restart it is worked apart")

    def drain(self) -> None:
        """Finish and commit what is in flight, then give the claims back: nothing died here."""
        deadline = time.monotonic() + DRAIN_S
        try:
            while any(item.is_started for lane in self.lanes.values() for item in lane.items):
                if time.monotonic() > deadline or self.dependencies.away:
                    break
                self.workers.wait(BUSY_S)
                self._commit()
            left = {place: lane.given_back(self.me) for place, lane in self.lanes.items() if lane.has_claim}
            memberships = [item.membership for lane in self.lanes.values() for item in lane.items]
            if left and memberships:
                self.writer.commit([], left, memberships[0])
        except Refused as error:
            LOGGER.warning("not all was drained; the next start works it", extra={"why": str(error)})

    def close(self) -> None:
        """Leave the bus."""
        self._drop()
        self.workers.close()
        self.reader.close()
        self.writer.close()
        self.brakes.close()


def _told(item: Item) -> dict[str, Any]:
    """Whose record it was, as far as a log may know."""
    return {
        "image_id": getattr(item.message, "image_id", ""),
        "trace_id": trace.trace_id(header(item.record.headers, "traceparent")),
    }


def _begin_counts(stage: str) -> None:
    """Tell zeros from the start: a counter that begins at 1 has no rise that an alert or a panel could see."""
    for kind in KINDS:
        metrics.RECORDS.labels(stage, kind)
    for reason in REASONS:
        metrics.SET_ASIDE.labels(stage, reason)
    for reason in DEAD_LETTER_REASONS:
        metrics.DEAD_LETTERS.labels(stage, reason)
    metrics.TRANSACTIONS_ABORTED.labels(stage)
    for histogram in (metrics.WORK_SECONDS, metrics.COMMIT_SECONDS, metrics.SINCE_RECEIVED_SECONDS):
        histogram.labels(stage)


def _count(stage: str, item: Item, kind: str, reason: str) -> None:
    metrics.RECORDS.labels(stage, kind).inc()
    if kind == "set-aside":
        metrics.SET_ASIDE.labels(stage, reason).inc()
    if kind == "dead-letter":
        metrics.DEAD_LETTERS.labels(stage, reason).inc()
    at: Timestamp | None = getattr(item.message, "received_at", None)
    if at is not None and at.seconds > 0:
        metrics.SINCE_RECEIVED_SECONDS.labels(stage).observe(max(0.0, time.time() - at.seconds - at.nanos / 1e9))


def _at(record: Record) -> dict[str, Any]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}

"""What a stage is; how it runs is told in `osteon.bus.running`."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from osteon.bus.isolate import Killed, Limits
from osteon.bus.outcome import Context
from osteon.bus.produce import Settle
from osteon.bus.running import Running
from osteon.bus.state import State
from osteon.bus.wire import Bus, Checkpoint, Reader
from osteon.contracts.topics import Topic, retry_topic
from osteon.errors import Passing
from osteon.runtime import logs
from osteon.runtime.health import Health

__all__ = ["Stage"]

LOGGER = logs.logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What a stage is; `run` works until it is told to stop.

    `work(message, context)` runs on threads, several records at once, and may be run again for the same record:
    its side effects must be idempotent. `settle(outputs, state)`, where there is one, runs record by record in the
    order of a partition just before they are written; it sees and may write the `state` topic, and decides what is
    really written. An image that kills its workers is set aside; with `killed(message, refusal)`, what that makes of
    it is settled instead. A record of which `is_known(message, state)` is true is not worked and leads to nothing, as
    one that killed its workers and comes again. `probes` tell whether a dependency is well, by raising if not.
    `isolate` is the command that works one record in a subprocess by `work_one`; without it, a record that kills its
    process kills every one.
    """

    name: str
    site: str
    consumes: Topic
    work: Callable[[Any, Context], Sequence[Any]]
    settle: Settle | None = None
    killed: Killed | None = None
    is_known: Callable[[Any, State], bool] | None = None
    state: Topic | None = None
    probes: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    isolate: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    n_threads: int = 8
    max_in_flight: int = 0
    """Records that are polled and not committed; 0 means four a thread, or more if they are fast (`window.py`)."""
    ordinal: int = 0
    brake_limit: int = 25
    """More dead letters of one reason than this, among the last 100 records, pull the brake."""
    work_limit_s: float = 900.0
    """One record that takes longer ends the process, and is then worked in a subprocess."""
    checkpoint: Checkpoint = lambda _: None
    """Called between each two steps, for tests that kill the process there."""

    @property
    def id(self) -> str:
        """The name of this instance on the bus, stable over restarts."""
        return f"osteon.{self.site}.{self.name}.{self.ordinal}"

    def run(self, bus: Bus, stop: threading.Event, health: Health | None = None) -> None:
        """Work until `stop` is set, then finish what is in flight. Raises Fatal."""
        reader = _joined(self, bus, stop)
        if reader is None:
            return
        running = Running(self, bus, reader, health or Health())
        try:
            while not stop.is_set():
                running.turn()
            running.drain()
        finally:
            running.close()


def _joined(stage: Stage, bus: Bus, stop: threading.Event) -> Reader | None:
    topics = [stage.consumes.name, retry_topic(stage.consumes, stage.name).name]
    while not stop.is_set():
        try:
            return bus.reader(stage.name, topics, stage.id)
        except Passing as error:
            LOGGER.warning("waiting for the bus", extra={"why": str(error)})
            stop.wait(1.0)
    return None

"""The bus: records between stages, each worked once.

record.py        a record, what goes out, CloudEvents headers
wire.py          what a bus must be able to do
kafka.py         Apache Kafka; its parts are kafka_reader.py, kafka_writer.py, kafka_follower.py, kafka_tail.py,
                 kafka_topics.py and kafka_users.py
login.py         where Kafka is, and as whom it is spoken to
sockets.py       closes those that kafka-python forgets
memory.py        a bus in memory, for unit tests
stage.py         what a stage is
running.py       its loop: poll, claim, work, commit
window.py        how many records are in hand
claims.py        durable attempts, noted beside the committed offsets
outcome.py       attempts at one record, and what each kind of error leads to
produce.py       outcomes as records: outputs, set aside, dead letters
state.py         what a stage remembers, as a compacted topic
isolate.py       one record in a subprocess with limits
brake.py         too many dead letters stop a stage
workers.py       the threads that work
table.py         a compacted topic as a mapping
dead_letters.py  dead letters: list, show, replay
commands.py      `osteon dead-letters | stage | topics`
"""

from osteon.bus.isolate import Limits, work_one
from osteon.bus.kafka import KafkaBus, connect, connect_as
from osteon.bus.memory import MemoryBus
from osteon.bus.outcome import Context
from osteon.bus.record import Outgoing, Record
from osteon.bus.stage import Stage
from osteon.bus.state import State
from osteon.bus.table import Table
from osteon.bus.wire import Bus, Publisher

__all__ = [
    "Bus",
    "Context",
    "KafkaBus",
    "Limits",
    "MemoryBus",
    "Outgoing",
    "Publisher",
    "Record",
    "Stage",
    "State",
    "Table",
    "connect",
    "connect_as",
    "work_one",
]

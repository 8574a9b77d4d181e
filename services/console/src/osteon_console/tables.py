"""The console's database: events as they came, the receptions that they tell of, and how far each topic was read.

Times are microseconds since 1970 in UTC, since SQLite has no type for an instant.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    create_engine,
    event,
    inspect,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry
from typing_extensions import override

from osteon.errors import Fatal
from osteon.runtime import logs

__all__ = ["EVENTS", "POSITIONS", "RECEPTIONS", "lock", "open_database"]

LOGGER = logs.logger(__name__)
VERSION = 1  # of the columns below; a database of another version is emptied and built again from the topics
MAX_CHARACTERS = 500  # PostgreSQL indexes no more than 2700 bytes; whatever is longer was written by nobody of ours
METADATA = MetaData()


class Line(TypeDecorator[str]):
    """A text that any record may hold and every database can: without NUL, and of bounded length."""

    impl = String
    cache_ok = True

    @override
    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value[:MAX_CHARACTERS].replace("\0", "\ufffd")


EVENTS = Table(
    "events",
    METADATA,
    Column("topic", Line, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("image_id", Line, nullable=False, index=True),  # empty where the record is not about one image
    Column("time_us", BigInteger, nullable=False),  # when it was produced
    Column("traceparent", Line, nullable=False),
    Column("replay_of", Line, nullable=False),  # id of the dead letter that this record came out of, or empty
    Column("key", Line, nullable=False),
    Column("value", LargeBinary),  # the message as it lay on the bus; nothing for a tombstone
)

RECEPTIONS = Table(
    "receptions",
    METADATA,
    Column("image_id", Line, primary_key=True),
    Column("received_at_us", BigInteger, primary_key=True, autoincrement=False),
    Column("is_main", Boolean, nullable=False),  # the reception that speaks for the image
    Column("site", Line, nullable=False),
    Column("patient", Line, nullable=False),
    Column("state", Line, nullable=False),
    Column("stage", Line, nullable=False),  # who set it aside or wrote the dead letter
    Column("reason", Line, nullable=False),
    Column("explanation", Line, nullable=False),
    Column("label", Line, nullable=False),
    Column("probability", Float),
    Column("is_above_operating_point", Boolean),
    Column("release_set", Line, nullable=False),
    Column("original", JSON),  # object references
    Column("harmonized", JSON),
    Column("finished_at_us", BigInteger),
    Column("n_outcomes", Integer, nullable=False),  # more than one is a fault of the path
    Column("trace_id", Line, nullable=False),
    Index("receptions_by_time", "received_at_us", "image_id"),
    Index("receptions_by_state", "state"),
)

POSITIONS = Table(
    "positions",
    METADATA,
    Column("topic", Line, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
)

_ABOUT = Table("about", METADATA, Column("version", Integer, primary_key=True, autoincrement=False))


def open_database(url: str) -> Engine:
    """The database at `url`, with its tables. Raises Fatal where it can't be opened."""
    try:
        engine = create_engine(url)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _set_up_sqlite)
        with engine.begin() as connection:
            _create(connection)
    except (ArgumentError, NoSuchModuleError, OperationalError, ImportError) as error:
        # The URL may hold a password, and so may the text of the error.
        raise Fatal(f"the database can't be opened ({type(error).__name__}); set OSTEON_DATABASE_URL") from None
    return engine


def lock(connection: Connection) -> None:
    """Let one transaction at a time change the tables, though two consoles may share them: the others wait here.

    The write does nothing else than to lock: its row in PostgreSQL, the whole file in SQLite.
    """
    connection.execute(_ABOUT.update().values(version=VERSION))


def _create(connection: Connection) -> None:
    if inspect(connection).has_table(_ABOUT.name):
        version = connection.execute(select(_ABOUT.c.version)).scalar()
        if version == VERSION:
            return
        LOGGER.warning("tables rebuilt", extra={"found_version": version, "version": VERSION})
        METADATA.drop_all(connection)
    METADATA.create_all(connection)
    connection.execute(_ABOUT.insert().values(version=VERSION))


def _set_up_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")  # the API reads while the tracker writes
    cursor.execute("PRAGMA synchronous=NORMAL")  # a lost tail is read again: its offsets are lost with it
    cursor.execute("PRAGMA secure_delete=ON")  # what is forgotten is overwritten, not only left out
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.close()

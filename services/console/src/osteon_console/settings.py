"""Settings of the console."""

from pydantic import Field, SecretStr

from osteon.runtime.lock import LockSettings

__all__ = ["ConsoleSettings"]


class ConsoleSettings(LockSettings):
    """Where the table of states lies, where it is asked for, and when an image is overdue."""

    database_url: SecretStr = SecretStr("sqlite:///console.sqlite")
    """SQLAlchemy URL: `sqlite:///FILE`, or `postgresql+psycopg://USER@HOST/DATABASE`. Deleting the database is
    safe: it is built again from the topics."""

    host: str = "127.0.0.1"
    """Address that the API listens on; `0.0.0.0` lets the network in, see `is_open`."""

    is_open: bool = False
    """Whether the API may listen to the network without TLS and tokens: whoever reaches it may then read it."""

    port: int = Field(8090, ge=1, le=65535)
    """Port of the API."""

    deadline_s: float = Field(900.0, gt=0)
    """An image without an outcome this long after its reception is overdue."""

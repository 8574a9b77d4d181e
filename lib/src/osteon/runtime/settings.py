"""Settings of a process, read once from environment variables that begin with `OSTEON_`."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from osteon.errors import Fatal

__all__ = ["Settings", "read_settings"]

PREFIX = "OSTEON_"
# For people at a command line: the stack on one machine, and how `osteon track` asks the console. Services may
# see them in a shell and have no use for them.
NOT_FOR_SERVICES = ("OSTEON_STACK_", "OSTEON_CONSOLE_")


class Settings(BaseSettings):
    """What all services have in common. Secrets are masked when a setting is printed or logged."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True)

    site: str = "local"
    """The hospital whose images this process works; part of pseudonyms and transactional ids."""

    is_hub_alone: bool = False
    """Whether this is a hub without a site: it has releases and no images, and topics and a bucket of those alone."""

    ordinal: int = Field(0, ge=0)
    """The number of this instance of its service, from 0; must be stable over restarts."""

    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""

    health_port: int = Field(0, ge=0, le=65535)
    """Port of /healthz, /readyz and /metrics; 0 turns them off."""

    health_host: str = "127.0.0.1"
    """Address that /healthz, /readyz and /metrics listen on. They ask nobody who they are, and hold counts and times;
    another than 127.0.0.1 is for a network that guards the port."""

    audit_repository: str = ""
    """Where audit messages are sent by syslog, besides the log: `tls://HOST:6514`; to try it out also `tcp://` and
    `udp://`, which the network can read. By default nowhere."""

    audit_ca: Path | None = None
    """PEM file of the authorities that the audit repository's certificate is believed of; by default this machine's."""

    audit_certificate: Path | None = None
    """PEM file of the certificate that the audit repository is shown, where it asks for one."""

    audit_key: Path | None = None
    """PEM file of that certificate's key."""

    audit_keep: Path | None = None
    """Folder that keeps audit messages while their repository is away; needed with `audit_repository`. Services of one
    machine may share it."""

    kafka_servers: str = "127.0.0.1:9092"
    """Addresses of Kafka brokers, `host:port`, separated by commas."""

    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How Kafka is spoken to: with or without TLS (SSL), with or without a user (SASL). Between machines: SASL_SSL."""

    kafka_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    """How the user proves to be one. PLAIN shows the broker the password: only with SASL_SSL."""

    kafka_user: str = ""
    """This service's user at Kafka."""

    kafka_password: SecretStr = SecretStr("")
    """That user's password."""

    kafka_ca: Path | None = None
    """PEM file of the authorities that the brokers' certificates are believed of; by default this machine's."""

    kafka_certificate: Path | None = None
    """PEM file of the certificate that brokers are shown, where they ask for one."""

    kafka_key: Path | None = None
    """PEM file of that certificate's key."""

    store_endpoint: str = "127.0.0.1:8333"
    """Address of the S3 object store, `host:port`."""

    store_access_key: str = ""
    """Name of this service's identity at the object store."""

    store_secret_key: SecretStr = SecretStr("")
    """Secret of this service's identity at the object store."""

    store_is_secure: bool = False
    """Whether the object store is spoken to over TLS."""

    store_ca: Path | None = None
    """PEM file of the authorities that the store's certificate is believed of; by default this machine's."""

    triton_url: str = "127.0.0.1:8001"
    """Address of Triton's gRPC endpoint, `host:port`. A name with several addresses is several Tritons: they take
    turns. Empty where there is none, as at a hub without a site."""

    triton_is_secure: bool = False
    """Whether Triton is spoken to over TLS."""

    triton_ca: Path | None = None
    """PEM file of the authorities that Triton's certificate is believed of; by default this machine's."""


SettingsT = TypeVar("SettingsT", bound=Settings)


def read_settings(cls: type[SettingsT], environ: Mapping[str, str] | None = None, **overrides: object) -> SettingsT:
    """Settings of class `cls` from the environment; `overrides` (fields by name) win.

    Raises Fatal that names each wrong or unknown setting, and for an unknown one the nearest known.
    """
    environ = os.environ if environ is None else environ
    given = {name.upper(): value for name, value in environ.items() if name.upper().startswith(PREFIX)}
    given = {name: value for name, value in given.items() if not name.startswith(NOT_FOR_SERVICES)}
    known = {PREFIX + field.upper(): field for field in cls.model_fields}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise Fatal("; ".join(_unknown(name, list(known)) for name in unknown))
    values: dict[str, object] = {known[name]: value for name, value in given.items()}
    try:
        # Built from the mapping alone: pydantic-settings would read the process environment a second time.
        return cls.model_validate(values | overrides)
    except ValidationError as error:
        raise Fatal("; ".join(_wrong(one["loc"], one["msg"]) for one in error.errors())) from None


def _unknown(name: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"setting {name} is not known" + (f"; did you mean {nearest[0]}?" if nearest else "")


def _wrong(location: tuple[int | str, ...], message: str) -> str:
    # The value is left out: it may be a secret.
    return f"setting {PREFIX}{str(location[0]).upper() if location else ''}: {message}"

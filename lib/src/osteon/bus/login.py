"""How Kafka is spoken to: where its brokers are, over TLS or not, and as whom."""

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from kafka.net.compat import KafkaNetClient

from osteon.bus.sockets import close_failed_connects
from osteon.errors import Fatal
from osteon.runtime import Settings
from osteon.runtime.tls import client_context

__all__ = ["Brokers", "Login", "login_of"]

# Until a client gives up to find a first broker, in ms. kafka-python waits 30 s, in which an operator takes a command
# for hung; who waits for a broker that is away asks again.
BOOTSTRAP_MS = 12_000

# Of a user that it does not know, kafka-python says in the end only that time is up.
OUT_OF_TIME = "KafkaTimeoutError"

Client = TypeVar("Client")


@dataclass(frozen=True)
class Login:
    """Who a client is, and how the connection is guarded. The password is told to nobody but the broker."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        """Refuse half of a login: it would be one that nobody meant."""
        if self.protocol.startswith("SASL") != bool(self.user and self.password):
            raise Fatal(
                f"OSTEON_KAFKA_SECURITY is {self.protocol}: one of SASL_SSL and SASL_PLAINTEXT takes a user and a "
                "password, and needs both: OSTEON_KAFKA_USER, OSTEON_KAFKA_PASSWORD"
            )
        if (self.ca or self.certificate or self.key) and not self.protocol.endswith("SSL"):
            raise Fatal(f"OSTEON_KAFKA_SECURITY is {self.protocol}, which uses no certificates: say SASL_SSL or SSL")


@dataclass(frozen=True)
class Brokers:
    """Addresses (`host:port`) and a login."""

    servers: tuple[str, ...]
    login: Login = Login()

    def client(self, kind: Callable[..., Client], **options: Any) -> Client:
        """A client of kafka-python, of that `kind`. Raises KafkaError, and Fatal if a certificate can't be read.

        One that reaches no broker raises without closing what it opened: a thread and sockets for each try of an
        outage, until the process may open no more.
        """
        close_failed_connects()
        opened: list[KafkaNetClient] = []

        def kept(**configs: Any) -> KafkaNetClient:
            opened.append(KafkaNetClient(**configs))
            return opened[-1]

        try:
            return kind(kafka_client=kept, **self.options | options)
        except BaseException:
            for one in opened:
                one.close()
            raise

    @property
    def options(self) -> dict[str, Any]:
        """Where and as whom, as kafka-python spells it. Raises Fatal if a certificate can't be read."""
        login = self.login
        options: dict[str, Any] = {
            "bootstrap_servers": list(self.servers),
            "bootstrap_timeout_ms": BOOTSTRAP_MS,
            "security_protocol": login.protocol,
        }
        if login.protocol.endswith("SSL"):
            options["ssl_context"] = client_context(login.ca, login.certificate, login.key)
        if login.protocol.startswith("SASL"):
            options["sasl_mechanism"] = login.mechanism
            options["sasl_plain_username"] = login.user
            options["sasl_plain_password"] = login.password
        return options

    def nameless(self) -> str:
        """What to say if no host of `servers` has an address; else nothing. A DNS that is away takes its seconds."""
        hosts = sorted({server.rpartition(":")[0].strip("[]") or server for server in self.servers})
        for host in hosts:
            with contextlib.suppress(OSError):
                socket.getaddrinfo(host, None)
                return ""
        return f"{', '.join(hosts)} has no address; see OSTEON_KAFKA_SERVERS and the DNS"

    def why(self, error: BaseException) -> str:
        """What to say of an error: where, and as whom. Asks nobody, so that the loop of a stage may say it too."""
        name, user = type(error).__name__, self.login.user
        told = f"{name} at {', '.join(self.servers)}"
        if user and name == OUT_OF_TIME:
            return f"{told}: it is away, or refuses {user}: see OSTEON_KAFKA_USER and OSTEON_KAFKA_PASSWORD"
        return f"{told} as {user}" if user else told


def login_of(settings: Settings) -> Login:
    """The login that a process is told by its settings. Raises Fatal if it is half a one."""
    return Login(
        settings.kafka_security,
        settings.kafka_mechanism,
        settings.kafka_user,
        settings.kafka_password.get_secret_value(),
        settings.kafka_ca,
        settings.kafka_certificate,
        settings.kafka_key,
    )

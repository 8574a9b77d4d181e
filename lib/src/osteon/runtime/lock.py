"""The lock of a door: TLS, and who may come in. A door to the network without one opens only if it is told to."""

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from osteon.errors import Fatal
from osteon.runtime import logs
from osteon.runtime.settings import Settings
from osteon.runtime.tls import server_context
from osteon.runtime.tokens import Tokens, read_tokens

__all__ = ["Lock", "LockSettings", "http_lock", "is_loopback", "refuse_unlocked"]

LOGGER = logs.logger(__name__)


class LockSettings(Settings):
    """Settings of a service that others may connect to."""

    tls_certificate: Path | None = None
    """PEM file of the certificate that this service shows, followed by those between it and its authority. With it,
    HTTP is served over TLS alone."""

    tls_key: Path | None = None
    """PEM file of that certificate's key, without a password."""

    tls_client_ca: Path | None = None
    """PEM file of the authorities whose clients may connect. Without it, clients need no certificate."""

    tokens: SecretStr = SecretStr("")
    """Who may ask over HTTP: `name:token` for each caller, separated by commas or lines. The name is told in audits."""

    tokens_file: Path | None = None
    """A file with more of them, one a line. It is read at the start."""


@dataclass(frozen=True)
class Lock:
    """What an HTTP door asks of a caller: TLS, and a token. None where it does not."""

    tls: ssl.SSLContext | None
    tokens: Tokens | None


def http_lock(settings: LockSettings, host: str, *, door: str, is_open: bool, setting: str) -> Lock:
    """The lock that the settings describe, for a door that listens on `host`.

    Raises Fatal if others than this machine could come in without TLS and a token, unless `is_open`, which the
    setting named `setting` says.
    """
    tokens = read_tokens(settings.tokens.get_secret_value(), settings.tokens_file)
    is_secure = settings.tls_certificate is not None or settings.tls_key is not None
    if settings.tls_client_ca is not None and not is_secure:
        raise Fatal("OSTEON_TLS_CLIENT_CA asks for clients' certificates, which needs TLS: set OSTEON_TLS_CERTIFICATE")
    missing = [
        *([] if is_secure else ["TLS (OSTEON_TLS_CERTIFICATE, OSTEON_TLS_KEY)"]),
        *([] if tokens else ["tokens (OSTEON_TOKENS_FILE)"]),
    ]
    refuse_unlocked(host, missing, door=door, is_open=is_open, setting=setting)
    tls = server_context(settings.tls_certificate, settings.tls_key, settings.tls_client_ca) if is_secure else None
    return Lock(tls, tokens)


def refuse_unlocked(host: str, missing: list[str], *, door: str, is_open: bool, setting: str) -> None:
    """Raise Fatal if a door that listens on `host` lacks something, unless it `is_open` by intent."""
    if not missing or is_loopback(host):
        return
    lacks = f"the {door} door listens on {host} without {' and '.join(missing)}"
    if not is_open:
        raise Fatal(f"{lacks}: set them, listen on 127.0.0.1, or say {setting}=true if the network guards it")
    LOGGER.warning("door open to the network", extra={"door": door, "host": host, "without": missing})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""How commands reach the console: where it is, whom they believe to be it, and what they show it."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from osteon.errors import Fatal
from osteon.runtime.lock import is_loopback
from osteon.runtime.tls import client_context

__all__ = ["TOKEN", "URL", "ConsoleDoor", "console_door"]

URL = "OSTEON_CONSOLE_URL"
TOKEN = "OSTEON_CONSOLE_TOKEN"  # noqa: S105 - a name
CA, CERTIFICATE, KEY = "OSTEON_CONSOLE_CA", "OSTEON_CONSOLE_CERTIFICATE", "OSTEON_CONSOLE_KEY"


@dataclass(frozen=True)
class ConsoleDoor:
    """An address without a slash at its end, the headers that it wants, and the TLS of https."""

    url: str
    tls: ssl.SSLContext
    headers: Mapping[str, str] = field(repr=False)


def console_door(usual_url: str = "") -> ConsoleDoor | None:
    """What the environment says of the console; None where it says nothing and there is no `usual_url`.

    Raises Fatal where the network would read the token, and where a certificate can't be used.
    """
    url, token = os.environ.get(URL, usual_url).rstrip("/"), os.environ.get(TOKEN, "")
    if not url:
        return None
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname or ""
    except ValueError:
        scheme, host = "", ""
    if scheme not in ("http", "https") or not host:
        raise Fatal(f"{URL} is no address: write http:// or https://, a host and a port")
    if token and scheme != "https" and not is_loopback(host):
        raise Fatal(f"{URL} is not https: the token of {TOKEN} would be read by the network")
    ca, certificate, key = (Path(value) if (value := os.environ.get(name)) else None for name in (CA, CERTIFICATE, KEY))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return ConsoleDoor(url, client_context(ca, certificate, key), headers)

"""Syslog as audit repositories take it (PS3.15 A.6, A.7): RFC 5424 by TLS (RFC 5425), TCP (RFC 6587) or UDP."""

import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from osteon.errors import Fatal

__all__ = ["Address", "Connection", "framed", "frames", "read_address", "syslog_message"]

# Facility 10 (security, authorization), severity 5 (notice) or 4 (warning), as PS3.15 A.6 has them
NOTICE, WARNING = 10 * 8 + 5, 10 * 8 + 4
BOM = b"\xef\xbb\xbf"  # RFC 5424, 6.4: what follows is UTF-8
PORTS = {"tls": 6514, "tcp": 601, "udp": 514}
ANSWERS_WITHIN_S = 5.0
FRAME = re.compile(rb"(\d{1,6}) ")


@dataclass(frozen=True)
class Address:
    """Where a repository listens; `scheme` is tls, tcp or udp."""

    scheme: str
    host: str
    port: int


def read_address(text: str) -> Address:
    """What `tls://host:port` says; the port may be left out. Raises Fatal."""
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        scheme, host, port = "", "", None
    if scheme not in PORTS or not host or parts.path:
        raise Fatal("OSTEON_AUDIT_REPOSITORY is no address: write tls://HOST:6514")
    return Address(scheme, host, port or PORTS[scheme])


def syslog_message(service: str, xml: str, at: float, *, is_refusal: bool) -> bytes:
    """An audit message as RFC 5424 has it; `at` is the time of the event, in s since 1970."""
    time = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    host = "".join(char for char in socket.gethostname() if "!" <= char <= "~")[:255] or "-"
    priority = WARNING if is_refusal else NOTICE
    header = f"<{priority}>1 {time} {host} osteon-{service[:40]} {os.getpid()} DICOM+RFC3881 - "
    return header.encode("ascii", "replace") + BOM + xml.encode()


def framed(message: bytes) -> bytes:
    """A message with its length before it: octet counting."""
    return b"%d %s" % (len(message), message)


def frames(data: bytes) -> Iterator[bytes]:
    """The messages of a stream, up to one that was cut off."""
    at = 0
    while found := FRAME.match(data, at):
        at = found.end() + int(found[1])
        if at > len(data):
            return
        yield data[found.end() : at]


class Connection:
    """A connection to a repository. Opening and sending raise OSError and last seconds at most.

    Syslog has no answers: what the network had not yet delivered when the repository died is lost without a word.
    """

    def __init__(self, address: Address, tls: ssl.SSLContext | None) -> None:
        self._is_stream = address.scheme != "udp"
        if not self._is_stream:
            family, kind, protocol, _, peer = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.connect(peer)
            return
        self._socket = socket.create_connection((address.host, address.port), ANSWERS_WITHIN_S)
        if tls is not None:
            try:
                self._socket = tls.wrap_socket(self._socket, server_hostname=address.host)
            except BaseException:
                self._socket.close()
                raise

    def send(self, message: bytes) -> None:
        """Hand a message to the network."""
        if not self._is_stream:
            self._socket.send(message)
            return
        self._socket.settimeout(ANSWERS_WITHIN_S)
        self._socket.sendall(framed(message))

    def close(self) -> None:
        """End it; over TLS with a farewell, as RFC 5425 asks."""
        with suppress(OSError):
            if isinstance(self._socket, ssl.SSLSocket):
                # Until the other side says so too: closing what is not read to its end takes back what was sent.
                self._socket.settimeout(ANSWERS_WITHIN_S)
                self._socket.unwrap()
        self._socket.close()

    def has_ended(self) -> bool:
        """Whether the other side has hung up: the first message after that would be sent to nobody."""
        if not self._is_stream:
            return False
        self._socket.settimeout(0)
        try:
            return not self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True

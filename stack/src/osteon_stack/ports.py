"""Which port each part listens on; each can be set, as `OSTEON_STACK_KAFKA_PORT=19092`."""

import dataclasses
import difflib
import os
import random
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

from osteon.errors import Fatal

__all__ = ["GRPC_OFFSET", "HOST", "Ports", "free_ports", "is_free", "ports_from", "refuse_taken"]

HOST = "127.0.0.1"

GRPC_OFFSET = 10_000
"""SeaweedFS serves gRPC on each of its ports plus this."""


@dataclass(frozen=True)
class Ports:
    """One port a field. The environment sets it by `OSTEON_STACK_<FIELD>_PORT`."""

    kafka: int = 9092
    kafka_controller: int = 9093
    seaweedfs_s3: int = 8333
    seaweedfs_master: int = 9333
    seaweedfs_volume: int = 8334
    seaweedfs_filer: int = 8888
    seaweedfs_metrics: int = 9327
    triton_http: int = 8000
    triton_grpc: int = 8001
    triton_metrics: int = 8002
    prometheus: int = 9090
    dimse: int = 11112
    stow: int = 8042
    console: int = 8090
    reconcile_health: int = 9401
    ingest_health: int = 9402
    accept_health: int = 9403
    harmonizer_health: int = 9404
    classifier_health: int = 9405
    console_health: int = 9406

    def __post_init__(self) -> None:
        """Refuse what is no port, and two parts on one."""
        for name, port in dataclasses.asdict(self).items():
            if not 1 <= port <= 65535 - (GRPC_OFFSET if name.startswith("seaweedfs") else 0):
                raise Fatal(f"{_setting(name)}={port} is not a port that {name} can have")
        seen: dict[int, str] = {}
        for name, port in dataclasses.asdict(self).items():
            if port in seen:
                raise Fatal(f"{_setting(name)} and {_setting(seen[port])} are both {port}")
            seen[port] = name


def ports_from(environ: Mapping[str, str] = os.environ) -> Ports:
    """The default ports, with those that the environment sets. Raises Fatal that names a wrong setting."""
    given = {}
    known = [_setting(field.name) for field in dataclasses.fields(Ports)]
    for name in environ:
        if name.startswith("OSTEON_STACK_") and name.endswith("_PORT") and name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            raise Fatal(f"{name} is no port of the stack" + (f"; did you mean {nearest[0]}?" if nearest else ""))
    for field in dataclasses.fields(Ports):
        if text := environ.get(_setting(field.name)):
            if not text.isdecimal():
                raise Fatal(f"{_setting(field.name)}={text!r} is not a number")
            given[field.name] = int(text)
    return Ports(**given)


def free_ports() -> Ports:
    """Ports that nothing listens on now, for tests.

    They lie below Linux's ephemeral range (from 32768), also with `GRPC_OFFSET` added, so that no outgoing
    connection takes one before the part binds it.
    """
    candidates = random.sample(range(12_000, 22_000), 2_000)
    free = (port for port in candidates if is_free(port) and is_free(port + GRPC_OFFSET))
    return Ports(**{field.name: next(free) for field in dataclasses.fields(Ports)})


def is_free(port: int) -> bool:
    """Whether a server could bind this port on this machine now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def refuse_taken(wanted: Iterable[tuple[str, int]]) -> None:
    """Raise Fatal that names each part whose port is taken, the port, and the program that holds it."""
    taken = [(part, port) for part, port in wanted if not is_free(port)]
    if taken:
        lines = [f"port {port} of {part} is taken{_holder(port)}" for part, port in taken]
        how = "set another port, for instance OSTEON_STACK_KAFKA_PORT=19092 (all names: stack/README.md)"
        raise Fatal("; ".join(lines) + f". Stop that program, or {how}.")


def _holder(port: int) -> str:
    """Who listens there, as far as this user may see."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""


def _setting(name: str) -> str:
    return f"OSTEON_STACK_{name.upper()}_PORT"

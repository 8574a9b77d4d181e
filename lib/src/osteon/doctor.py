"""`osteon doctor`: what is wrong with Kafka, the store and Triton, as the settings of this process name them.

Where the stack of one machine is installed, its own `osteon doctor` takes this one's place, and asks this one too.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import typer

from osteon import bus, store
from osteon.contracts.buckets import buckets_at
from osteon.contracts.topics import topics_at
from osteon.errors import Fatal, Passing
from osteon.release.reconcile import check_served
from osteon.release.releases import Releases
from osteon.release.triton import connect_as as connect_triton
from osteon.runtime import Settings, read_settings
from osteon.runtime.findings import CONNECT_S, Finding, checked, tell, unreachable
from osteon.runtime.tls import client_context

__all__ = ["doctor", "examine"]

doctor = typer.Typer(help="Say what is wrong with the parts, and what to do.", invoke_without_command=True)

PROBE_BYTES = 1 << 20  # a store that is nearly full takes what is smaller than a radiograph
SOON_S = 30 * 86400.0
"""A certificate that ends within this is told of."""


def examine(settings: Settings) -> list[Finding]:
    """All checks, each on its own, but what needs Kafka only with it. Needs the rights of `desk`."""
    kafka = checked("kafka", partial(_kafka, settings))
    checks = {"store": partial(_store, settings)}
    if settings.triton_url:  # a hub without a site has none
        checks["triton"] = partial(_triton, settings)
    if not kafka.trouble:  # each would wait for it in vain
        checks = {"topics": partial(_topics, settings), **checks, "release": partial(_release, settings)}
    found = [kafka, *(checked(subject, check) for subject, check in checks.items())]
    return found + [checked(f"certificate of {at}", partial(_ends, at, ca)) for at, ca in _locked(settings)]


def _kafka(settings: Settings) -> str:
    """Whether Kafka takes this login. kafka-python says only that time is up."""
    try:
        bus.connect_as(settings).probe()
    except Passing:
        away = [unreachable(*_parted(one)) for one in settings.kafka_servers.split(",")]
        if all(away):
            return f"{'; '.join(away)}; OSTEON_KAFKA_SERVERS names it"
        told = f" of the user {settings.kafka_user}" if settings.kafka_user else ""
        return (
            f"{settings.kafka_servers} is there, and takes no connection by {settings.kafka_security}{told}: see "
            "OSTEON_KAFKA_SECURITY, OSTEON_KAFKA_USER, OSTEON_KAFKA_PASSWORD and OSTEON_KAFKA_CA"
        )
    return ""


def _parted(address: str) -> tuple[str, int]:
    host, _, port = address.strip().rpartition(":")
    if not (host and port.isdecimal()):
        raise Fatal(f"{address.strip()} is no address: write host:port")
    return host.strip("[]"), int(port)


def _topics(settings: Settings) -> str:
    return "; ".join(bus.connect_as(settings).check(topics_at(is_hub_alone=settings.is_hub_alone)))


def _store(settings: Settings) -> str:
    """What is wrong with a bucket that does not take an object and give it back; one alone may lack room."""
    objects = store.connect_as(settings)
    for bucket in buckets_at(is_hub_alone=settings.is_hub_alone):
        try:
            objects.try_out(bucket, PROBE_BYTES)
        except Passing as error:
            store.connect_as(settings).probe()  # asks for its buckets, and raises if the store is away
            return (
                f"{error}; it answers, and takes no more objects: its disk is full, or see its log. Give it more room"
            )
    return ""


def _triton(settings: Settings) -> str:
    with contextlib.closing(connect_triton(settings)) as triton:
        try:
            triton.probe()
        except Passing as error:
            return f"{settings.triton_url}: {error}: start Triton, or see OSTEON_TRITON_URL"
    return ""


def _release(settings: Settings) -> str:
    """Whether a set is in force, and Triton, if there is one, serves its models with parity."""
    objects = store.connect_as(settings)
    with contextlib.closing(Releases(bus.connect_as(settings), objects)) as releases:
        in_force = releases.in_force()
    if settings.triton_url:
        with contextlib.closing(connect_triton(settings)) as triton:
            check_served(triton, objects, in_force)
    return ""


def _locked(settings: Settings) -> Iterator[tuple[str, Path | None]]:
    """The servers that are spoken to over TLS, and the authorities that each is believed of."""
    if settings.kafka_security.endswith("SSL"):
        yield from ((address.strip(), settings.kafka_ca) for address in settings.kafka_servers.split(","))
    if settings.store_is_secure:
        has_port = settings.store_endpoint.rpartition(":")[2].isdigit()
        yield settings.store_endpoint if has_port else f"{settings.store_endpoint}:443", settings.store_ca
    if settings.triton_is_secure and settings.triton_url:
        yield settings.triton_url, settings.triton_ca


def _ends(address: str, ca: Path | None) -> str:
    host, port = _parted(address)
    try:
        with (
            socket.create_connection((host, port), CONNECT_S) as plain,
            client_context(ca).wrap_socket(plain, server_hostname=host) as locked,
        ):
            shown = locked.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return f"{error.verify_message}: renew it, or name the authorities that made it (OSTEON_…_CA)"
    except OSError as error:
        return f"{type(error).__name__}: no certificate is shown there: see the address, and whether TLS is on"
    left_s = ssl.cert_time_to_seconds(str(shown["notAfter"])) - time.time()
    return f"it ends in {left_s / 86400:.0f} days: renew it" if left_s < SOON_S else ""


@doctor.callback()
def examine_all() -> None:
    """Check every part that the settings name; exit code 1 if anything is wrong. Example: osteon doctor."""
    tell(examine(read_settings(Settings)))

"""`osteon doctor`: what is wrong with Kafka, the store and Triton, as the settings of this process name them.

Where the stack of one machine is installed, its own `osteon doctor` takes this one's place.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import typer
from rich.console import Console

from osteon import bus, store
from osteon.contracts.buckets import BUCKETS
from osteon.contracts.topics import TOPICS
from osteon.errors import OsteonError
from osteon.release.reconcile import check_served
from osteon.release.releases import Releases
from osteon.release.triton import connect_as as connect_triton
from osteon.runtime import Settings, read_settings
from osteon.runtime.tls import client_context

__all__ = ["Finding", "doctor", "examine"]

doctor = typer.Typer(help="Say what is wrong with the parts, and what to do.", invoke_without_command=True)

SOON_S = 30 * 86400.0
"""A certificate that ends within this is told of."""

CONNECT_S = 10.0


@dataclass(frozen=True)
class Finding:
    """What one check found. `trouble` is empty where all is well; else it ends with what to do."""

    subject: str
    trouble: str = ""


def examine(settings: Settings) -> list[Finding]:
    """All checks, each on its own, but what needs Kafka only with it. Needs the administrator's identities."""
    kafka = _checked("kafka", partial(_kafka, settings))
    checks = {"store": partial(_store, settings)}
    if not kafka.trouble:  # each would wait for it in vain
        checks = {"topics": partial(_topics, settings), **checks, "release": partial(_release, settings)}
    found = [kafka, *(_checked(subject, check) for subject, check in checks.items())]
    return found + [_checked(f"certificate of {at}", partial(_ends, at, ca)) for at, ca in _locked(settings)]


def _checked(subject: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, check())
    except OsteonError as error:
        return Finding(subject, str(error))


def _kafka(settings: Settings) -> str:
    bus.connect_as(settings).probe()
    return ""


def _topics(settings: Settings) -> str:
    return "; ".join(bus.connect_as(settings).check(TOPICS))


def _store(settings: Settings) -> str:
    objects = store.connect_as(settings)
    for bucket in BUCKETS:
        next(iter(objects.list(bucket)), None)
    return ""


def _release(settings: Settings) -> str:
    """Whether a set is in force, and Triton serves its models with parity."""
    objects = store.connect_as(settings)
    releases, triton = Releases(bus.connect_as(settings), objects), connect_triton(settings)
    try:
        check_served(triton, objects, releases.in_force())
    finally:
        triton.close()
        releases.close()
    return ""


def _locked(settings: Settings) -> Iterator[tuple[str, Path | None]]:
    """The servers that are spoken to over TLS, and the authorities that each is believed of."""
    if settings.kafka_security.endswith("SSL"):
        yield from ((address.strip(), settings.kafka_ca) for address in settings.kafka_servers.split(","))
    if settings.store_is_secure:
        has_port = settings.store_endpoint.rpartition(":")[2].isdigit()
        yield settings.store_endpoint if has_port else f"{settings.store_endpoint}:443", settings.store_ca
    if settings.triton_is_secure:
        yield settings.triton_url, settings.triton_ca


def _ends(address: str, ca: Path | None) -> str:
    host, _, port = address.rpartition(":")
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_S) as plain,
            client_context(ca).wrap_socket(plain, server_hostname=host.strip("[]")) as locked,
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
    console = Console()
    findings = examine(read_settings(Settings))
    for one in findings:
        mark = f"[red]✗ {one.subject}[/]: {one.trouble}" if one.trouble else f"[green]✓ {one.subject}[/]"
        console.print(mark, highlight=False, soft_wrap=True)
    if any(one.trouble for one in findings):
        raise typer.Exit(1)

"""What a check of other parts finds, in a sentence each, with the way out; for `osteon doctor` and its like."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import typer
from rich.console import Console
from rich.markup import escape

from osteon.errors import OsteonError

__all__ = ["CONNECT_S", "Finding", "checked", "tell", "unreachable"]

CONNECT_S = 10.0


@dataclass(frozen=True)
class Finding:
    """What one check found. `trouble` is empty where all is well; else it ends with what to do."""

    subject: str
    trouble: str = ""


def checked(subject: str, check: Callable[[], str]) -> Finding:
    """What `check` returns as the trouble of `subject`, or what it raises."""
    try:
        return Finding(subject, check())
    except OsteonError as error:
        return Finding(subject, str(error))


def unreachable(host: str, port: int) -> str:
    """Why no connection to `host` and `port` opens within seconds, and what to do; empty if one does."""
    at = f"{host}:{port}"
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except socket.gaierror:
        return f"{host} has no address: see how it is written, and the DNS"
    except ConnectionRefusedError:
        return f"nobody listens at {at}: start it, or see the port"
    except OSError:
        return f"{at} does not answer: see the address, and whether a firewall or a network policy stands between"
    return ""


def tell(findings: Sequence[Finding]) -> None:
    """Print findings, a line each. Raises typer.Exit with code 1 if anything is wrong."""
    console = Console()
    for one in findings:
        trouble = f"[red]✗ {escape(one.subject)}[/]: {escape(one.trouble)}"
        console.print(trouble if one.trouble else f"[green]✓ {escape(one.subject)}[/]", highlight=False, soft_wrap=True)
    if any(one.trouble for one in findings):
        raise typer.Exit(1)

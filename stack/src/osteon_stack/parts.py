"""The parts of the stack, in one table, in the order in which they are started."""

from collections.abc import Callable, Mapping
from pathlib import Path

from osteon_stack import services
from osteon_stack.kafka import kafka
from osteon_stack.part import Part
from osteon_stack.ports import Ports
from osteon_stack.prometheus import is_installed, prometheus
from osteon_stack.seaweedfs import seaweedfs
from osteon_stack.triton import triton

__all__ = ["PARTS", "build", "default_parts", "with_needed"]

PARTS: Mapping[str, Callable[[Path, Ports], Part]] = {
    "seaweedfs": seaweedfs,
    "triton": triton,
    "kafka": kafka,  # last of the servers: the others come up while its storage is formatted
    "prepare": services.prepare,
    "reconcile": services.reconcile,
    "ingest": services.ingest,
    "accept": services.accept,
    "harmonizer": services.harmonizer,
    "classifier": services.classifier,
    "console": services.console,
    "prometheus": prometheus,
}
"""Each part's name and what describes it, given the state folder and the ports."""


def default_parts() -> tuple[str, ...]:
    """All parts; Prometheus only where it is installed."""
    return tuple(name for name in PARTS if name != "prometheus" or is_installed())


def build(names: tuple[str, ...], folder: Path, ports: Ports) -> tuple[Part, ...]:
    """The parts of these names, in the table's order."""
    return tuple(describe(folder, ports) for name, describe in PARTS.items() if name in names)


def with_needed(names: tuple[str, ...], folder: Path, ports: Ports) -> tuple[str, ...]:
    """These parts and all that they can't start without."""
    needed = set(names)
    while True:
        more = {after for part in build(tuple(needed), folder, ports) for after in part.after} - needed
        if not more:
            return tuple(name for name in PARTS if name in needed)
        needed |= more

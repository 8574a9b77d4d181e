"""Osteon's own processes: their command lines, and their settings as environment variables."""

import math
import sys
from collections.abc import Mapping
from pathlib import Path

from osteon.bus.kafka import KafkaBus, connect
from osteon.bus.login import Login
from osteon_stack.part import Part, answers
from osteon_stack.ports import HOST, Ports
from osteon_stack.secrets import ADMIN, identity, kafka_login, site_key_settings
from osteon_stack.triton import repository

__all__ = [
    "SITE", "accept", "classifier", "common_environment", "connect_bus", "console", "harmonizer", "ingest",
    "prepare", "reconcile",
]  # fmt: skip

SITE = "local"

INFRASTRUCTURE = ("kafka", "seaweedfs", "prepare")


def common_environment(folder: Path, ports: Ports, name: str) -> dict[str, str]:
    """The settings that every service has; `name` is its identity at the object store."""
    keys = identity(folder, name)
    return {
        "OSTEON_SITE": SITE,
        "OSTEON_KAFKA_SERVERS": f"{HOST}:{ports.kafka}",
        **_login(kafka_login(folder, name)),
        "OSTEON_STORE_ENDPOINT": f"{HOST}:{ports.seaweedfs_s3}",
        "OSTEON_STORE_ACCESS_KEY": keys.access_key,
        "OSTEON_STORE_SECRET_KEY": keys.secret_key,
        "OSTEON_TRITON_URL": f"{HOST}:{ports.triton_grpc}",
    }


def connect_bus(folder: Path, ports: Ports) -> KafkaBus:
    """The stack's bus, with all rights."""
    return connect(f"{HOST}:{ports.kafka}", kafka_login(folder, ADMIN))


def _login(login: Login) -> dict[str, str]:
    if not login.user:
        return {}
    return {
        "OSTEON_KAFKA_SECURITY": login.protocol,
        "OSTEON_KAFKA_MECHANISM": login.mechanism,
        "OSTEON_KAFKA_USER": login.user,
        "OSTEON_KAFKA_PASSWORD": login.password,
    }


def prepare(folder: Path, _: Ports) -> Part:
    """Make topics and buckets, and release the demonstration models, once and again as needed."""
    return Part(
        name="prepare",
        command=(sys.executable, "-m", "osteon_stack.prepare", str(folder)),
        is_ready=lambda: False,
        is_task=True,
        after=("kafka", "seaweedfs"),
        ready_within_s=180.0,
    )


def reconcile(folder: Path, ports: Ports) -> Part:
    """Keep Triton loaded with what is released."""
    osteon = str(Path(sys.executable).with_name("osteon"))
    command = (
        *(osteon, "release", "reconcile", "--triton", f"{HOST}:{ports.triton_grpc}"),
        *("--repository", str(repository(folder))),
    )
    return _service("reconcile", command, folder, ports, after=(*INFRASTRUCTURE, "triton"))


def ingest(folder: Path, ports: Ports) -> Part:
    """The doors: C-STORE, STOW-RS, and the folder `incoming` of the state folder."""
    incoming = folder / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    settings = {
        **site_key_settings(folder),
        # This machine alone can send: a stack that is tried out should not take images from the network.
        "OSTEON_DIMSE_HOST": HOST,
        "OSTEON_DIMSE_PORT": str(ports.dimse),
        "OSTEON_STOW_HOST": HOST,
        "OSTEON_STOW_PORT": str(ports.stow),
        "OSTEON_FOLDER": str(incoming),
    }
    command = (sys.executable, "-m", "osteon_ingest", "doors")
    return _service("ingest", command, folder, ports, extra=settings, binds=(ports.dimse, ports.stow))


def accept(folder: Path, ports: Ports) -> Part:
    """The stage behind the doors: accept and de-identify."""
    command = (sys.executable, "-m", "osteon_ingest", "accept")
    return _service("accept", command, folder, ports, extra=site_key_settings(folder))


def harmonizer(folder: Path, ports: Ports) -> Part:
    """The stage that harmonizes."""
    command = (sys.executable, "-m", "osteon_harmonizer")
    return _service("harmonizer", command, folder, ports, after=(*INFRASTRUCTURE, "triton"))


def classifier(folder: Path, ports: Ports) -> Part:
    """The stage that classifies."""
    command = (sys.executable, "-m", "osteon_classifier")
    return _service("classifier", command, folder, ports, after=(*INFRASTRUCTURE, "triton"))


def console(folder: Path, ports: Ports) -> Part:
    """The table of states, and its API."""
    settings = {
        "OSTEON_DATABASE_URL": f"sqlite:///{folder / 'console' / 'console.sqlite'}",
        "OSTEON_HOST": HOST,
        "OSTEON_PORT": str(ports.console),
    }
    command = (sys.executable, "-m", "osteon_console")
    return _service("console", command, folder, ports, extra=settings, binds=(ports.console,))


def _service(
    name: str,
    command: tuple[str, ...],
    folder: Path,
    ports: Ports,
    *,
    after: tuple[str, ...] = INFRASTRUCTURE,
    extra: Mapping[str, str] | None = None,
    binds: tuple[int, ...] = (),
) -> Part:
    health_port: int = getattr(ports, f"{name}_health")
    return Part(
        name=name,
        command=command,
        environment={
            **common_environment(folder, ports, name),
            "OSTEON_HEALTH_PORT": str(health_port),
            # Numerical libraries would else start one thread a core in each of the services.
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
            **(extra or {}),
        },
        is_ready=lambda: answers(f"http://{HOST}:{health_port}/readyz"),
        ports=(health_port, *binds),
        after=after,
        # A service that waits for others is not ill: starting it again would not help.
        ready_within_s=math.inf,
        stop_within_s=30.0,  # it finishes what it has begun
    )

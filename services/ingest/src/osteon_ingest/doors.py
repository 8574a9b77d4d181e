"""The doors of one ingest instance: a parent that owns the ports, and child processes that receive.

The parent binds each port once and its children inherit the listening sockets, so that a child that dies closes no
port: senders that connect meanwhile wait until it is back, or another child takes them. The parent receives nothing.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from osteon.errors import Fatal
from osteon.runtime import health as runtime_health
from osteon.runtime import logs, metrics
from osteon_ingest.locks import dimse_lock, stow_lock
from osteon_ingest.settings import IngestSettings

__all__ = ["listen", "open_doors"]

BACKLOG = 128  # senders that wait while all workers are busy
LOOK_S = 0.2
FIRST_BACKOFF_S = 0.2
LAST_BACKOFF_S = 30.0
STEADY_S = 60.0  # a child that lived this long starts again without waiting
EXIT_FATAL = 78  # see osteon.runtime.service.EXIT_CODES
LOGGER = logs.logger(__name__)


@dataclass
class Child:
    """A receiving process, and when it was or may be started."""

    name: str
    command: tuple[str, ...]
    listening: socket.socket | None = None
    process: subprocess.Popen[bytes] | None = None
    ready: Path = Path()  # a file that it makes when it is ready to serve
    started_at: float = field(default=-STEADY_S)
    backoff_s: float = FIRST_BACKOFF_S


def listen(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket that children can inherit. Raises Fatal naming `setting` if the port can't be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Fatal(f"{host} port {port} can't be opened: {error.strerror}; set {setting}") from None
    listening.listen(BACKLOG)
    listening.set_inheritable(True)
    return listening


def open_doors(settings: IngestSettings, stop: threading.Event) -> None:
    """Keep all doors open until `stop`, then let them drain. Raises Fatal if a child ends as fatal."""
    children = _children(settings)
    if not children:
        raise Fatal("all doors are closed; set OSTEON_DIMSE_PORT, OSTEON_STOW_PORT or OSTEON_FOLDER")
    with tempfile.TemporaryDirectory(prefix="osteon-metrics-") as counts:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=counts)  # type: ignore[no-untyped-call]
        registry.register(metrics.READY)  # no child sets it: which of them are ready, only the parent knows
        health = runtime_health.Health()
        server = runtime_health.serve(health, settings.health_port, settings.health_host, registry)
        # Children keep their metrics in files there, which the parent adds up.
        environment = os.environ | {"OSTEON_HEALTH_PORT": "0", "PROMETHEUS_MULTIPROC_DIR": counts}
        try:
            while not stop.is_set():
                for child in children:
                    _keep_alive(child, Path(counts), environment)
                    health.ready(child.name, child.process is not None and child.ready.exists())
                health.alive()
                stop.wait(LOOK_S)
        finally:
            _end(children, settings.drain_s + 5.0)
            if server is not None:
                server.shutdown()
                server.server_close()


def _children(settings: IngestSettings) -> list[Child]:
    children = []
    if settings.dimse_port:
        dimse_lock(settings)  # refuse here, not in each child
        port = listen(settings.dimse_host, settings.dimse_port, "OSTEON_DIMSE_PORT")
        children += [Child(f"dimse-{n}", ("receive-dimse",), port) for n in range(settings.dimse_workers)]
    if settings.stow_port:
        stow_lock(settings)
        port = listen(settings.stow_host, settings.stow_port, "OSTEON_STOW_PORT")
        children += [Child(f"stow-{n}", ("receive-stow",), port) for n in range(settings.stow_workers)]
    if settings.folder is not None:
        children.append(Child("folder", ("receive-folder",)))
    if settings.reports_commitments and settings.commit_addresses:  # also while no door is open: some may wait for one
        children.append(Child("commitments", ("report-commitments",)))
    if children and settings.sweep_every_s:
        children.append(Child("sweep", ("sweep", "--for-ever")))
    return children


def _keep_alive(child: Child, folder: Path, environment: dict[str, str]) -> None:
    now = time.monotonic()
    if child.process is not None:
        status = child.process.poll()
        if status is None:
            return
        child.process = None
        if status == EXIT_FATAL:
            raise Fatal(f"{child.name} stopped as fatal; its last log line says why")
        child.backoff_s = FIRST_BACKOFF_S if now - child.started_at > STEADY_S else child.backoff_s * 2
        LOGGER.error("worker died, starting another", extra={"worker": child.name, "status": status})
    if now - child.started_at >= min(child.backoff_s, LAST_BACKOFF_S):
        child.ready = folder / f"{child.name}-{now}.ready"
        child.process = _start(child, environment)
        child.started_at = now


def _start(child: Child, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "osteon_ingest",
        *child.command,
        "--parent",
        str(os.getpid()),
        "--ready",
        str(child.ready),
    ]
    fds: Sequence[int] = ()
    if child.listening is not None:
        fds = (child.listening.fileno(),)
        command += ["--socket", str(fds[0])]
    return subprocess.Popen(command, pass_fds=fds, env=environment)


def _end(children: list[Child], patience_s: float) -> None:
    running = [child.process for child in children if child.process is not None]
    for process in running:
        process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for child in children:
        if child.listening is not None:
            child.listening.close()

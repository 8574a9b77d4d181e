"""Real servers for all tests, started through the same code as `make up`: free ports, a folder of their own.

`OSTEON_TEST_KAFKA` (host:port), `OSTEON_TEST_STORE` (endpoint,access key,secret key) and `OSTEON_TEST_TRITON`
(gRPC address,HTTP address,repository folder) name servers to use instead.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from osteon_stack.kafka import kafka as kafka_part
from osteon_stack.part import Part, kill, spawn, stop, tail, wait_ready
from osteon_stack.ports import HOST, Ports, free_ports
from osteon_stack.seaweedfs import make_buckets
from osteon_stack.seaweedfs import seaweedfs as seaweedfs_part
from osteon_stack.secrets import identity
from osteon_stack.triton import repository
from osteon_stack.triton import triton as triton_part

_external = {name: os.environ.pop(f"OSTEON_TEST_{name}", "") for name in ("KAFKA", "STORE", "TRITON")}
"""Taken out of the environment, where services would refuse them as unknown settings."""


@dataclass(frozen=True)
class ObjectStore:
    """An S3 server with the buckets of `osteon.contracts.buckets`, and its administrator's keys."""

    endpoint: str
    access_key: str
    secret_key: str
    folder: Path | None = None
    """Where the keys of all other identities lie; None for an external server."""


@dataclass(frozen=True)
class Served:
    """A Triton with explicit model control; put models into `repository`, then ask it to load them."""

    grpc_url: str
    http_url: str
    repository: Path


@dataclass
class Server:
    """A server that a test may kill, halt and start again; its data stays, and its address too."""

    part: Part
    folder: Path
    address: str
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Start it, if it does not run, and wait until it is ready."""
        if self.process is None or self.process.poll() is not None:
            self.process = spawn(self.part, self.folder)
        wait_ready(self.part, self.process, self.folder)

    def kill(self) -> None:
        """End it by SIGKILL."""
        assert self.process is not None
        kill(self.part, self.process)

    def halt(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it by SIGTERM."""
        if self.process is not None:
            stop(self.part, self.process)

    def log(self) -> str:
        """The end of what it logged."""
        return tail(self.folder, self.part.name, 12)


STARTED_BY = {
    "kafka": {"kafka", "start_kafka", "broker", "new_broker"},
    "seaweedfs": {"seaweedfs", "start_seaweedfs", "new_seaweedfs"},
    "triton": {"triton", "own_triton"},
}
"""The fixtures that start a server, by its part: a test that has none of them does not use it."""

_running: list[Server] = []


@contextlib.contextmanager
def _serve(part: Part, folder: Path, address: str) -> Iterator[Server]:
    server = Server(part, folder, address)
    try:
        server.start()
        _running.append(server)
        yield server
    finally:
        if server.process is not None:
            kill(part, server.process)  # its data is thrown away: no need to end it in good order
        if server in _running:
            _running.remove(server)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add what its servers logged to the report of a failed test."""
    report = yield
    if report.when == "call" and report.failed:  # type: ignore[attr-defined]
        chosen = item.callspec.params.values() if hasattr(item, "callspec") else ()  # a parameter may name a fixture
        used = {*getattr(item, "fixturenames", ()), *map(str, chosen)}
        for server in _running:
            if STARTED_BY[server.part.name] & used:
                report.sections.append((f"log of {server.part.name}", server.log()))  # type: ignore[attr-defined]
    return report


def how_to(page: str, heading: str) -> str:
    """The commands under a heading of a page of `docs/how-to`, so that tests do what it says."""
    text = (Path(__file__).parent / "docs" / "how-to" / f"{page}.md").read_text()
    (section,) = re.findall(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return "\n".join(re.findall(r"^```sh$(.*?)^```$", section, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Waits for a condition with a deadline; `what` tells how far it has come."""

    def wait(condition: Callable[[], object], within_s: float = 120.0, what: Callable[[], object] = str) -> None:
        deadline, pause = time.monotonic() + within_s, threading.Event()
        while not condition():
            assert time.monotonic() < deadline, f"did not come true within {within_s:.0f} s; {what()}"
            pause.wait(0.05)

    return wait


@pytest.fixture(scope="session")
def lock_the_doors() -> Callable[[str], str]:
    """The commands of `docs/how-to/lock-the-doors.md` under a heading."""
    return lambda heading: how_to("lock-the-doors", heading)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory, lock_the_doors: Callable[[str], str]) -> Path:
    """A folder with `ca`, `door` and `sender`, each `.pem` and `.key`, and `tokens` of `archive` and `worklist`."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: apt-get install openssl")
    folder = tmp_path_factory.mktemp("certificates")
    script = "set -e\n" + lock_the_doors("Certificates") + lock_the_doors("Tokens")
    subprocess.run(["bash", "-c", script], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Kafka broker with no topics of its own."""
    if _external["KAFKA"]:
        yield _external["KAFKA"]
        return
    folder, ports = tmp_path_factory.mktemp("kafka"), free_ports()
    with _serve(kafka_part(folder, ports), folder, f"{HOST}:{ports.kafka}") as server:
        yield server.address


@pytest.fixture(scope="session")
def start_kafka() -> Callable[..., contextlib.AbstractContextManager[Server]]:
    """Starts a broker as a state folder has it, locked or not; a third argument is more properties of it."""
    return lambda folder, ports, more=None: _serve(kafka_part(folder, ports, more), folder, f"{HOST}:{ports.kafka}")


@pytest.fixture(scope="session")
def start_seaweedfs() -> Callable[[Path, Ports], contextlib.AbstractContextManager[Server]]:
    """Starts an object store as a state folder has it."""
    return lambda folder, ports: _serve(seaweedfs_part(folder, ports), folder, f"{HOST}:{ports.seaweedfs_s3}")


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """An object store with its administrator's keys; the buckets of the stack exist."""
    if _external["STORE"]:
        endpoint, access_key, secret_key = _external["STORE"].split(",")
        yield ObjectStore(endpoint, access_key, secret_key)
        return
    folder, ports = tmp_path_factory.mktemp("seaweedfs"), free_ports()
    with _serve(seaweedfs_part(folder, ports), folder, f"{HOST}:{ports.seaweedfs_s3}") as server:
        make_buckets(folder, ports)
        admin = identity(folder, "admin")
        yield ObjectStore(server.address, admin.access_key, admin.secret_key, folder)


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A Triton that has nothing loaded, with the backend `onnxruntime`."""
    if _external["TRITON"]:
        grpc_url, http_url, folder_name = _external["TRITON"].split(",")
        yield Served(grpc_url, http_url, Path(folder_name))
        return
    folder, ports = tmp_path_factory.mktemp("triton"), free_ports()
    with _serve(triton_part(folder, ports), folder, f"{HOST}:{ports.triton_grpc}") as server:
        yield Served(server.address, f"{HOST}:{ports.triton_http}", repository(folder))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Kafka broker of this module alone, that a test may kill, halt and start again."""
    folder, ports = tmp_path_factory.mktemp("broker"), free_ports()
    with _serve(kafka_part(folder, ports), folder, f"{HOST}:{ports.kafka}") as server:
        yield server


@pytest.fixture
def new_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts a broker of this test alone at each call, with other `settings` ("name=value") if given."""
    with contextlib.ExitStack() as stack:

        def start(*settings: str) -> Server:
            folder, ports = tmp_path_factory.mktemp("broker"), free_ports()
            part = kafka_part(folder, ports)

            def prepare() -> None:
                part.prepare()
                with (folder / "kafka" / "server.properties").open("a") as file:
                    file.writelines(f"{setting}\n" for setting in settings)

            other = replace(part, prepare=prepare)
            return stack.enter_context(_serve(other, folder, f"{HOST}:{ports.kafka}"))

        yield start


@pytest.fixture(scope="module")
def own_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Triton of this module alone, that a test may kill, halt and start again; nothing is loaded."""
    folder, ports = tmp_path_factory.mktemp("own-triton"), free_ports()
    with _serve(triton_part(folder, ports), folder, f"{HOST}:{ports.triton_grpc}") as server:
        yield server


@pytest.fixture
def new_seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts an object store of this test alone at each call, with more `arguments` and in a folder if given."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str, folder: Path | None = None) -> Server:
            folder, ports = folder or tmp_path_factory.mktemp("own-seaweedfs"), free_ports()
            part = seaweedfs_part(folder, ports)
            part = replace(part, command=(*part.command, *arguments))
            server = stack.enter_context(_serve(part, folder, f"{HOST}:{ports.seaweedfs_s3}"))
            make_buckets(folder, ports)
            return server

        yield start

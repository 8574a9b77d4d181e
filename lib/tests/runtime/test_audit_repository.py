"""Audit messages at a repository: a server of the test that takes apart what comes, by RFC 5424, 5425 and 6587."""

import logging
import os
import re
import resource
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from prometheus_client import REGISTRY

from osteon.errors import Fatal
from osteon.runtime import Settings, audit, read_settings
from osteon.runtime.audit import Caller
from osteon.runtime.audit_repository import sending_audits
from osteon.runtime.tls import server_context

HEADER = re.compile(r"<(\d+)>1 (\S+Z) (\S+) (osteon-\S+) (\d+) DICOM\+RFC3881 - \ufeff(.*)", re.DOTALL)


class Repository:
    """Takes what comes over TLS or TCP, one connection at a time each; what it took is in `messages`."""

    def __init__(self, tls: ssl.SSLContext | None, port: int) -> None:
        self.messages: list[str] = []
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listening.accept()
                peer = self._tls.wrap_socket(peer, server_side=True) if self._tls else peer
            except ssl.SSLError:
                continue
            except OSError:
                return
            self._open.append(peer)
            threading.Thread(target=self._read, args=(peer,), daemon=True).start()

    def _read(self, peer: socket.socket) -> None:
        stream = peer.makefile("rb")
        try:
            while digit := stream.read(1):
                length = digit
                while (digit := stream.read(1)).isdigit():
                    length += digit
                self.messages.append(stream.read(int(length)).decode())
            if isinstance(peer, ssl.SSLSocket):
                peer.unwrap()
        except (OSError, ValueError):
            """Hung up."""

    def hang_up(self) -> None:
        """End the open connections, as servers do with idle ones."""
        for peer in self._open:
            peer.shutdown(socket.SHUT_RDWR)
            peer.close()
        self._open.clear()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.hang_up()

    def image_ids(self) -> list[str]:
        bodies = [fromstring(message.partition("\ufeff")[2]) for message in self.messages]
        return [body[-1].attrib["ParticipantObjectID"] for body in bodies]

    def has(self, *image_ids: str) -> Callable[[], bool]:
        return lambda: self.image_ids() == list(image_ids)


@contextmanager
def repository(tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Repository]:
    running = Repository(tls, port)
    try:
        yield running
    finally:
        running.close()


def eventually(condition: Callable[[], bool], within_s: float = 30.0) -> bool:
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    return condition()


def settings(address: str, keep: Path, **more: object) -> Settings:
    return read_settings(Settings, {}, audit_repository=address, audit_keep=keep, **more)


def tell(*image_ids: str) -> None:
    for one in image_ids:
        audit.received("aarhus", Caller("ROOM1", "192.0.2.7"), "dimse", one)


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("osteon_audit_messages_total", {"outcome": outcome}) or 0.0


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osteon.runtime.audit_repository.RETRY_S", 0.1)


def test_a_message_reaches_the_repository_over_tls_with_both_certificates(certificates: Path, tmp_path: Path) -> None:
    tls = server_context(certificates / "door.pem", certificates / "door.key", certificates / "ca.pem")
    with repository(tls) as there:
        known = settings(
            f"tls://localhost:{there.port}",
            tmp_path,
            audit_ca=certificates / "ca.pem",
            audit_certificate=certificates / "sender.pem",
            audit_key=certificates / "sender.key",
        )
        with sending_audits(known, "ingest-doors"):
            tell("4f1c")
            audit.sign_in_refused("aarhus", Caller("unknown", "192.0.2.7"), "console")
        assert eventually(lambda: len(there.messages) == 2)

    first, second = (HEADER.fullmatch(message) for message in there.messages)
    assert first is not None
    assert second is not None
    assert (first[1], first[3], first[4], first[5]) == (
        "85",
        socket.gethostname(),
        "osteon-ingest-doors",
        str(os.getpid()),
    )
    assert fromstring(first[6])[-1].attrib["ParticipantObjectID"] == "4f1c"
    assert second[1] == "84"  # a warning
    assert list(tmp_path.iterdir()) == []


def test_a_repository_of_another_authority_gets_nothing_and_messages_are_kept(
    certificates: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = server_context(certificates / "door.pem", certificates / "door.key")
    with repository(tls) as there, sending_audits(settings(f"tls://localhost:{there.port}", tmp_path), "test"):
        tell("4f1c")
        assert eventually(lambda: any(tmp_path.iterdir()))

    assert there.messages == []
    assert "audit repository is away, messages are kept" in caplog.messages
    caplog.clear()


def test_messages_wait_for_a_repository_that_is_away_and_work_does_not(
    often: None, unused_port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept_before = counted("kept")
    with sending_audits(settings(f"tcp://127.0.0.1:{unused_port}", tmp_path), "test"):
        began = time.monotonic()
        tell(*(str(number) for number in range(1000)))
        took_s = time.monotonic() - began
        assert eventually(lambda: counted("kept") == kept_before + 1000)
        with repository(port=unused_port) as there:
            assert eventually(there.has(*(str(number) for number in range(1000))))
            tell("after")
            assert eventually(lambda: "after" in there.messages[-1])

    assert took_s < 10  # a call that waited for the network would take 1,000 times its time limit
    assert list(tmp_path.iterdir()) == []
    assert sum(message == "audit repository is away, messages are kept" for message in caplog.messages) == 1
    assert "audit repository is back" in caplog.messages
    caplog.clear()


DIES_WHILE_AWAY = """
import os, sys, time
from pathlib import Path
from osteon.runtime import Settings, audit, read_settings
from osteon.runtime.audit_repository import sending_audits
keep = Path(sys.argv[2])
with sending_audits(read_settings(Settings, {}, audit_repository=sys.argv[1], audit_keep=keep), "test"):
    audit.received("aarhus", audit.here(), "dimse", "of a dead process")
    while not any(one.stat().st_size for one in keep.iterdir()):
        time.sleep(0.01)
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_kept_is_sent_by_another(often: None, unused_port: int, tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{unused_port}"
    dead = subprocess.run([sys.executable, "-c", DIES_WHILE_AWAY, address, str(tmp_path)], timeout=60)
    assert dead.returncode == -9

    with repository(port=unused_port) as there, sending_audits(settings(address, tmp_path), "test"):
        assert eventually(there.has("of a dead process"))

    assert eventually(lambda: list(tmp_path.iterdir()) == [])


def test_a_repository_that_hangs_up_on_the_idle_gets_the_next_message_too(tmp_path: Path) -> None:
    with repository() as there, sending_audits(settings(f"tcp://127.0.0.1:{there.port}", tmp_path), "test"):
        tell("1")
        assert eventually(there.has("1"))
        there.hang_up()
        tell("2")
        assert eventually(there.has("1", "2"))


def test_what_waits_at_the_end_of_a_process_is_kept(
    unused_port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with sending_audits(settings(f"tcp://127.0.0.1:{unused_port}", tmp_path), "test"):
        tell("1", "2", "3")

    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes().count(b"AuditSourceIdentification ") == 3
    assert kept.stat().st_mode & 0o077 == 0
    caplog.clear()


def test_a_message_goes_by_udp_as_one_datagram(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.bind(("127.0.0.1", 0))
        there.settimeout(30)
        with sending_audits(settings(f"udp://127.0.0.1:{there.getsockname()[1]}", tmp_path), "test"):
            tell("4f1c")
            datagram = there.recv(1 << 16)

    assert HEADER.fullmatch(datagram.decode()) is not None


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow: writing fails as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_costs_what_it_does_not_take_and_the_sender_lives_on(
    often: None, unused_port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lost_before, kept_before = counted("lost"), counted("kept")
    with sending_audits(settings(f"tcp://127.0.0.1:{unused_port}", tmp_path), "test"):
        with full_disk():
            tell("1", "2")
            assert eventually(lambda: counted("lost") == lost_before + 2)
        tell("3")
        assert eventually(lambda: counted("kept") == kept_before + 1)
        with repository(port=unused_port) as there:
            tell("4")
            assert eventually(lambda: "4" in there.image_ids())

    assert {"3", "4"} <= set(there.image_ids())
    assert "audit message is in the log alone" in caplog.messages
    caplog.clear()


@pytest.mark.parametrize("name", ["1-1.audit", "9-9.audit"])
def test_a_kept_file_that_cannot_be_read_is_told_of_and_holds_up_nothing(
    often: None, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    (tmp_path / name).mkdir()  # not even root reads a folder as a file
    with repository() as there, sending_audits(settings(f"tcp://127.0.0.1:{there.port}", tmp_path), "test"):
        tell("1", "2")
        assert eventually(there.has("1", "2"))

    assert caplog.messages.count("kept audit messages can't be read or deleted: look at their owner and mode") == 1
    assert "audit repository is away, messages are kept" not in caplog.messages
    caplog.clear()


def test_too_many_kept_messages_cost_the_repository_the_next_one_and_the_log_has_it(
    unused_port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("osteon.runtime.kept_audits.MOST_BYTES", -1)
    lost_before = counted("lost")
    with sending_audits(settings(f"tcp://127.0.0.1:{unused_port}", tmp_path), "test"):
        tell("4f1c")

    assert counted("lost") == lost_before + 1
    assert any("4f1c" in record.audit for record in caplog.records if hasattr(record, "audit"))
    assert "audit message is in the log alone" in caplog.messages
    caplog.clear()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"audit_repository": "repository:6514"}, "OSTEON_AUDIT_REPOSITORY"),
        ({"audit_repository": "https://repository"}, "OSTEON_AUDIT_REPOSITORY"),
        ({"audit_repository": "tls://repository:port"}, "OSTEON_AUDIT_REPOSITORY"),
        ({"audit_repository": "tls://repository"}, "OSTEON_AUDIT_KEEP"),
        ({"audit_repository": "tls://repository", "audit_keep": Path("/proc/audits")}, "OSTEON_AUDIT_KEEP"),
    ],
)
def test_a_repository_that_could_not_work_is_refused_at_the_start(given: dict[str, object], told: str) -> None:
    with pytest.raises(Fatal, match=told), sending_audits(read_settings(Settings, {}, **given), "test"):
        """Never comes here."""
    assert not [one for one in audit.LOGGER.handlers if type(one) is not logging.NullHandler]

"""A store that is away, and one that refuses: told apart, and told clearly."""

import io
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from osteon.errors import Fatal, Passing, Poison
from osteon.store import S3Store, connect
from osteon.store.ref import refer
from osteon_stack.part import spawn, stop, wait_ready
from osteon_stack.ports import HOST, free_ports
from osteon_stack.seaweedfs import make_buckets, seaweedfs
from osteon_stack.secrets import identity


class OwnServer:
    """A SeaweedFS of this module alone, that a test may stop and start."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ports = folder, free_ports()
        self.part = seaweedfs(self.folder, self.ports)
        self.start()
        make_buckets(self.folder, self.ports)

    def start(self) -> None:
        self.process = spawn(self.part, self.folder)
        wait_ready(self.part, self.process, self.folder)

    def stop(self) -> None:
        stop(self.part, self.process)

    def store_of(self, name: str) -> S3Store:
        keys = identity(self.folder, name)
        return connect(f"{HOST}:{self.ports.seaweedfs_s3}", keys.access_key, keys.secret_key)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    server = OwnServer(tmp_path_factory.mktemp("own-seaweedfs"))
    yield server
    server.stop()


def test_a_reader_may_read_and_not_write(server: OwnServer) -> None:
    ref = server.store_of("admin").put("models", b"a model", "application/onnx")
    reader = server.store_of("reconcile")

    assert reader.get(ref) == b"a model"
    with pytest.raises(Fatal, match=r"bucket models.*OSTEON_STORE_ACCESS_KEY"):
        reader.put("models", b"another", "application/onnx")


def test_a_bucket_of_others_is_refused(server: OwnServer) -> None:
    ref = server.store_of("admin").put("vault", b"sealed", "application/octet-stream")

    with pytest.raises(Fatal, match="bucket vault"):
        server.store_of("harmonizer").get(ref)


def test_a_refusal_is_no_reason_to_wait(server: OwnServer) -> None:
    server.store_of("classifier").probe()


@pytest.mark.slow
def test_a_store_that_is_away_is_waited_for_and_comes_back(server: OwnServer) -> None:
    store = server.store_of("admin")
    ref = store.put("images", b"before", "text/plain")
    server.stop()
    try:
        began = time.monotonic()
        for call in (lambda: store.get(ref), lambda: store.put("images", b"x", "text/plain"), store.probe,
                     lambda: store.exists(ref), lambda: list(store.list("images"))):  # fmt: skip
            with pytest.raises(Passing) as caught:
                call()
            assert caught.value.dependency == "store"
            assert ref.key not in str(caught.value)
        assert time.monotonic() - began < 60
    finally:
        server.start()

    store.probe()
    assert store.get(ref) == b"before"


@pytest.fixture
def answering() -> Iterator[list[tuple[int, str, str]]]:
    """A server that gives the answer (status, code, body) put into the list, at `answering[1]`."""
    answers: list[tuple[int, str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:
            status, code, _ = answers[-1]
            body = f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Retry-After", "3600")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer((HOST, 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    answers.append((0, "", f"{HOST}:{http.server_address[1]}"))
    yield answers
    http.shutdown()
    http.server_close()


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (503, "SlowDown", "SlowDown"),
        (500, "InternalError", "HTTP 500"),
        (507, "XMinioStorageFull", "full"),
        (507, "SomethingElse", "full"),
        (403, "QuotaExceeded", "full"),
    ],
)
def test_what_passes_is_waited_for_and_not_for_an_hour(
    answering: list[tuple[int, str, str]], status: int, code: str, text: str
) -> None:
    store = connect(answering[0][2], "access", "secret-of-the-store")
    answering.append((status, code, ""))

    with pytest.raises(Passing, match=text) as caught:
        store.put("images", b"x", "text/plain")

    assert "secret-of-the-store" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [(403, "RequestTimeTooSkewed", "clock"), (403, "InvalidAccessKeyId", "OSTEON_STORE_ACCESS_KEY")],
)
def test_what_no_waiting_mends_is_fatal(
    answering: list[tuple[int, str, str]], status: int, code: str, text: str
) -> None:
    store = connect(answering[0][2], "access", "secret")
    answering.append((status, code, ""))

    with pytest.raises(Fatal, match=text):
        store.put("images", b"x", "text/plain")


def test_an_object_that_is_gone_when_the_store_is_back_is_not_tried_for_ever(
    answering: list[tuple[int, str, str]],
) -> None:
    now_s = [0.0]
    store = S3Store(connect(answering[0][2], "access", "secret")._client, lambda: now_s[0])
    ref = refer("images", None, b"x", "text/plain")
    answering.append((503, "SlowDown", ""))
    with pytest.raises(Passing):
        store.get(ref)

    answering.append((404, "NoSuchKey", ""))
    store.probe()
    now_s[0] += 1000.0
    answering.append((403, "AccessDenied", ""))  # of the object it would be Fatal

    store.probe()


def test_an_object_that_grew_is_not_read_to_its_end(server: OwnServer) -> None:
    store = server.store_of("admin")
    ref = store.put("images", b"small", "text/plain")
    store._client.put_object("images", ref.key, io.BytesIO(bytes(50_000_000)), 50_000_000)

    with pytest.raises(Poison, match="size"):
        store.get(ref)

"""Doors with locks: TLS, tokens, certificates of senders, AE titles."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from pydicom import Dataset
from pynetdicom import AE
from pynetdicom.association import Association

from osteon.errors import Fatal
from osteon.runtime import read_settings
from osteon.runtime.tls import client_context
from osteon_ingest.doors import listen, open_doors
from osteon_ingest.guard_arrivals import MOST_ARRIVALS
from osteon_ingest.locks import dimse_lock
from osteon_ingest.receive import Threshold
from osteon_ingest.receive_dimse import serve_dimse
from osteon_ingest.receive_stow import serve_stow
from osteon_ingest.settings import IngestSettings

Make = Callable[..., Dataset]
Write = Callable[[Dataset], bytes]
DX = "1.2.840.10008.5.1.4.1.1.1.1"
RELATED = {"content-type": 'multipart/related; type="application/dicom"; boundary=xyz'}


@pytest.fixture
def locked(settings: IngestSettings, certificates: Path) -> IngestSettings:
    return settings.model_copy(
        update={
            "tls_certificate": certificates / "door.pem",
            "tls_key": certificates / "door.key",
            "tokens_file": certificates / "tokens",
            "dimse_is_secure": True,
        }
    )


@contextmanager
def serving(serve: Callable[..., None], settings: IngestSettings, threshold: Threshold) -> Iterator[int]:
    listening, stop = listen("127.0.0.1", 0, "OSTEON_STOW_PORT"), threading.Event()
    port = listening.getsockname()[1]
    server = threading.Thread(target=serve, args=(settings, threshold, listening, stop))
    server.start()
    try:
        yield port
    finally:
        stop.set()
        server.join(30)
    assert not server.is_alive()


def post(port: int, trusts: ssl.SSLContext, file: bytes, **headers: str) -> httpx.Response:
    body = b"--xyz\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n--xyz--\r\n"
    url = f"https://localhost:{port}/dicomweb/studies"
    return httpx.post(url, content=body, headers=RELATED | headers, verify=trusts)


def token(certificates: Path, name: str) -> str:
    return dict(line.split(":") for line in (certificates / "tokens").read_text().split())[name]


def associate(port: int, tls: ssl.SSLContext | None = None, calling: str = "ARCHIVE") -> Association:
    sender = AE(calling)
    sender.acse_timeout = sender.network_timeout = sender.connection_timeout = 10
    sender.add_requested_context(DX)
    return sender.associate("127.0.0.1", port, ae_title="OSTEON", tls_args=(tls, "localhost") if tls else None)


def test_stow_takes_an_image_from_who_has_a_token_and_from_nobody_else(
    locked: IngestSettings, threshold: Threshold, announcements: Any, certificates: Path, new_object: Make,
    as_file: Write,
) -> None:  # fmt: skip
    file, trusts = as_file(new_object()), client_context(certificates / "ca.pem")
    with serving(serve_stow, locked, threshold) as port:
        none = post(port, trusts, file)
        wrong = post(port, trusts, file, authorization=f"Bearer {'0' * 64}")
        basic = post(port, trusts, file, authorization=f"Basic {token(certificates, 'archive')}")
        assert announcements.images == []
        right = post(port, trusts, file, authorization=f"Bearer {token(certificates, 'archive')}")

    assert {answer.status_code for answer in (none, wrong, basic)} == {401}
    assert none.headers["www-authenticate"] == 'Bearer realm="osteon"'
    assert none.content == wrong.content == basic.content
    assert right.status_code == 200
    assert len(announcements.images) == 1


def test_stow_over_tls_does_not_answer_in_the_clear(
    locked: IngestSettings, threshold: Threshold, certificates: Path
) -> None:
    with serving(serve_stow, locked, threshold) as port, pytest.raises(httpx.TransportError):
        httpx.post(f"http://localhost:{port}/dicomweb/studies", headers=RELATED)


@pytest.mark.parametrize("shown", [False, True])
def test_stow_that_asks_for_senders_certificates_speaks_to_nobody_without_one(
    locked: IngestSettings, threshold: Threshold, certificates: Path, shown: bool, new_object: Make, as_file: Write
) -> None:
    mutual = locked.model_copy(update={"tls_client_ca": certificates / "ca.pem"})
    own = (certificates / "sender.pem", certificates / "sender.key") if shown else ()
    trusts = client_context(certificates / "ca.pem", *own)
    with serving(serve_stow, mutual, threshold) as port:
        if not shown:
            with pytest.raises(httpx.TransportError):
                post(port, trusts, as_file(new_object()))
        else:
            assert post(port, trusts, as_file(new_object())).status_code == 401  # a certificate is no token


def test_a_sender_does_not_believe_a_door_of_another_authority(
    locked: IngestSettings, threshold: Threshold, certificates: Path
) -> None:
    with serving(serve_stow, locked, threshold) as port, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY"):
        post(port, client_context(), b"")


def test_c_store_over_tls_takes_an_image_from_who_shows_a_certificate(
    locked: IngestSettings, threshold: Threshold, announcements: Any, certificates: Path, new_object: Make
) -> None:
    mutual = locked.model_copy(update={"tls_client_ca": certificates / "ca.pem"})
    known = client_context(certificates / "ca.pem", certificates / "sender.pem", certificates / "sender.key")
    with serving(serve_dimse, mutual, threshold) as port:
        association = associate(port, known)
        status = association.send_c_store(new_object()).Status
        association.release()
        in_the_clear, nameless = associate(port), associate(port, client_context(certificates / "ca.pem"))

    assert status == 0x0000
    assert not in_the_clear.is_established
    assert not nameless.is_established
    assert len(announcements.images) == 1


def test_a_peer_that_is_silent_instead_of_shaking_hands_keeps_nobody_out(
    locked: IngestSettings, threshold: Threshold, certificates: Path, new_object: Make
) -> None:
    with serving(serve_dimse, locked, threshold) as port, socket.create_connection(("127.0.0.1", port)):
        association = associate(port, client_context(certificates / "ca.pem"))
        status = association.send_c_store(new_object()).get("Status") if association.is_established else None
        association.release()

    assert status == 0x0000


@pytest.mark.parametrize("is_secure", [True, False])
def test_any_number_of_silent_peers_cost_a_bounded_number_of_threads_and_keep_nobody_out(
    locked: IngestSettings, threshold: Threshold, certificates: Path, new_object: Make, until: Callable[..., None],
    is_secure: bool,
) -> None:  # fmt: skip
    too_many = 20
    chosen = locked.model_copy(update={"dimse_is_secure": is_secure, "dimse_acse_timeout_s": 300.0})
    tls = client_context(certificates / "ca.pem") if is_secure else None
    n_before = refused_connections()
    n_threads = threading.active_count() + 2  # the door's own: one that serves, one that accepts
    with serving(serve_dimse, chosen, threshold) as port, ExitStack() as silent:
        peers = [
            silent.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(MOST_ARRIVALS + too_many)
        ]
        until(lambda: refused_connections() == n_before + too_many)
        for peer in peers[:too_many]:  # the door hung up
            peer.settimeout(60)
            with suppress(ConnectionError):
                assert peer.recv(1) == b""
        until(lambda: threading.active_count() - n_threads <= 2 * MOST_ARRIVALS)

        for _ in range(3):
            association = associate(port, tls)
            assert association.is_established
            assert association.send_c_store(new_object()).Status == 0x0000
            association.release()

    assert refused_connections() >= n_before + too_many


def refused_connections() -> float:
    return REGISTRY.get_sample_value("osteon_door_connections_refused_total", {"door": "dimse"}) or 0.0


@pytest.mark.parametrize(("calling", "is_taken"), [("ARCHIVE", True), ("ROOM 1", True), ("ROOM", False)])
def test_only_listed_ae_titles_may_call(
    settings: IngestSettings, threshold: Threshold, calling: str, is_taken: bool
) -> None:
    listed = settings.model_copy(update={"dimse_calling_aets": "ARCHIVE, ROOM 1"})
    with serving(serve_dimse, listed, threshold) as port:
        association = associate(port, calling=calling)
        association.release()

    assert association.is_rejected is not is_taken


@pytest.mark.parametrize(("calling", "is_taken"), [("ARCHIVE", True), ("STRANGER", False)])
def test_dcmtk_is_told_that_its_title_may_not_call(
    settings: IngestSettings, threshold: Threshold, announcements: Any, tmp_path: Path, new_object: Make,
    as_file: Write, calling: str, is_taken: bool,
) -> None:  # fmt: skip
    storescu = Path("/usr/bin/storescu")  # not along PATH: pynetdicom has one of the same name beside Python
    if not storescu.exists():
        pytest.skip("storescu (Debian package dcmtk) is not installed")
    (tmp_path / "image.dcm").write_bytes(as_file(new_object()))
    listed = settings.model_copy(update={"dimse_calling_aets": "ARCHIVE"})
    with serving(serve_dimse, listed, threshold) as port:
        command = [str(storescu), "-v", "-aet", calling, "-aec", "OSTEON", "127.0.0.1", str(port), "image.dcm"]
        told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert (told.returncode == 0) is is_taken, told.stdout + told.stderr
    assert ("Calling AE Title Not Recognized" in told.stdout + told.stderr) is not is_taken
    assert len(announcements.images) == is_taken


@pytest.mark.parametrize("titles", [" , ", ",", "A,", "SEVENTEEN-LETTERS", "A\\B", "A\n", " "])
def test_a_list_of_ae_titles_that_would_mean_something_else_is_refused(titles: str) -> None:
    with pytest.raises(Fatal, match="OSTEON_DIMSE_CALLING_AETS"):
        read_settings(IngestSettings, {"OSTEON_DIMSE_CALLING_AETS": titles}, site_key="00")


def test_c_store_opens_to_the_network_only_with_certificates_or_when_told_to(
    locked: IngestSettings, certificates: Path
) -> None:
    without = locked.model_copy(update={"dimse_host": "0.0.0.0"})
    with pytest.raises(Fatal, match="OSTEON_TLS_CLIENT_CA"):
        dimse_lock(without)
    with pytest.raises(Fatal, match="OSTEON_DIMSE_IS_SECURE"):
        dimse_lock(without.model_copy(update={"dimse_is_secure": False}))

    assert dimse_lock(without.model_copy(update={"tls_client_ca": certificates / "ca.pem"})) is not None
    assert dimse_lock(without.model_copy(update={"dimse_is_secure": False, "dimse_is_open": True})) is None


def test_audit_tells_who_sent_which_image_and_nothing_of_the_patient(
    locked: IngestSettings, threshold: Threshold, announcements: Any, certificates: Path, new_object: Make,
    as_file: Write, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    by_stow, by_dimse = new_object(), new_object()
    trusts = client_context(certificates / "ca.pem")
    with serving(serve_stow, locked, threshold) as port:
        post(port, trusts, as_file(by_stow))
        post(port, trusts, as_file(by_stow), authorization=f"Bearer {token(certificates, 'archive')}")
    with serving(serve_dimse, locked, threshold) as port:
        association = associate(port, trusts, calling="ROOM1")
        association.send_c_store(by_dimse)
        association.release()

    told = [record.audit for record in caplog.records if hasattr(record, "audit")]
    assert [("110114" in one, "110104" in one) for one in told] == [(True, False), (False, True), (False, True)]
    assert 'UserID="unknown"' in told[0]
    assert 'UserID="archive"' in told[1]
    assert 'UserID="ROOM1"' in told[2]
    assert [image.image_id in one for image, one in zip(announcements.images, told[1:], strict=True)] == [True, True]
    private = ("ZZ-1729", "Planted", "1.2.826.0.1.3680043.10.999", token(certificates, "archive"))
    assert [text for text in private if any(text in one for one in told)] == []


@pytest.mark.parametrize(("opened", "shut"), [("stow", "dimse"), ("dimse", "stow")])
def test_the_doors_do_not_start_while_one_of_them_is_open_to_the_network(
    settings: IngestSettings, unused_port: int, opened: str, shut: str
) -> None:
    careless = settings.model_copy(
        update={f"{opened}_host": "0.0.0.0", f"{opened}_port": unused_port, f"{shut}_port": 0}
    )

    with pytest.raises(Fatal, match=f"the {opened} door listens on 0.0.0.0 without"):
        open_doors(careless, threading.Event())

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", unused_port))

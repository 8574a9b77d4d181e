"""`osteon pacs echo`: each trouble with a PACS in a sentence, with the way out."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pynetdicom import AE
from pynetdicom.sop_class import ModalityWorklistInformationFind, Verification  # type: ignore[attr-defined]

from osteon.runtime import read_settings
from osteon_ingest.call_pacs import echo
from osteon_ingest.settings import IngestSettings


@contextmanager
def pacs(title: str = "PACS", offers: str = Verification, **knows: object) -> Iterator[int]:
    entity = AE(title)
    entity.add_supported_context(offers)
    for name, value in knows.items():
        setattr(entity, name, value)
    server = entity.start_server(("127.0.0.1", 0), block=False)
    assert server is not None
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def trouble(port: int, host: str = "127.0.0.1", **changed: object) -> str:
    settings = read_settings(IngestSettings, {}, site_key="", **changed)
    return echo(settings, "PACS", (host, port))


def test_a_pacs_that_answers_has_no_trouble() -> None:
    with pacs(require_calling_aet=["OSTEON"], require_called_aet=True) as port:
        assert trouble(port) == ""


def test_titles_that_do_not_agree_are_told_apart() -> None:
    with pacs(require_calling_aet=["ANOTHER"]) as port:
        assert "does not know the AE title OSTEON" in trouble(port)
    with pacs("ARCHIVE", require_called_aet=True) as port:
        assert "is not called PACS" in trouble(port)


def test_a_pacs_that_offers_no_echo_is_told() -> None:
    with pacs(offers=ModalityWorklistInformationFind) as port:
        assert "no C-ECHO" in trouble(port)


def test_a_pacs_that_can_not_be_reached_is_told(unused_port: int) -> None:
    assert f"nobody listens at 127.0.0.1:{unused_port}" in trouble(unused_port)
    assert "has no address" in trouble(104, "no-such-host.invalid")


def test_who_listens_and_speaks_no_dicom_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert "takes no association without TLS" in trouble(port, dimse_acse_timeout_s=0.5)


def test_a_door_behind_tls_is_called_over_tls(certificates: Path) -> None:
    with pacs() as port:
        told = trouble(
            port,
            dimse_is_secure=True,
            tls_certificate=certificates / "door.pem",
            tls_key=certificates / "door.key",
            tls_client_ca=certificates / "ca.pem",
        )

    assert "takes no association over TLS" in told


def test_the_command_says_it_of_each_and_fails_if_one_is_away(unused_port: int) -> None:
    osteon = str(Path(sys.executable).with_name("osteon"))
    with pacs() as port:
        peers = (f"PACS=127.0.0.1:{port}", f"AWAY=127.0.0.1:{unused_port}")
        told = subprocess.run([osteon, "pacs", "echo", *peers], capture_output=True, text=True, check=False)

    assert told.returncode == 1
    assert f"✓ PACS at 127.0.0.1:{port}\n" in told.stdout
    assert f"✗ AWAY at 127.0.0.1:{unused_port}: nobody listens" in told.stdout

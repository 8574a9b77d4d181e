import secrets
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from osteon.errors import Fatal
from osteon.runtime import read_settings
from osteon.runtime.lock import LockSettings, http_lock
from osteon.runtime.tls import client_context, server_context
from osteon.runtime.tokens import read_tokens

TOKEN, OTHER = secrets.token_hex(32), secrets.token_hex(32)


def lock(host: str, *, is_open: bool = False, **settings: object) -> None:
    read = read_settings(LockSettings, {}, **settings)
    http_lock(read, host, door="stow", is_open=is_open, setting="OSTEON_STOW_IS_OPEN")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_door_to_this_machine_alone_needs_no_lock(host: str) -> None:
    lock(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "osteon.example", ""])
def test_a_door_to_the_network_opens_only_with_tls_and_tokens(host: str, certificates: Path) -> None:
    shown: dict[str, Any] = {"tls_certificate": certificates / "door.pem", "tls_key": certificates / "door.key"}

    with pytest.raises(Fatal, match=r"without TLS .* and tokens"):
        lock(host)
    with pytest.raises(Fatal, match=r"without tokens"):
        lock(host, **shown)
    with pytest.raises(Fatal, match=r"without TLS"):
        lock(host, tokens=f"archive:{TOKEN}")

    lock(host, tokens_file=certificates / "tokens", **shown)


def test_a_door_may_be_told_to_be_open_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    lock("0.0.0.0", is_open=True)

    assert [record.message for record in caplog.records] == ["door open to the network"]


def test_each_caller_is_known_by_the_token_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"# the worklist\n\nworklist: {OTHER}\n")

    tokens = read_tokens(f"archive:{TOKEN}", tmp_path / "tokens")

    assert tokens is not None
    assert tokens.name_of([f"Bearer {TOKEN}"]) == "archive"
    assert tokens.name_of([f"bearer  {OTHER}"]) == "worklist"


@pytest.mark.parametrize(
    "authorization",
    [[], [""], ["Bearer"], ["Bearer "], [TOKEN], [f"Basic {TOKEN}"], [f"Bearer {TOKEN[:-1]}"], [f"Bearer {TOKEN}x"],
     [f"Bearer {TOKEN}", f"Bearer {TOKEN}"], ["Bearer \xff\x00"], [f"Bearer {TOKEN.upper()}x"]],
)  # fmt: skip
def test_whatever_is_not_one_token_is_nobodys(authorization: list[str]) -> None:
    tokens = read_tokens(f"archive:{TOKEN}", None)

    assert tokens is not None
    assert tokens.name_of(authorization) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [("archive:short", "at least 32"), (TOKEN, "write name:token"), (f"two names:{TOKEN}", "write name:token"),
     (f"archive:{TOKEN},archive:{OTHER}", "another name"),
     (f"archive:{TOKEN},worklist:{TOKEN}", "another caller's"), (f"archive:{TOKEN}€", "write name:token")],
)  # fmt: skip
def test_tokens_that_are_none_are_refused_and_not_told(text: str, told: str) -> None:
    with pytest.raises(Fatal, match=told) as raised:
        read_tokens(text, None)

    assert TOKEN not in str(raised.value)
    assert "short" not in str(raised.value)


def test_a_file_of_tokens_that_holds_none_locks_nothing_and_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("\n")

    with pytest.raises(Fatal, match="holds no token"):
        read_tokens("", tmp_path / "tokens")
    with pytest.raises(Fatal, match="can't be read"):
        read_tokens("", tmp_path / "absent")


def test_tokens_are_not_told_when_they_are_printed() -> None:
    settings = read_settings(LockSettings, {}, tokens=f"archive:{TOKEN}")

    assert TOKEN not in f"{settings!r} {settings.model_dump()} {read_tokens(f'archive:{TOKEN}', None)!r}"


def test_tls_below_1_2_is_not_spoken(certificates: Path) -> None:
    server = server_context(certificates / "door.pem", certificates / "door.key")

    assert server.minimum_version == client_context().minimum_version == ssl.TLSVersion.TLSv1_2
    assert all("GCM" in one["name"] or "CHACHA20" in one["name"] for one in server.get_ciphers())


@pytest.mark.parametrize(
    ("certificate", "key"), [("absent.pem", "door.key"), ("door.pem", "sender.key"), ("tokens", "tokens")]
)
def test_files_that_are_no_certificate_and_its_key_are_named(certificates: Path, certificate: str, key: str) -> None:
    with pytest.raises(Fatal, match=certificate):
        server_context(certificates / certificate, certificates / key)


def test_prometheus_is_told_when_a_certificate_and_its_authority_expire(certificates: Path) -> None:
    server_context(certificates / "door.pem", certificates / "door.key", certificates / "ca.pem")

    for name in ("door.pem", "ca.pem"):
        end_s = REGISTRY.get_sample_value("osteon_tls_certificate_end_seconds", {"file": str(certificates / name)})
        assert end_s is not None
        assert end_s > time.time()


def test_a_certificate_without_its_key_is_half_a_lock(certificates: Path) -> None:
    with pytest.raises(Fatal, match="OSTEON_TLS_KEY"):
        lock("127.0.0.1", tls_certificate=certificates / "door.pem")
    with pytest.raises(Fatal, match="OSTEON_TLS_CERTIFICATE"):
        lock("127.0.0.1", tls_client_ca=certificates / "ca.pem")

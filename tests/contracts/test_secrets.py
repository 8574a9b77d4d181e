"""Secrets are told to nobody: not by a text of an error, a log, a help page or a setting that is printed."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from osteon.bus.login import Login
from osteon.errors import Fatal
from osteon.runtime import Settings, read_settings
from osteon.runtime.lock import LockSettings
from osteon_console.settings import ConsoleSettings
from osteon_ingest.settings import IngestSettings

PLANTED = f"planted-{secrets.token_hex(24)}"
NOWHERE = "127.0.0.1:9"  # the port of discard: nobody listens
OSTEON = str(Path(sys.executable).with_name("osteon"))

SERVICES: dict[str, tuple[type[Settings], tuple[str, ...]]] = {
    "doors": (IngestSettings, (sys.executable, "-m", "osteon_ingest", "doors")),
    "accept": (IngestSettings, (sys.executable, "-m", "osteon_ingest", "accept")),
    "sweep": (IngestSettings, (sys.executable, "-m", "osteon_ingest", "sweep")),
    "harmonizer": (Settings, (sys.executable, "-m", "osteon_harmonizer")),
    "console": (ConsoleSettings, (sys.executable, "-m", "osteon_console")),
    "reconcile": (Settings, (OSTEON, "release", "reconcile", "--triton", NOWHERE, "--repository", "repository")),
}

SPEAKING = [name for name in SERVICES if name != "doors"]  # they wait for senders, and say nothing of what is away

# Settings under which a secret is really used, each by itself well formed; without a line here it is just given.
USED = {
    "site_key": secrets.token_hex(32),
    "tokens": f"archive:{PLANTED}",
    "database_url": f"postgresql+psycopg://console:{PLANTED}@{NOWHERE}/console",
    "former_site_keys": "",
}


def secret_fields(settings: type[Settings]) -> list[str]:
    return [name for name, field in settings.model_fields.items() if "SecretStr" in str(field.annotation)]


def environment(settings: type[Settings], given: Mapping[str, str]) -> dict[str, str]:
    ours = {
        "kafka_servers": NOWHERE,
        "kafka_security": "SASL_PLAINTEXT",
        "kafka_user": "somebody",
        "store_endpoint": NOWHERE,
        "store_access_key": "somebody",
        "triton_url": NOWHERE,
        "log_level": "DEBUG",
        **given,
    }
    around = {name: value for name, value in os.environ.items() if not name.startswith("OSTEON_")}
    return around | {f"OSTEON_{name.upper()}": value for name, value in ours.items() if name in settings.model_fields}


def start(name: str, given: Mapping[str, str], folder: Path) -> "subprocess.Popen[bytes]":
    settings, command = SERVICES[name]
    folder.mkdir()
    with (folder / "told").open("wb") as told:
        return subprocess.Popen(
            command, env=environment(settings, given), cwd=folder, stdout=told, stderr=subprocess.STDOUT
        )


def told_by(process: "subprocess.Popen[bytes]", folder: Path) -> str:
    """What a process writes until it ends, or has said that it waits for what is away."""
    deadline = time.monotonic() + 60
    while process.poll() is None and b"\n" not in (folder / "told").read_bytes() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.terminate()
    process.wait(60)
    return (folder / "told").read_text()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each service tells when it can reach nothing; they wait for it side by side."""
    folder = tmp_path_factory.mktemp("told")
    started = {}
    for name in SPEAKING:
        settings, _ = SERVICES[name]
        given = {field: USED.get(field, PLANTED) for field in secret_fields(settings)}
        started[name] = start(name, given, folder / name)
    return {name: told_by(process, folder / name) for name, process in started.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", SPEAKING)
def test_a_service_that_can_reach_nothing_tells_no_secret(name: str, told: dict[str, str]) -> None:
    assert told[name]
    assert PLANTED not in told[name]
    assert USED["site_key"] not in told[name]


@pytest.mark.parametrize("name", ["doors", "console"])
def test_a_service_whose_secrets_are_no_secrets_does_not_quote_them(name: str, tmp_path: Path) -> None:
    process = start(name, dict.fromkeys(secret_fields(SERVICES[name][0]), PLANTED), tmp_path / name)

    told = told_by(process, tmp_path / name)

    assert json.loads(told.splitlines()[-1])["level"] == "CRITICAL"
    assert PLANTED not in told


@pytest.mark.parametrize("settings", [IngestSettings, ConsoleSettings, LockSettings, Settings])
def test_settings_that_are_printed_mask_their_secrets(settings: type[Settings]) -> None:
    given: dict[str, Any] = dict.fromkeys(secret_fields(settings), SecretStr(PLANTED))

    made = settings.model_construct(None, **given)

    assert PLANTED not in f"{made} {made!r} {made.model_dump()} {made.model_dump_json()}"


@pytest.mark.parametrize("settings", [IngestSettings, ConsoleSettings])
def test_a_wrong_setting_is_named_and_its_value_is_not_told(settings: type[Settings]) -> None:
    typed = [name for name, field in settings.model_fields.items() if field.annotation in (int, float, bool)]
    for field in typed:
        with pytest.raises(Fatal, match=f"OSTEON_{field.upper()}") as raised:
            read_settings(settings, {f"OSTEON_{field.upper()}": PLANTED})

        assert PLANTED not in str(raised.value)


def test_a_login_that_is_printed_masks_its_password() -> None:
    assert PLANTED not in repr(Login("SASL_SSL", user="accept", password=PLANTED))


def test_nothing_that_helps_shows_what_the_environment_holds() -> None:
    given = dict.fromkeys(("OSTEON_CONSOLE_TOKEN", "OSTEON_STORE_SECRET_KEY", "OSTEON_KAFKA_PASSWORD"), PLANTED)
    for command in ([OSTEON, "track", "--help"], [OSTEON, "topics", "--help"], [*SERVICES["doors"][1], "--help"]):
        told = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, check=True)

        assert PLANTED not in told.stdout + told.stderr

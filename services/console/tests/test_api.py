"""The API, asked over real HTTP, and `osteon track`, which asks it."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Engine
from starlette.applications import Starlette
from typer.testing import CliRunner

from osteon.contracts import Brake, ReleaseInForce
from osteon.contracts.topics import MODEL_IN_FORCE, STAGE_BRAKED
from osteon.errors import OsteonError, Passing
from osteon.runtime import read_settings
from osteon.runtime.health import Health
from osteon.runtime.lock import Lock, http_lock
from osteon.runtime.tls import client_context
from osteon_console import commands
from osteon_console.api import api, serve
from osteon_console.settings import ConsoleSettings
from osteon_console.track import apply

from .story import NOON_MS, Story

DEADLINE_S = 90.0


@pytest.fixture
def now_s() -> list[float]:
    """The clock of the console, which a test may set."""
    return [NOON_MS / 1000]


@pytest.fixture
def url(engine: Engine, now_s: list[float]) -> Iterator[str]:
    health = Health()
    health.ready("track", True)
    application = api(engine, DEADLINE_S, health, is_current=lambda: True, clock=lambda: now_s[0])
    with serving(application, Lock(None, None)) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def serving(application: Starlette, lock: Lock) -> Iterator[int]:
    stop = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    server = threading.Thread(target=serve, args=(application, listening, lock, "local", stop))
    server.start()
    try:
        yield listening.getsockname()[1]
    finally:
        stop.set()
        server.join(timeout=30)
    assert not server.is_alive()


@pytest.fixture
def ask(url: str) -> Callable[..., Any]:
    return lambda path, **parameters: httpx.get(url + path, params=parameters).json()


def some_images() -> Story:
    story = Story()
    story.answer("image-1")
    story.set_aside(story.receive("image-2"), "truncated")
    story.receive("image-3")
    return story


def test_images_are_listed_the_newest_first(engine: Engine, ask: Callable[..., Any]) -> None:
    apply(engine, some_images().records)

    answer = ask("/api/images")

    assert answer["total"] == 3
    assert [(row["image_id"], row["state"]) for row in answer["images"]] == [
        ("image-3", "received"),
        ("image-2", "set-aside"),
        ("image-1", "classified"),
    ]
    assert answer["images"][2]["received_at"] == "2025-06-15T15:06:40.000+00:00"


def test_images_come_page_by_page(engine: Engine, ask: Callable[..., Any]) -> None:
    apply(engine, some_images().records)

    pages = [ask("/api/images", limit=2, offset=offset)["images"] for offset in (0, 2)]

    assert [[row["image_id"] for row in page] for page in pages] == [["image-3", "image-2"], ["image-1"]]


def test_images_are_chosen_by_state_and_site(engine: Engine, ask: Callable[..., Any]) -> None:
    apply(engine, some_images().records)

    assert [row["image_id"] for row in ask("/api/images", state="set-aside")["images"]] == ["image-2"]
    assert ask("/api/images", site="north")["total"] == 3
    assert ask("/api/images", site="south")["total"] == 0


def test_an_image_is_found_by_how_its_id_begins(engine: Engine, ask: Callable[..., Any]) -> None:
    story = Story()
    for image_id in ("3f9a", "3f9a77", "c01d55"):
        story.receive(image_id)
    apply(engine, story.records)

    assert ask("/api/images/c01")["image_id"] == "c01d55"
    assert ask("/api/images/3f9a")["image_id"] == "3f9a"
    assert "several begin so" in ask("/api/images/3f")["error"]


def test_an_image_becomes_overdue_when_the_clock_passes_its_deadline(
    engine: Engine, ask: Callable[..., Any], now_s: list[float]
) -> None:
    apply(engine, some_images().records)
    before = ask("/api/summary")
    now_s[0] += 2 * DEADLINE_S

    assert (before["overdue"], ask("/api/summary")["overdue"]) == (0, 1)
    assert [row["image_id"] for row in ask("/api/images", state="overdue")["images"]] == ["image-3"]
    assert ask("/api/images/image-3")["is_overdue"]


@pytest.mark.parametrize(
    ("path", "parameters", "status", "says"),
    [
        ("/api/images", {"state": "lost"}, 400, "state must be one of received"),
        ("/api/images", {"limit": "many"}, 400, "limit must be a whole number"),
        ("/api/images", {"limit": "1001"}, 400, "from 0 to 1000"),
        ("/api/images", {"offset": "-1"}, 400, "offset must be a whole number"),
        ("/api/images/unheard-of", {}, 404, "no image of this id"),
        ("/api/nothing", {}, 404, "Not Found"),
    ],
)
def test_a_question_that_cannot_be_answered_is_told_why(
    url: str, path: str, parameters: dict[str, str], status: int, says: str
) -> None:
    response = httpx.get(url + path, params=parameters)

    assert response.status_code == status
    assert says in response.json()["error"]


def test_nothing_can_be_changed_over_the_api(url: str) -> None:
    assert {httpx.request(verb, f"{url}/api/images/image-1").status_code for verb in ("POST", "PUT", "DELETE")} == {405}


def test_stages_tell_what_waits_for_them_and_their_brake(engine: Engine, ask: Callable[..., Any]) -> None:
    story = some_images()
    since = Timestamp()
    since.FromMilliseconds(NOON_MS)
    for stage in ("accept", "harmonize"):
        braked = Brake(stage=stage, reason="undigested", explanation="Too many.", since=since)
        story.write(STAGE_BRAKED, braked, stage)
    story.write(STAGE_BRAKED, None, "accept")  # released
    apply(engine, story.records)

    accept, harmonize, _ = ask("/api/stages")["stages"]

    assert (accept["stage"], accept["waiting"], accept["set_aside"], accept["brake"]) == ("accept", 1, 1, None)
    assert harmonize["brake"]["reason"] == "undigested"


def test_the_summary_names_the_release_set_in_force(engine: Engine, ask: Callable[..., Any]) -> None:
    story = Story()
    story.write(MODEL_IN_FORCE, ReleaseInForce(release_set="set-1"), "in-force")
    story.write(MODEL_IN_FORCE, ReleaseInForce(release_set="set-2"), "in-force")
    apply(engine, story.records)

    assert ask("/api/summary")["release_set"] == "set-2"


def test_the_command_tells_an_image_stage_by_stage(engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEON_CONSOLE_URL", url)
    monkeypatch.setenv("COLUMNS", "200")
    apply(engine, some_images().records)

    listed = CliRunner().invoke(commands.track, [])
    followed = CliRunner().invoke(commands.track, ["image-1"])
    as_json = CliRunner().invoke(commands.track, ["image-1", "--json"])

    assert "image-2" in listed.output
    assert "truncated" in listed.output
    assert [step in followed.output for step in ("received", "deidentified", "harmonized", "classified")] == [True] * 4
    assert json.loads(as_json.output)["probability"] == 0.75


def test_the_command_waits_until_every_image_has_an_outcome(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSTEON_CONSOLE_URL", url)
    story = Story()
    received = story.receive("image-1")
    apply(engine, story.records)
    story.set_aside(received, "blank")
    outcome = threading.Timer(0.7, apply, (engine, story.records))
    outcome.start()

    found = CliRunner().invoke(commands.track, ["--wait", "--json"])

    outcome.join()
    assert [row["reason"] for row in json.loads(found.output)["images"]] == ["blank"]


def test_the_command_fails_when_an_image_has_no_outcome_in_time(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSTEON_CONSOLE_URL", url)
    apply(engine, some_images().records)

    found = CliRunner().invoke(commands.track, ["--wait", "--timeout-s", "0"])

    assert isinstance(found.exception, Passing)
    assert str(found.exception) == "1 images have no outcome after 0 s"


def test_the_command_says_how_to_start_a_console_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("OSTEON_CONSOLE_URL", f"http://127.0.0.1:{port}")

    found = CliRunner().invoke(commands.track, [])

    assert isinstance(found.exception, OsteonError)
    assert "see that it runs (make up)" in str(found.exception)


@pytest.fixture
def locked_port(engine: Engine, certificates: Path) -> Iterator[int]:
    shown = {"tls_certificate": certificates / "door.pem", "tls_key": certificates / "door.key"}
    settings = read_settings(ConsoleSettings, {}, tokens_file=certificates / "tokens", **shown)
    lock = http_lock(settings, "0.0.0.0", door="console", is_open=False, setting="OSTEON_IS_OPEN")
    health = Health()
    health.ready("track", True)
    with serving(api(engine, DEADLINE_S, health, is_current=lambda: True), lock) as port:
        yield port


def test_a_locked_console_answers_nobody_without_a_token_but_probes(locked_port: int, certificates: Path) -> None:
    trusts = client_context(certificates / "ca.pem")
    with httpx.Client(base_url=f"https://localhost:{locked_port}", verify=trusts) as stranger:
        asked = [stranger.get(path) for path in ("/api/images", "/api/images/x", "/api/stages", "/api/summary", "/")]
        probe = stranger.get("/healthz")

    assert {(answer.status_code, answer.headers["www-authenticate"]) for answer in asked} == {
        (401, 'Bearer realm="osteon"')
    }
    assert probe.status_code == 200


def test_the_command_asks_a_locked_console_as_the_how_to_says(
    engine: Engine, locked_port: int, certificates: Path, lock_the_doors: Callable[[str], str]
) -> None:
    apply(engine, some_images().records)
    asking = lock_the_doors("The console").strip() + " --json"

    script = f"set -e\nCONSOLE_PORT={locked_port} PATH={Path(sys.executable).parent}:$PATH\n{asking}"
    told = subprocess.run(["bash", "-c", script], cwd=certificates, capture_output=True, text=True, check=False)

    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["total"] == 3


@pytest.mark.parametrize(
    ("url", "told"), [("https://localhost:{}", "knows no such token"), ("http://192.0.2.1:{}", "read by the network")]
)
def test_the_command_says_what_is_wrong_with_a_token_and_does_not_tell_it(
    locked_port: int, certificates: Path, monkeypatch: pytest.MonkeyPatch, url: str, told: str
) -> None:
    monkeypatch.setenv("OSTEON_CONSOLE_URL", url.format(locked_port))
    monkeypatch.setenv("OSTEON_CONSOLE_CA", str(certificates / "ca.pem"))
    monkeypatch.setenv("OSTEON_CONSOLE_TOKEN", "wrong" * 9)

    found = CliRunner().invoke(commands.track, [])

    assert told in str(found.exception)
    assert "wrongwrong" not in str(found.exception)


def test_the_command_says_why_a_console_does_not_answer(locked_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEON_CONSOLE_URL", f"https://localhost:{locked_port}")

    found = CliRunner().invoke(commands.track, [])

    assert "CERTIFICATE_VERIFY_FAILED" in str(found.exception)

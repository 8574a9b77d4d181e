"""What a process says of itself over HTTP."""

import socket
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from osteon.errors import Fatal
from osteon.runtime import Settings, read_settings
from osteon.runtime.health import STALLED_AFTER_S, Health, serve


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


def status(port: int, path: str) -> int:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_a_process_is_ready_only_when_all_its_parts_are(port: int) -> None:
    health = Health()
    server = serve(health, port)
    assert server is not None
    seen = [status(port, "/readyz")]

    health.ready("bus", True)
    health.ready("store", False)
    seen.append(status(port, "/readyz"))
    health.ready("store", True)
    seen.append(status(port, "/readyz"))

    assert seen == [503, 503, 200]
    assert status(port, "/metrics") == 200
    assert status(port, "/elsewhere") == 404
    server.shutdown()
    server.server_close()


def test_a_loop_that_stands_still_is_not_alive(port: int) -> None:
    clock = Clock()
    health = Health(clock)
    server = serve(health, port)
    assert server is not None

    clock.now_s = STALLED_AFTER_S + 1
    stalled = status(port, "/healthz")
    health.alive()

    assert (stalled, status(port, "/healthz")) == (503, 200)
    server.shutdown()
    server.server_close()


def test_a_taken_port_is_fatal_and_names_the_setting(port: int) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()

        with pytest.raises(Fatal, match="OSTEON_HEALTH_PORT"):
            serve(Health(), port)


def test_health_and_metrics_listen_on_this_machine_alone_unless_told_otherwise(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    told = []
    for given in ({}, {"OSTEON_HEALTH_HOST": "0.0.0.0"}):
        settings = read_settings(Settings, given)
        server = serve(Health(), port, settings.health_host)
        assert server is not None
        told.append((server.server_address[0], "health and metrics open to the network" in caplog.messages))
        server.shutdown()
        server.server_close()

    assert told == [("127.0.0.1", False), ("0.0.0.0", True)]

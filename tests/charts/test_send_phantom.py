"""The program of `helm test`: a console that is away for a while is asked again."""

import runpy
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import certifi
import pytest

from osteon_stack.ports import HOST, free_ports

from .render import CHART


def test_a_console_that_is_away_has_no_outcome_yet_and_one_that_refuses_ends_the_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes = iter([503, 404, 403])

    class Console(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(next(codes))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Console)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told = {"DOOR": HOST, "CA": certifi.where(), "CONSOLE_CA": certifi.where(), "CONSOLE_TOKEN": "a-token"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)

    def outcome(port: int) -> object:
        monkeypatch.setenv("CONSOLE_URL", f"http://{HOST}:{port}")
        return runpy.run_path(str(CHART / "files" / "send-phantom.py"))["outcome"]("an-image")

    try:
        assert outcome(free_ports().console) is None  # nobody listens there
        assert outcome(server.server_port) is None
        assert outcome(server.server_port) is None
        with pytest.raises(SystemExit, match="answered 403"):
            outcome(server.server_port)
    finally:
        server.shutdown()
        server.server_close()

"""Logs are JSON lines, and what an exception quotes stays out of them."""

import json
import logging
from collections.abc import Iterator

import pytest

from osteon.runtime import logs


@pytest.fixture(autouse=True)
def root_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_values_are_fields_beside_a_constant_message(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("ingest")

    logs.logger("osteon.test").info("image received", extra={"image_id": "4f1c", "size_bytes": 3})

    line = json.loads(capsys.readouterr().err)
    assert (line["service"], line["message"], line["image_id"], line["size_bytes"]) == (
        "ingest", "image received", "4f1c", 3,
    )  # fmt: skip


def test_the_text_of_an_exception_is_left_out_and_its_place_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("ingest")

    try:
        raise ValueError("can't parse PLANTED^NAME")
    except ValueError:
        logs.logger("osteon.test").exception("attempt failed")

    text = capsys.readouterr().err
    assert "PLANTED" not in text
    assert json.loads(text)["error"] == "ValueError"
    assert "test_logs.py" in json.loads(text)["at"][0]


def test_libraries_that_may_log_headers_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("ingest", "DEBUG")

    logging.getLogger("pydicom").warning("value PLANTED^NAME is invalid")
    logging.getLogger("pynetdicom.acse").error("PLANTED")

    assert capsys.readouterr().err == ""

"""The clock of a part of a running stack jumps ahead and back with images in flight: one outcome for each image."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from osteon.bus import connect
from osteon.contracts.topics import IMAGE_RECEIVED
from osteon_ingest.identity import Keys, image_id
from osteon_stack.part import PART
from osteon_stack.parts import build
from osteon_stack.ports import HOST
from osteon_stack.prepare import connect_store
from osteon_stack.secrets import site_key
from osteon_stack.stack import Stack
from osteon_stack.state import read_states
from tests.faults.account import account, outcomes
from tests.faults.clocks import clock_environment, clocks_can_jump, jumped
from tests.faults.radiographs import Radiograph, write_radiographs
from tests.faults.senders import Sender, read_logs, senders

Until = Callable[..., None]
HOUR_S = 3600
SWEEPS_ALL_S = 840  # more than `sweep_after_s`, so that all looks forgotten; less than the store's 15 minutes
N_IMAGES = 5
SPREAD_S = 1.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not clocks_can_jump(), reason="no C compiler: clock.c can't be built"),
]


@contextmanager
def _in_flight(stack: Stack, folder: Path, seed: int, until: Until) -> Iterator[None]:
    """Images stream while the body runs; after it, each must have exactly its outcome."""
    images = list(write_radiographs(folder / "radiographs", N_IMAGES, seed))
    earlier = outcomes(connect(f"{HOST}:{stack.ports.kafka}")).keys()
    sending = senders(stack, images, SPREAD_S, folder / "senders", seed)
    for sender in sending:
        sender.start()
    until(lambda: _n_acknowledged(sending) > 0)
    yield
    for sender in sending:
        sender.join(240)
    _assert_one_outcome_each(stack, images, folder / "senders", earlier, until)


def _n_acknowledged(sending: list[Sender]) -> int:
    return sum(sender.n_acknowledged for sender in sending)


def _assert_one_outcome_each(
    stack: Stack, images: list[Radiograph], logs: Path, earlier: Collection[str], until: Until
) -> None:
    bus, keys = connect(f"{HOST}:{stack.ports.kafka}"), Keys.from_site_key(site_key(stack.folder))
    ours = {image_id(keys, image.uid) for image in images}
    until(lambda: ours <= outcomes(bus).keys(), within_s=240)
    found = account(images, read_logs(logs), bus, connect_store(stack.folder, stack.ports), keys)
    found = replace(found, strange=tuple(one for one in found.strange if one not in earlier))
    assert found.is_right, found


def test_the_brokers_clock_jumps_an_hour_ahead_and_back(stack: Stack, tmp_path: Path, until: Until) -> None:
    bus = connect(f"{HOST}:{stack.ports.kafka}")

    with _in_flight(stack, tmp_path, 21, until), jumped(stack, "kafka", HOUR_S):
        until(lambda: any(one.timestamp_ms > 1000 * (time.time() + HOUR_S / 2) for one in bus.read([IMAGE_RECEIVED])))


def test_a_stages_clock_jumps_an_hour_ahead_and_back(stack: Stack, tmp_path: Path, until: Until) -> None:
    """It ends, since the store refuses it, and is started again: its place in the group is given up and taken."""
    n_before = read_states(stack.folder)["accept"].n_restarts

    with _in_flight(stack, tmp_path, 22, until), jumped(stack, "accept", HOUR_S):
        until(lambda: read_states(stack.folder)["accept"].n_restarts > n_before)

    log = (stack.folder / "logs" / "accept.log").read_text(errors="replace")
    assert "the clock of this machine and that of the store differ" in log


def test_a_sweeper_that_takes_all_for_forgotten_doubles_nothing(stack: Stack, tmp_path: Path, until: Until) -> None:
    (ingest,) = build(("ingest",), stack.folder, stack.ports)
    environment = os.environ | ingest.environment | clock_environment(stack.folder) | {PART: "ingest"}
    environment["OSTEON_HEALTH_PORT"] = "0"

    with _in_flight(stack, tmp_path, 24, until), jumped(stack, "ingest", SWEEPS_ALL_S):
        sweep = [sys.executable, "-m", "osteon_ingest", "sweep"]
        swept = [subprocess.run(sweep, env=environment, check=True, capture_output=True, text=True) for _ in range(2)]

    assert all(_looked_at(one.stdout + one.stderr) > 0 for one in swept)  # its clock was ahead: they are seconds old


def _looked_at(log: str) -> int:
    """How many objects a sweep took for old."""
    (swept,) = (line for line in map(json.loads, log.splitlines()) if line["message"] == "inbox swept")
    return int(swept["looked_at"])


def test_overdue_follows_the_consoles_clock_and_makes_no_outcome(stack: Stack, tmp_path: Path, until: Until) -> None:
    classifier = read_states(stack.folder)["classifier"].pid
    assert classifier is not None

    with _in_flight(stack, tmp_path, 25, until):
        os.kill(classifier, signal.SIGSTOP)
        try:
            until(lambda: _summary(stack)["open"] > 0)
            with jumped(stack, "console", HOUR_S):
                until(lambda: _summary(stack)["overdue"] > 0)
            assert _summary(stack)["overdue"] == 0
        finally:
            os.kill(classifier, signal.SIGCONT)


def _summary(stack: Stack) -> dict[str, Any]:
    summary: dict[str, Any] = httpx.get(f"http://{HOST}:{stack.ports.console}/api/summary", timeout=30).json()
    return summary

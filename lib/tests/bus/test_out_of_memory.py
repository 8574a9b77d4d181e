"""An image that takes all memory there is: the kernel's OOM killer ends whoever works it, as in a pod with a limit.

A control group bounds the memory of a stage and of the subprocesses that it starts.
"""

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CONTROLLER = Path("/sys/fs/cgroup/memory")  # of version 1; under version 2 a group that has processes has no children
LIMIT_BYTES = 2**29  # a stage takes a fifth of it by itself

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
Until = Callable[..., None]


@pytest.fixture
def memory_group(until: Until) -> Iterator[Path]:
    """A new control group below our own, so that its processes stay under the limits that we are under."""
    ours = re.search(r"^\d+:memory:/(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
    group = CONTROLLER / (ours[1] if ours else "none") / f"osteon-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.swappiness").write_text("0")
        (group / "memory.limit_in_bytes").write_text(str(LIMIT_BYTES))
    except OSError as error:
        if group.exists():
            group.rmdir()
        pytest.skip(f"no memory control group (cgroup v1) can be made here: {error.strerror}")
    yield group
    members = group / "cgroup.procs"
    for pid in members.read_text().split():  # of a test that failed halfway
        os.kill(int(pid), signal.SIGKILL)
    until(lambda: not members.read_text())
    group.rmdir()


def n_taken(group: Path) -> int:
    """How many of its processes the OOM killer took."""
    found = re.search(r"^oom_kill (\d+)$", (group / "memory.oom_control").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_an_image_that_takes_all_memory_is_set_aside_and_its_neighbours_have_their_outcome(
    kafka_scene: Any, memory_group: Path, until: Until
) -> None:
    within = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(memory_group)]
    sent = [*(f"good-{one}" for one in range(4)), "swallow-x", *(f"good-{one}" for one in range(4, 8))]
    for image_id in sent:
        kafka_scene.send(image_id, patient="one")

    ended = [kafka_scene.process(within=within).wait(180) for _ in range(2)]  # with several in hand, then alone
    survivor = kafka_scene.process(within=within)
    until(lambda: survivor.poll() is not None or kafka_scene.outcomes().total() >= len(sent), within_s=300)
    survivor.terminate()

    assert survivor.wait(60) == 0
    assert ended == [-signal.SIGKILL] * 2
    assert n_taken(memory_group) >= 4  # those two, and two subprocesses of the survivor
    assert kafka_scene.outcomes() == dict.fromkeys(sent, 1)
    (aside,) = kafka_scene.aside()
    assert (aside.image_id, aside.reason) == ("swallow-x", "kills-worker")
    assert "SIGKILL" in aside.explanation

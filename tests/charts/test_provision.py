"""The job that provisions: what it does first, what it waits for, and what ends it."""

import subprocess
from pathlib import Path

import pytest

from .cases import CASES
from .render import pods, render

OSTEON = """#!/bin/sh
echo "$1 $2" >> calls
[ "$1 $2" = "$FAILS" ] && [ "$(grep -c "$FAILS" calls)" -le "$TIMES" ] && exit "$CODE"
[ "$1 $2" != "release list" ] || echo []
"""


def calls(case: str, folder: Path, fails: str = "", times: int = 0, code: int = 0) -> tuple[int, list[str]]:
    """Whether the job's script fails, and which commands it ran, of which one fails so often with this code."""
    (container,) = pods(render(CASES[case]))["trial-provision-1"]["spec"]["containers"]
    for name, text in (("osteon", OSTEON), ("sleep", "#!/bin/sh\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "FAILS": fails, "TIMES": str(times), "CODE": str(code)}
    ran = subprocess.run(container["command"], cwd=folder, env=environment, check=False)
    return ran.returncode, (folder / "calls").read_text().splitlines()


@pytest.mark.parametrize("case", CASES)
def test_kafka_and_the_store_are_claimed_before_anything_is_made_there(case: str, tmp_path: Path) -> None:
    code, ran = calls(case, tmp_path)

    assert code == 0
    claims = [] if case == "hub" else ["topics claim", "buckets claim"]
    assert ran[: len(claims) + 1] == [*claims, "topics provision"]
    assert {"topics check", "buckets provision"} < set(ran)


@pytest.mark.parametrize("claim", ["topics claim", "buckets claim"])
def test_at_another_sites_nothing_is_made_and_at_once_it_is_said(claim: str, tmp_path: Path) -> None:
    code, ran = calls("defaults", tmp_path, claim, 1, 1)

    assert code != 0
    assert [one for one in ran if not one.endswith("claim")] == []
    assert ran[-1] == claim


@pytest.mark.parametrize("command", ["topics claim", "buckets claim", "topics check", "release list", "release make"])
def test_what_is_not_there_yet_is_waited_for(command: str, tmp_path: Path) -> None:
    code, ran = calls("defaults", tmp_path, command, 2, 75)

    assert code == 0
    assert ran.count(command) == 3
    assert ran[-1] == "release make"


def test_helm_sees_that_the_job_failed() -> None:
    """It counts the pods that failed, and a pod that starts again is none."""
    pod = pods(render({}))["trial-provision-1"]

    assert pod["spec"]["restartPolicy"] == "Never"

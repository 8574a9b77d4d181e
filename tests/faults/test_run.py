"""A short run of `make faults`, as a user starts it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT = ("--images", "40", "--kills", "5", "--halts", "1", "--halt-s", "12", "--joins", "1", "--gap-s", "3")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_lost_or_doubled_while_parts_are_killed_halted_and_switched(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.faults", "--seed", "1", *SHORT, "--out", str(tmp_path / "result.json")]

    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=800, check=False)

    assert told.returncode == 0, told.stdout + told.stderr
    assert "0 lost, 0 doubled" in told.stdout
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["account"]["n_acknowledged"] == 40
    assert len([blow for blow in result["blows"] if blow["deed"] == "kill"]) == 5
    assert all(blow["ready_after_s"] is not None for blow in result["blows"])

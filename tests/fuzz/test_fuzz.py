"""A short run of everything that `make fuzz` does, and that what it finds is told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def fuzz(folder: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.fuzz", "--folder", str(folder), *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def outcomes(kept: Path) -> dict[int, tuple[str, str]]:
    """By number, what was done to a sound file and what became of it."""
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    return {told["number"]: (told["made"], told["outcome"]) for told in lines}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("target", "n"), [("files", 3000), ("stow", 10_000), ("dimse", 10_000), ("records", 10_000)])
def test_wild_input_always_comes_to_an_outcome(tmp_path: Path, target: str, n: int) -> None:
    run = fuzz(tmp_path, target, "-n", str(n))

    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
def test_a_run_that_was_ended_goes_on_with_the_same_inputs(tmp_path: Path) -> None:
    kept = tmp_path / "seed-3" / "files" / "outcomes.jsonl"
    assert fuzz(tmp_path, "files", "--seed", "3", "-n", "8").returncode == 0
    whole = outcomes(kept)
    kept.write_text("".join(kept.read_text().splitlines(keepends=True)[:3]))

    assert fuzz(tmp_path, "files", "--seed", "3", "-n", "8").returncode == 0

    assert sorted(whole) == list(range(8))
    assert outcomes(kept) == whole


def test_what_was_found_is_told_and_is_no_success(tmp_path: Path) -> None:
    folder = tmp_path / "seed-0" / "files"
    folder.mkdir(parents=True)
    (folder / "outcomes.jsonl").write_text(json.dumps({"number": 999, "outcome": "FOUND: a worker died"}) + "\n")

    run = fuzz(tmp_path, "files", "-n", "2")

    assert run.returncode == 1
    assert "files 999: FOUND: a worker died" in run.stdout

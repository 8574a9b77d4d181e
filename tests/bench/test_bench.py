"""The benchmark itself runs: so little of everything that the numbers mean nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# One stack serves all of these; the others bring up more.
MEASURES = (
    "empty_stage",
    "bus_bytes",
    "processor_time",
    "ceiling",
    "real_models",
    "memory",
    "cohort_table",
    "cohort_reading",
)


@pytest.mark.slow
def test_measures_run_at_tiny_size(tmp_path: Path) -> None:
    out = tmp_path / "latest.json"

    done = subprocess.run(
        [sys.executable, "-m", "bench", "--tiny", "--out", str(out), *MEASURES],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(out.read_text())["rows"]
    assert {row["measure"] for row in rows} == set(MEASURES)
    assert all(row["value"] > 0 for row in rows)


def test_an_unknown_measure_is_told_with_the_known_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "speed"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "unknown measure speed" in done.stderr
    assert "ceiling" in done.stderr

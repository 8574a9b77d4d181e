"""`osteon release …` as people call it, on real Kafka, SeaweedFS and Triton."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from osteon.bus import connect
from osteon.contracts.topics import TOPICS

OSTEON = str(Path(sys.executable).with_name("osteon"))

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(kafka: str, seaweedfs: Any, triton: Any) -> dict[str, str]:
    connect(kafka).provision(TOPICS)
    return os.environ | {
        "OSTEON_KAFKA_SERVERS": kafka,
        "OSTEON_STORE_ENDPOINT": seaweedfs.endpoint,
        "OSTEON_STORE_ACCESS_KEY": seaweedfs.access_key,
        "OSTEON_STORE_SECRET_KEY": seaweedfs.secret_key,
        "OSTEON_TRITON_URL": triton.grpc_url,
        "OSTEON_REPOSITORY": str(triton.repository),
    }


def test_models_are_released_served_and_put_in_force(
    environment: dict[str, str], harmonizer: Any, classifier: Any, tmp_path: Path
) -> None:
    harmonizer("told-gain")
    classifier("told-mean")
    folders = ("--harmonizer", tmp_path / "told-gain-1-0.5", "--classifier", tmp_path / "told-mean-1-0.0")

    def osteon(*arguments: object, environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        command = [OSTEON, "release", *map(str, arguments)]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)

    # `reconcile` alone knows OSTEON_REPOSITORY
    people = {name: value for name, value in environment.items() if name != "OSTEON_REPOSITORY"}
    reconcile = subprocess.Popen([OSTEON, "release", "reconcile"], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        made = osteon("make", *folders, "--use", environ=people)
        listed = osteon("list", "--json", environ=people)
        saved = osteon(
            "save", json.loads(listed.stdout or "[{}]")[-1].get("id", ""), tmp_path / "saved", environ=people
        )
        refused = osteon("retire", json.loads(listed.stdout or "[{}]")[-1].get("id", ""), environ=people)
    finally:
        reconcile.terminate()
        log = reconcile.communicate(timeout=60)[1]

    assert made.returncode == 0, made.stderr + log
    assert [(one["in_force"], one["harmonizer"]) for one in json.loads(listed.stdout)] == [(True, "told-gain 1")]
    assert saved.returncode == 0, saved.stderr
    assert (tmp_path / "saved" / "classifier" / "card.json").exists()
    assert refused.returncode == 1
    assert "in force" in refused.stderr
    assert reconcile.returncode == 0, log
    assert '"model loaded"' in log

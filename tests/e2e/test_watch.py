"""A real Prometheus scrapes the stack while images go through: every panel shows something, a dead letter is told."""

import math
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaProducer
from tests.dashboards.read import Query, alerts, metric_names, queries

from osteon.bus.login import Brokers
from osteon.contracts.topics import IMAGE_DEIDENTIFIED
from osteon_stack.ports import HOST
from osteon_stack.prometheus import is_installed
from osteon_stack.secrets import ADMIN, kafka_login
from osteon_stack.stack import Stack

Osteon = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not is_installed(), reason="prometheus is missing: apt-get install prometheus"),
]

EMPTY_HERE = ("GPU", "GPU power", "Free on volumes (Kubernetes)", "First certificate expires in")
"""Panels of what this stack has not: a GPU, kubelets, TLS."""

ABSENT_HERE = ("kubelet_", "osteon_audit_", "osteon_tls_certificate_")
"""Metrics of what this stack has not: kubelets, an audit repository, TLS."""


@pytest.fixture
def ask(stack: Stack) -> Iterator[Callable[..., Any]]:
    """Asks Prometheus: `ask("query", query="up")`."""
    with httpx.Client(base_url=f"http://{HOST}:{stack.ports.prometheus}/api/v1/") as client:
        yield lambda path, **parameters: client.get(path, params=parameters).raise_for_status().json()["data"]


@pytest.fixture
def worked(stack: Stack, osteon: Osteon, tmp_path: Path) -> None:
    """Images with every kind of outcome went through, a record that no stage can work among them."""
    stack.up()
    folder = ("--folder", str(stack.folder), "--report", str(tmp_path / "report.html"))
    told = osteon("demo", *folder, "--n-images", "12", "--seed", "7")
    assert told.returncode == 0, told.stdout + told.stderr
    brokers = Brokers((f"{HOST}:{stack.ports.kafka}",), kafka_login(stack.folder, ADMIN))
    producer = brokers.client(KafkaProducer)
    producer.send(IMAGE_DEIDENTIFIED.name, key=b"nobody", value=b"\xff").get(timeout=30)
    producer.close()


@pytest.mark.usefixtures("worked")
def test_every_panel_shows_something_and_a_dead_letter_is_told_of(
    ask: Callable[..., Any], until: Callable[..., None]
) -> None:
    def is_shown(query: Query) -> bool:
        samples = ask("query", query=query.expression)["result"]
        return any(not math.isnan(float(sample["value"][1])) for sample in samples)

    waited_for = [query for query in queries() if query.panel not in EMPTY_HERE]
    until(
        lambda: not [query for query in waited_for if not is_shown(query)], what=lambda: _unshown(waited_for, is_shown)
    )

    rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
    assert [rule["name"] for rule in rules] == [alert["alert"] for alert in alerts()]
    assert {rule["health"] for rule in rules} == {"ok"}
    asked = {name for alert in alerts() for name in metric_names(alert["expr"])}
    assert sorted(name for name in asked - set(ask("label/__name__/values")) if not name.startswith(ABSENT_HERE)) == []
    until(lambda: "OsteonDeadLetters" in {alert["labels"]["alertname"] for alert in ask("alerts")["alerts"]})
    assert {target["health"] for target in ask("targets")["activeTargets"]} == {"up"}


def _unshown(asked: list[Query], is_shown: Callable[[Query], bool]) -> str:
    return "\n".join(f"{query.dashboard}: {query.panel}: {query.expression}" for query in asked if not is_shown(query))

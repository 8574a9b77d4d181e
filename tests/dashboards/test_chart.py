"""The chart carries dashboards and alerts as they are, and its alerts speak of its own namespace alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from ..charts.render import render
from .read import DASHBOARDS, alerts
from .test_alerts import promtool


@pytest.fixture(scope="module")
def rendered() -> list[dict[str, Any]]:
    """All objects of the chart, with everything for Prometheus and Grafana turned on."""
    metrics = {"monitors": {"enabled": True}, "rules": {"enabled": True, "runbooks": "https://wiki.example/"}}
    return render({"metrics": metrics})


def of_kind(rendered: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in rendered if one["kind"] == kind]


def test_the_chart_carries_the_dashboards_as_they_are(rendered: list[dict[str, Any]]) -> None:
    carried = [one for one in of_kind(rendered, "ConfigMap") if "grafana_dashboard" in one["metadata"]["labels"]]

    found = {name: json.loads(text) for one in carried for name, text in one["data"].items()}

    assert found == {f"osteon-{path.name}": json.loads(path.read_text()) for path in DASHBOARDS}


def test_the_chart_carries_the_alerts_for_its_own_namespace(rendered: list[dict[str, Any]], tmp_path: Path) -> None:
    (rule,) = of_kind(rendered, "PrometheusRule")
    carried = [one for group in rule["spec"]["groups"] for one in group["rules"]]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(rule["spec"]))

    assert [one["alert"] for one in carried] == [one["alert"] for one in alerts()]
    assert [one["expr"] for one in carried if one["expr"].count("{") != one["expr"].count('namespace="ward"')] == []
    assert all(one["annotations"]["runbook_url"].startswith("https://wiki.example/alerts.md#") for one in carried)
    promtool("check", "rules", str(file))


def test_what_a_monitor_scrapes_is_not_annotated_too(rendered: list[dict[str, Any]]) -> None:
    (monitor,) = of_kind(rendered, "PodMonitor")
    pods = [one["spec"]["template"] for one in rendered if one["kind"] in ("StatefulSet", "Deployment")]
    ports = {port["name"] for pod in pods for one in pod["spec"]["containers"] for port in one.get("ports", ())}

    assert {one["port"] for one in monitor["spec"]["podMetricsEndpoints"]} <= ports
    assert [pod for pod in pods if "prometheus.io/scrape" in (pod["metadata"].get("annotations") or {})] == []

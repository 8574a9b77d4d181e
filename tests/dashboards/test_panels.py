"""What the dashboards are made of; that each query finds something, tests/e2e/test_watch.py asks a real Prometheus."""

import json
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from .read import DASHBOARDS, OURS, alerts, metric_names, queries

OTHERS = ("nv_", "SeaweedFS_", "kubelet_volume_stats_")
"""How the metrics of Triton, SeaweedFS and Kubernetes begin; tests/e2e asks whether they exist."""


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_holds_only_what_grafana_knows(path: Path) -> None:
    register_default_plugins()
    written = json.loads(path.read_text())

    read = json.loads(JSONEncoder().encode(Dashboard.from_json(written)))

    assert _missing(written, read) == []


def _missing(written: Any, read: Any, at: str = "") -> list[str]:
    """What Grafana's own classes left out or changed, since they do not know it."""
    if isinstance(written, dict) and isinstance(read, dict):
        return [one for key in written for one in _missing(written[key], read.get(key), f"{at}/{key}")]
    if isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        return [one for n, pair in enumerate(zip(written, read, strict=True)) for one in _missing(*pair, f"{at}/{n}")]
    return [] if written == read else [at]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_do_not_overlap_and_bear_their_own_numbers(path: Path) -> None:
    panels = json.loads(path.read_text())["panels"]

    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_metrics_of_ours_in_dashboards_and_alerts_come_from_the_list() -> None:
    asked = {name for query in queries() for name in metric_names(query.expression)}
    asked |= {name for alert in alerts() for name in metric_names(alert["expr"])} - {"up"}

    assert sorted(name for name in asked if not name.startswith(OTHERS) and name not in OURS) == []
    assert any(name in OURS for name in asked)


def test_every_query_can_be_limited_to_a_namespace() -> None:
    """Else two hospitals on one cluster would be added up, or answer for each other."""
    asked = [query.expression for query in queries()] + [alert["expr"] for alert in alerts()]

    assert [one for one in asked if one.count("{") != one.count('namespace=~".*"')] == []

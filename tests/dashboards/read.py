"""The dashboards and alerts of the chart, as the tests read them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import REGISTRY

from osteon.runtime import metrics

__all__ = ["CHART", "DASHBOARDS", "OURS", "RULES", "Query", "alerts", "metric_names", "queries"]

CHART = Path(__file__).parents[2] / "helm" / "osteon"
DASHBOARDS = sorted((CHART / "dashboards").glob("*.json"))
RULES = CHART / "rules" / "alerts.yaml"
_GIVEN = {"namespace": ".*", "site": ".*", "__rate_interval": "1h"}


@dataclass(frozen=True)
class Query:
    """What one line of a panel asks of Prometheus, its variables filled in."""

    dashboard: str
    panel: str
    expression: str


def queries() -> Iterator[Query]:
    """Each query of each panel."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                filled = re.sub(r"\$(\w+)", lambda found: _GIVEN[found[1]], target["expr"])
                yield Query(path.stem, panel["title"], filled)


def alerts() -> list[dict[str, Any]]:
    """Each alert, as it stands in the rules."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def metric_names(expression: str) -> set[str]:
    """The metrics that an expression asks for: every word before a brace."""
    return set(re.findall(r"([A-Za-z_]\w*)\{", expression))


def _samples() -> Iterator[str]:
    ours = {id(metric) for metric in vars(metrics).values()}
    for collector, names in REGISTRY._collector_to_names.items():
        if id(collector) in ours:
            yield from names


OURS = frozenset(_samples())
"""Every name that a metric of `osteon.runtime.metrics` has in Prometheus, buckets, sums and counts among them."""

"""What the chart renders, against the schemas that Kubernetes publishes: every field known, and of the right type.

Not checked here: kinds that others bring (KEDA, cert-manager, the Prometheus Operator), whose schemas no package holds,
and what the API server asks beyond its schemas (names, quantities, selectors that match). `make cluster-test` shows
what the cluster that it runs on asks.
"""

import json
from functools import cache

import kubernetes_validate
import pytest
from kubernetes_validate import utils

from .cases import CASES
from .render import Object, render

VERSIONS = ("1.29", kubernetes_validate.latest_version())
"""The oldest that the chart is for, and the newest whose schemas are there."""

read_schemas = cache(utils.schema_contents)

OTHERS = {
    "keda.sh/v1alpha1/ScaledObject",
    "keda.sh/v1alpha1/TriggerAuthentication",
    "cert-manager.io/v1/Issuer",
    "cert-manager.io/v1/Certificate",
    "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
}


@pytest.fixture(autouse=True)
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package reads a megabyte of schemas for each object, which would take half a minute."""
    monkeypatch.setattr(utils, "schema_contents", read_schemas)


def distinct() -> dict[str, Object]:
    """Each object of any case once; secrets, which are made at random, by their name."""
    found = {}
    for values in CASES.values():
        for one in render(values):
            shown = {**one, "data": sorted(one["data"])} if one["kind"] == "Secret" else one
            found[json.dumps(shown, sort_keys=True)] = one
    return found


def trouble(one: Object, version: str) -> str:
    """What is wrong with an object; empty if nothing is. Raises SchemaNotFoundError for a kind that others bring."""
    try:
        kubernetes_validate.validate(one, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{one['kind']} {one['metadata']['name']}: {'.'.join(map(str, error.path))}: {error.message}"
    return ""


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_one_that_kubernetes_knows(version: str) -> None:
    unknown, wrong = set(), []
    for one in distinct().values():
        try:
            wrong.append(trouble(one, version))
        except kubernetes_validate.SchemaNotFoundError:
            unknown.add(f"{one['apiVersion']}/{one['kind']}")

    assert [one for one in wrong if one] == []
    assert unknown == OTHERS


def test_a_field_that_kubernetes_does_not_know_is_seen() -> None:
    service = next(one for one in render({}) if one["kind"] == "Service")
    port = service["spec"]["ports"][0]

    assert "'portt' was unexpected" in trouble(
        {**service, "spec": {**service["spec"], "ports": [{**port, "portt": 1}]}}, "1.29"
    )
    assert "is not of type" in trouble({**service, "spec": {**service["spec"], "ports": "none"}}, "1.29")

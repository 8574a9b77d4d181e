"""What a real API server and scheduler make of the chart: all that it renders is admitted, and GPUs are given out."""

import copy
import json
import os
from collections.abc import Iterator

import pytest

from ..charts.cases import CASES
from ..charts.render import Object, render
from .cluster import Cluster, connect, until

pytestmark = pytest.mark.slow

OF_OTHERS = {"Certificate", "Issuer", "PodMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"}
"""Kinds that an operator brings, which need not be on this cluster."""
N_GPUS = 2


@pytest.fixture(scope="module")
def strict() -> Iterator[Cluster]:
    """A namespace that refuses pods beyond `restricted`, and warns of what would make such."""
    found = connect(f"osteon-strict-{os.getpid()}")
    try:
        found.make()
        found.run("kubectl", "label", "namespace", found.namespace, "pod-security.kubernetes.io/warn=restricted")
        yield found
    finally:
        found.end()


def listed(objects: list[Object]) -> str:
    """A list for whichever namespace it is sent to."""
    moved = copy.deepcopy(objects)
    for one in moved:
        one["metadata"].pop("namespace", None)
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": moved})


@pytest.mark.parametrize("case", CASES)
def test_the_api_server_takes_all_that_the_chart_makes_and_warns_of_nothing(strict: Cluster, case: str) -> None:
    objects = [one for one in render(CASES[case]) if one["kind"] not in OF_OTHERS]
    accounts = [one for one in objects if one["kind"] == "ServiceAccount"]  # without its own no pod is taken

    strict.run("kubectl", "apply", "--filename=-", stdin=listed(accounts))
    command = ("kubectl", "apply", "--dry-run=server", "--output=name", "--warnings-as-errors", "--filename=-")
    taken = strict.run(*command, stdin=listed(objects)).split()

    assert len(taken) == len(objects)


def phases(cluster: Cluster) -> dict[str, str]:
    """Whether the scheduler found a place for each pod, or why not."""
    told = {}
    for pod in cluster.get("pods"):
        for one in pod["status"].get("conditions", ()):
            if one["type"] == "PodScheduled":
                told[pod["metadata"]["name"]] = "placed" if one["status"] == "True" else one["message"]
    return told


@pytest.mark.parametrize(
    ("gpu", "placed"), [({"resource": "nvidia.com/gpu"}, N_GPUS), ({"resource": "nvidia.com/mig-1g.10gb"}, 0)]
)
def test_as_many_tritons_are_placed_as_there_are_gpus(strict: Cluster, gpu: Object, placed: int) -> None:
    claims = [node["status"]["allocatable"].get("nvidia.com/gpu") for node in strict.get("nodes")]
    if claims != [str(N_GPUS)]:
        pytest.skip(f"no node that claims to have {N_GPUS} GPUs")
    small = {"requests": {"cpu": "1m", "memory": "1Mi"}}
    triton = {"gpu": gpu, "replicas": N_GPUS + 1, "image": "none.invalid/triton:1", "resources": small}
    values: Object = {"triton": triton | {"reconcile": {"resources": small}}}
    wanted = [one for one in render(values) if one["metadata"]["name"] == "trial-triton"]
    wanted = [one for one in wanted if one["kind"] in ("ServiceAccount", "StatefulSet")]

    strict.run("kubectl", "apply", "--filename=-", stdin=listed(wanted))

    try:
        until(lambda: len(phases(strict)) == N_GPUS + 1, "the scheduler looked at all pods", within_s=60)
        told = list(phases(strict).values())
        assert told.count("placed") == placed
        assert all(f"Insufficient {gpu['resource']}" in one for one in told if one != "placed")
    finally:
        strict.run(
            "kubectl", "delete", "statefulset/trial-triton", "--cascade=foreground", "--timeout=120s", within_s=180
        )

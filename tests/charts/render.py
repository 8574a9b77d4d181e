"""The chart as Helm renders it, from values that a test gives."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

__all__ = ["CHART", "NAMESPACE", "Object", "by_name", "containers", "helm", "part_of", "pods", "refusal", "render"]

CHART = Path(__file__).parents[2] / "helm" / "osteon"
NAMESPACE = "ward"

Object = dict[str, Any]


def helm() -> str:
    """The program; skips where there is none."""
    home = Path(os.environ.get("CLUSTER_HOME", Path.home() / ".cache" / "osteon-cluster"))
    found = shutil.which("helm") or shutil.which("helm", path=home / "bin")
    if found is None:
        pytest.skip("helm is missing")
    return found


@cache
def _template(values: str) -> "subprocess.CompletedProcess[str]":
    command = [helm(), "template", "trial", str(CHART), "--namespace", NAMESPACE, "--kube-version", "1.34.0"]
    return subprocess.run([*command, "--values", "-"], input=values, capture_output=True, text=True, check=False)


def render(values: Object) -> list[Object]:
    """All objects of a release named `trial` in the namespace `ward`: read only, since they are shared."""
    return _objects(yaml.safe_dump(values))


@cache
def _objects(values: str) -> list[Object]:
    ran = _template(values)
    assert ran.returncode == 0, ran.stderr
    return [one for one in yaml.load_all(ran.stdout, yaml.CSafeLoader) if one]


def refusal(values: Object) -> str:
    """What Helm says against these values; empty where it takes them."""
    ran = _template(yaml.safe_dump(values))
    return ran.stderr if ran.returncode else ""


def pods(objects: list[Object]) -> dict[str, Object]:
    """The pods that the objects make, by the name of the object: metadata and spec."""
    found = {}
    for one in objects:
        if one["kind"] == "Pod":
            found[one["metadata"]["name"]] = one
            continue
        spec = one.get("spec", {})
        spec = spec["jobTemplate"]["spec"] if one["kind"] == "CronJob" else spec
        if "template" in spec:
            found[one["metadata"]["name"]] = spec["template"]
    return found


def containers(pod: Object) -> Iterator[Object]:
    """Those that prepare, then those that run."""
    yield from pod["spec"].get("initContainers", ())
    yield from pod["spec"]["containers"]


def by_name(objects: list[Object], kind: str) -> dict[str, Object]:
    """The objects of a kind by their names."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def part_of(name: str) -> str:
    """The part that an object of the release `trial` belongs to, by its name."""
    return name.removeprefix("trial-").removesuffix("-1")

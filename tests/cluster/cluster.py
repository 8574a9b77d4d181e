"""A Kubernetes cluster to try things on: the one that KUBECONFIG names."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Cluster", "connect", "home", "until"]


@dataclass(frozen=True)
class Cluster:
    """How kubectl and helm are called, in one namespace."""

    namespace: str
    tools: Path | None = None
    """Where the two are, if not on PATH."""

    def run(self, *command: str, stdin: str = "", within_s: float = 120.0) -> str:
        """What `kubectl …` or `helm …` prints, in this namespace. Raises AssertionError with what it says otherwise."""
        tool = shutil.which(command[0], path=self.tools) or command[0]
        ran = subprocess.run(
            [tool, "--namespace", self.namespace, *command[1:]],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        assert ran.returncode == 0, f"{' '.join(command)}: {ran.stderr}{ran.stdout}"
        return ran.stdout

    def get(self, *what: str) -> list[dict[str, Any]]:
        """Objects of some kinds, by what `kubectl get` takes."""
        found: list[dict[str, Any]] = json.loads(self.run("kubectl", "get", *what, "--output", "json"))["items"]
        return found

    def make(self) -> None:
        """The namespace, in which only pods of the standard `restricted` may run."""
        self.run("kubectl", "create", "namespace", self.namespace)
        self.run("kubectl", "label", "namespace", self.namespace, "pod-security.kubernetes.io/enforce=restricted")

    def tell(self) -> str:
        """What one asks first when something is wrong: pods, the last events, the last lines of each log."""
        asked = [("get", "pods", "--output=wide"), ("events",)]
        logs = ("logs", "--all-containers", "--prefix", "--tail=25", "--ignore-errors")
        asked += [(*logs, f"--selector=app.kubernetes.io/component={part}") for part in self._parts()]
        tool = shutil.which("kubectl", path=self.tools) or "kubectl"
        told = []
        for command in asked:
            ran = subprocess.run(
                [tool, "--namespace", self.namespace, *command], capture_output=True, text=True, timeout=60, check=False
            )
            told.append("\n".join([f"kubectl {' '.join(command)}", *(ran.stdout + ran.stderr).splitlines()[-80:]]))
        return "\n\n".join(told)

    def _parts(self) -> set[str]:
        return {one["metadata"].get("labels", {}).get("app.kubernetes.io/component", "") for one in self.get("pods")}

    def end(self) -> None:
        """Delete the namespace and all in it.

        Pods first: while a namespace has any, Kubernetes looks again only after half of their longest grace, five
        minutes for the doors.
        """
        pods = ("deployments,statefulsets,jobs,pods", "--all", "--grace-period=1", "--timeout=120s")
        self.run("kubectl", "delete", *pods, within_s=150)
        self.run("kubectl", "delete", "namespace", self.namespace, "--ignore-not-found", "--timeout=240s", within_s=300)


def connect(namespace: str) -> Cluster:
    """The cluster of KUBECONFIG; skips without one."""
    if "KUBECONFIG" not in os.environ:
        pytest.skip("KUBECONFIG names no cluster")
    tools = home() / "bin"
    missing = [one for one in ("kubectl", "helm") if not (shutil.which(one) or shutil.which(one, path=tools))]
    if missing:
        pytest.skip(f"{' and '.join(missing)} missing")
    return Cluster(namespace, None if shutil.which("kubectl") else tools)


def home() -> Path:
    """Where a one-node cluster for tests keeps what is its own, if there is one on this machine."""
    return Path(os.environ.get("CLUSTER_HOME", Path.home() / ".cache" / "osteon-cluster"))


def until(holds: Callable[[], bool], what: str, *, within_s: float) -> float:
    """Wait for a condition; the seconds that it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, f"not within {within_s:.0f} s: {what}"
        time.sleep(1.0)
    return time.monotonic() - began

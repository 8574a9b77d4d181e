"""A release of the chart on a cluster: installed, changed, sent to, and asked what became of what was sent."""

import base64
import json
import os
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from osteon.cohort.send import Parcel, send_by_c_store, send_by_stow

from ..faults.radiographs import Radiograph
from ..faults.senders import Carry, Sender
from .cluster import Cluster

__all__ = ["PARTS", "PATIENCE_S", "Door", "Outcome", "Release"]

PATIENCE_S = 900.0
HOST = "127.0.0.1"  # NodePorts answer there on the machine that runs a cluster of one node
PARTS = ("accept", "harmonizer", "classifier", "ingest", "triton", "kafka", "store", "console")

OUTCOMES = """
import json
from osteon import bus
from osteon.contracts.topics import DEAD_LETTER, IMAGE_CLASSIFIED, IMAGE_SET_ASIDE
from osteon.runtime import read_settings
from osteon_console.settings import ConsoleSettings
for topic in IMAGE_CLASSIFIED, IMAGE_SET_ASIDE, DEAD_LETTER:
    for record in bus.connect_as(read_settings(ConsoleSettings)).read([topic]):
        image = topic.message.FromString(record.value or b"").image_id
        print(json.dumps([image, topic.name, record.timestamp_ms / 1000]))
"""


@dataclass(frozen=True)
class Outcome:
    """Where an image ended, and when (seconds since 1970)."""

    topic: str
    at_s: float


@dataclass(frozen=True)
class Door:
    """Where the doors listen, and what STOW-RS asks for."""

    dimse: int
    stow: int
    token: str = ""
    ca: Path | None = None

    def senders(self, images: Sequence[Radiograph], spread_s: float, folder: Path, seed: int) -> list[Sender]:
        """One that sends half of the images by C-STORE and one that sends the others by STOW-RS; logs into `folder`."""
        url = f"{'https' if self.ca else 'http'}://{HOST}:{self.stow}/dicomweb/studies"

        def by_c_store(batch: Sequence[Radiograph]) -> Iterator[str]:
            parcels = [Parcel(image.path, "dimse") for image in batch]
            return (answer.text for answer in send_by_c_store(parcels, HOST, self.dimse, "OSTEON"))

        def by_stow(batch: Sequence[Radiograph]) -> Iterator[str]:
            for image in batch:
                try:
                    (answer,) = send_by_stow((Parcel(image.path, "stow"),), url, self.token, self.ca)
                    yield answer.text
                except httpx.HTTPError as error:
                    yield type(error).__name__

        carriers: dict[str, Carry] = {"c-store": by_c_store, "stow": by_stow}
        folder.mkdir(parents=True, exist_ok=True)
        return [
            Sender(name, carry, images[n :: len(carriers)], spread_s, folder / f"{name}.jsonl", random.Random(seed + n))
            for n, (name, carry) in enumerate(carriers.items())
        ]


@dataclass(frozen=True)
class Release:
    """A chart under a name in the namespace of a cluster."""

    cluster: Cluster
    chart: Path
    name: str = "trial"

    def change(self, verb: str, *more: str) -> float:
        """`helm install`, `upgrade` or `rollback`, until all is ready and the job is done; the seconds that it took."""
        began = time.monotonic()
        chart = (str(self.chart),) if verb in ("install", "upgrade") else ()
        values = ("--values", os.environ["VALUES"]) if chart and os.environ.get("VALUES") else ()
        wait = ("--wait", "--wait-for-jobs", "--timeout", f"{PATIENCE_S:.0f}s")
        self.cluster.run("helm", verb, self.name, *chart, *values, *more, *wait, within_s=PATIENCE_S + 60)
        return time.monotonic() - began

    def secret(self, name: str, key: str) -> str:
        """One value of a Secret of the release."""
        path = key.replace(".", "\\.")
        wanted = ("secret", f"{self.name}-{name}", "--output", f"jsonpath={{.data.{path}}}")
        return base64.b64decode(self.cluster.run("kubectl", "get", *wanted)).decode()

    def door(self, folder: Path) -> Door:
        """The ports of the doors on the nodes; the authority of their certificate is laid into `folder`."""
        (service,) = [one for one in self.cluster.get("services") if one["metadata"]["name"] == f"{self.name}-ingest"]
        ports = {one["name"]: one["nodePort"] for one in service["spec"]["ports"]}
        ca = folder / "ca.crt"
        ca.write_text(self.secret("ingest-tls", "ca.crt"))
        return Door(ports["dimse"], ports["stow"], self.secret("tokens", "sender"), ca)

    def outcomes(self) -> Mapping[str, list[Outcome]]:
        """The outcomes of each image, by its id, as the console reads them from Kafka."""
        console = f"statefulset/{self.name}-console"
        self.cluster.run("kubectl", "rollout", "status", console, "--timeout=300s", within_s=330)
        command = ("exec", console, "--container", "console", "--", "python", "-c", OUTCOMES)
        found = defaultdict(list)
        for line in self.cluster.run("kubectl", *command, within_s=300).splitlines():
            image, topic, at_s = json.loads(line)
            found[image].append(Outcome(topic, at_s))
        return found

    def objects(self) -> set[tuple[str, str]]:
        """Kind and name of everything on the cluster that bears the release's label."""
        found: set[tuple[str, str]] = set()
        for scope in ("true", "false"):
            kinds = self.cluster.run(
                "kubectl", "api-resources", "--verbs=list", f"--namespaced={scope}", "--output=name"
            )
            chosen = ("--selector", f"app.kubernetes.io/instance={self.name}", "--ignore-not-found")
            told = self.cluster.run("kubectl", "get", ",".join(kinds.split()), *chosen, "--output", "json")
            found |= {(one["kind"], one["metadata"]["name"]) for one in json.loads(told or '{"items": []}')["items"]}
        return found

    def memory_bytes(self) -> int:
        """What the pods of the namespace hold, as the kubelets tell."""
        total = 0
        for node in json.loads(self.cluster.run("kubectl", "get", "nodes", "--output", "json"))["items"]:
            path = f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"
            told = json.loads(self.cluster.run("kubectl", "get", "--raw", path))
            own = [pod for pod in told["pods"] if pod["podRef"]["namespace"] == self.cluster.namespace]
            total += sum(pod.get("memory", {}).get("workingSetBytes", 0) for pod in own)
        return total

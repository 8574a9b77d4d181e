"""The chart from first to last on a real cluster: install, stream while pods die, upgrade, roll back, test, uninstall.

Run it by `make cluster-test`. Images must be on the nodes, or in the registry that the values name.
"""

import base64
import itertools
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from osteon_ingest.identity import Keys, image_id
from osteon_stack.demo.send import Parcel, send_by_c_store, send_by_stow

from ..charts.render import CHART
from ..faults.radiographs import Radiograph, write_radiographs
from ..faults.senders import Carry, Sender, read_logs
from .cluster import Cluster, connect, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(5400)]

N_IMAGES = int(os.environ.get("IMAGES", "200"))
SEED = int(os.environ.get("SEED", "1"))
RELEASE = "trial"
HOST = "127.0.0.1"  # NodePorts answer there on the machine that runs a cluster of one node
PATIENCE_S = 1500.0
EVERY_S = (4.0, 12.0)  # between two deletions of a pod
MORTAL = ("accept", "harmonizer", "classifier", "ingest", "triton", "kafka", "store", "console")

KEPT = {f"{RELEASE}-{one}" for one in ("site-key", "tokens", "store-identities", "kafka-users", "authority")}
"""Secrets without which kept volumes stay shut and pseudonyms are lost."""

OUTCOMES = """
import collections, json
from osteon import bus
from osteon.contracts import DeadLetter
from osteon.contracts.topics import DEAD_LETTER, IMAGE_CLASSIFIED, IMAGE_SET_ASIDE
from osteon.runtime import Settings, read_settings
found = collections.defaultdict(list)
for record in bus.connect_as(read_settings(Settings)).read([IMAGE_CLASSIFIED, IMAGE_SET_ASIDE, DEAD_LETTER]):
    message = record.message
    found[message.image_id].append(record.topic.name)
print(json.dumps(found))
"""


def values() -> str:
    """A file of values for this cluster: that of VALUES, or small parts and the images of TAG."""
    if "VALUES" in os.environ:
        return Path(os.environ["VALUES"]).read_text()
    little: dict[str, Any] = {"resources": {"requests": {"cpu": "5m"}}}  # of a node that runs other things too
    parts = {name: dict(little) for name in (*MORTAL, "provision", "desk")}
    parts["kafka"]["heap"] = "384m"
    parts["triton"]["reconcile"] = little
    return yaml.safe_dump({"image": {"tag": os.environ.get("TAG", "")}} | parts)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A namespace of its own, of the standard `restricted`."""
    found = connect(f"osteon-trial-{os.getpid()}")
    try:
        found.make()
        yield found
    finally:
        found.end()


def helm(cluster: Cluster, verb: str, *more: str) -> float:
    """Install, upgrade or roll back, and wait until all is ready; the seconds that it took."""
    began = time.monotonic()
    stdin = values() if verb in ("install", "upgrade") else ""
    wait = ("--wait", "--timeout", f"{PATIENCE_S:.0f}s")
    cluster.run("helm", verb, RELEASE, *more, *wait, stdin=stdin, within_s=PATIENCE_S + 60)
    return time.monotonic() - began


def secret(cluster: Cluster, name: str, key: str) -> str:
    """One value of a Secret of the release."""
    path = key.replace(".", "\\.")
    text = cluster.run("kubectl", "get", "secret", f"{RELEASE}-{name}", "--output", f"jsonpath={{.data.{path}}}")
    return base64.b64decode(text).decode()


def senders(cluster: Cluster, images: Sequence[Radiograph], spread_s: float, folder: Path) -> list[Sender]:
    """One that sends by C-STORE and one by STOW-RS, each through the port of the door on the nodes."""
    (door,) = [one for one in cluster.get("services") if one["metadata"]["name"] == f"{RELEASE}-ingest"]
    ports = {one["name"]: one["nodePort"] for one in door["spec"]["ports"]}
    ca = folder / "ca.crt"
    ca.write_text(secret(cluster, "ingest-tls", "ca.crt"))
    token = secret(cluster, "tokens", "sender")

    def by_c_store(batch: Sequence[Radiograph]) -> Iterator[str]:
        parcels = [Parcel(image.path, "dimse") for image in batch]
        return (answer.text for answer in send_by_c_store(parcels, HOST, ports["dimse"], "OSTEON"))

    def by_stow(batch: Sequence[Radiograph]) -> Iterator[str]:
        url = f"https://{HOST}:{ports['stow']}/dicomweb/studies"
        for image in batch:
            try:
                (answer,) = send_by_stow((Parcel(image.path, "stow"),), url, token, ca)
                yield answer.text
            except httpx.HTTPError as error:
                yield type(error).__name__

    carriers: dict[str, Carry] = {"c-store": by_c_store, "stow": by_stow}
    rng = random.Random(SEED)
    return [
        Sender(name, carry, images[n :: len(carriers)], spread_s, folder / f"{name}.jsonl", random.Random(rng.random()))
        for n, (name, carry) in enumerate(carriers.items())
    ]


def strike(cluster: Cluster, stop: threading.Event, struck: list[str]) -> None:
    """Delete a pod every few seconds, half of them without a chance to say goodbye; the doors may come back between."""
    rng = random.Random(SEED)
    while not stop.wait(rng.uniform(*EVERY_S)):
        cluster.run("kubectl", "rollout", "status", f"deploy/{RELEASE}-ingest", "--timeout=300s", within_s=360)
        part = rng.choice(MORTAL)
        grace = ("--grace-period=0", "--force") if rng.random() < 0.5 else ()
        chosen = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component={part}"
        cluster.run("kubectl", "delete", "pod", "--selector", chosen, "--wait=false", *grace)
        struck.append(part)


def outcomes(cluster: Cluster) -> dict[str, list[str]]:
    """The outcomes of each image, by its id, as the desk reads them from Kafka."""
    told = cluster.run("kubectl", "exec", f"deploy/{RELEASE}-desk", "--", "python", "-c", OUTCOMES, within_s=300)
    found: dict[str, list[str]] = json.loads(told)
    return found


def memory_bytes(cluster: Cluster) -> int:
    """What the pods of the namespace hold, as the kubelets tell."""
    total = 0
    for node in json.loads(cluster.run("kubectl", "get", "nodes", "--output", "json"))["items"]:
        path = f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"
        told = json.loads(cluster.run("kubectl", "get", "--raw", path))
        own = [pod for pod in told["pods"] if pod["podRef"]["namespace"] == cluster.namespace]
        total += sum(pod.get("memory", {}).get("workingSetBytes", 0) for pod in own)
    return total


def test_nothing_is_lost_or_doubled_from_install_to_uninstall(cluster: Cluster, tmp_path: Path) -> None:
    ready_s = helm(cluster, "install", str(CHART), "--values", "-")
    rest = memory_bytes(cluster)
    keys = Keys.from_site_key(secret(cluster, "site-key", "site-key"))
    images = list(write_radiographs(tmp_path / "images", N_IMAGES, SEED))
    threads = senders(cluster, images, 1.5 * N_IMAGES, tmp_path)
    began = time.monotonic()

    # 1. Stream while pods die, then through an upgrade and a rollback.
    for thread in threads:
        thread.start()
    stop, struck = threading.Event(), []  # type: ignore[var-annotated]
    striker = threading.Thread(target=strike, args=(cluster, stop, struck), daemon=True)
    striker.start()
    until(
        lambda: sum(one.n_left for one in threads) < N_IMAGES / 2, "half of the images are taken", within_s=PATIENCE_S
    )
    stop.set()
    striker.join()
    upgraded = time.monotonic() - began
    upgrade_s = helm(cluster, "upgrade", str(CHART), "--values", "-", "--set", "settings.log_level=DEBUG")
    rollback_s = helm(cluster, "rollback", "1")
    for thread in threads:
        thread.join(PATIENCE_S)

    # 2. Each image that was acknowledged has one outcome.
    log = read_logs(tmp_path)
    taken = {image_id(keys, one.uid) for one in log if one.said == "acknowledged"}
    assert len(taken) == N_IMAGES
    until(lambda: taken <= set(outcomes(cluster)), "each image has an outcome", within_s=PATIENCE_S)
    took_s = time.monotonic() - began
    found = outcomes(cluster)
    assert {one: topics for one, topics in found.items() if len(topics) != 1} == {}
    expected = Counter(one.expected == "classified" for one in images)
    assert Counter(topics == ["osteon.image.classified"] for topics in found.values()) == expected

    # 3. A phantom finds its way, and the uninstall leaves what must be kept.
    cluster.run("helm", "test", RELEASE, "--timeout", "600s", within_s=660)
    cluster.run("helm", "uninstall", RELEASE, "--wait", "--timeout", "300s", within_s=360)
    left = cluster.get("all,configmaps,secrets,serviceaccounts,networkpolicies,poddisruptionbudgets")
    own = {one["metadata"]["name"] for one in left if one["metadata"]["name"].startswith(RELEASE)}
    assert own - {f"{RELEASE}-test"} == KEPT  # the pod of `helm test` stays until the next
    volumes = {one["metadata"]["name"] for one in cluster.get("persistentvolumeclaims")}
    assert volumes == {f"data-{RELEASE}-{part}-0" for part in ("kafka", "store", "console")}

    heard = sorted(one.at_s for one in log if one.said == "acknowledged" and one.at_s >= upgraded)
    pause_s = max((later - earlier for earlier, later in itertools.pairwise(heard)), default=0.0)
    sys.stdout.write(
        f"\ninstall to ready {ready_s:.0f} s; memory at rest {rest / 1e9:.1f} GB\n"
        f"{N_IMAGES} images in {took_s:.0f} s, {N_IMAGES / took_s:.2f} images/s, {len(struck)} pods deleted\n"
        f"upgrade {upgrade_s:.0f} s, rollback {rollback_s:.0f} s, longest pause meanwhile {pause_s:.0f} s\n"
    )

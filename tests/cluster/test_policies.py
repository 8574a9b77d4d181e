"""Network policies on a real cluster: between pods with the labels of Osteon's parts, only what is needed passes."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ..charts.render import render
from .bundle import Bundle
from .cluster import Cluster, connect, until

pytestmark = pytest.mark.slow

PORTS = {
    "kafka": (9092, 9093),
    "store": (8333, 9325),
    "triton": (8001, 8002, 9400),
    "ingest": (11112, 8042, 9400),
    "commitments": (9400,),
    "accept": (9400,),
    "harmonizer": (9400,),
    "classifier": (9400,),
    "console": (8090, 9400),
    "provision": (),
    "desk": (),
    "forget": (),
    "test": (),
    "pacs": (11113,),
}
FIGURES = {(part, port) for part, ports in PORTS.items() for port in ports if port in (9400, 9325, 8002)}
BUS, OBJECTS, MODELS, TABLE = ("kafka", 9092), ("store", 8333), ("triton", 8001), ("console", 8090)
PACS = ("pacs", 11113)
DOORS = {("ingest", 11112), ("ingest", 8042)}

NEEDED: dict[str, set[tuple[str, int]]] = {
    "kafka": {BUS, ("kafka", 9093)},
    "store": set(),
    "triton": {BUS, OBJECTS},
    "ingest": {BUS, OBJECTS},
    "commitments": {BUS, OBJECTS, PACS},
    "accept": {BUS, OBJECTS},
    "harmonizer": {BUS, OBJECTS, MODELS},
    "classifier": {BUS, OBJECTS, MODELS},
    "console": {BUS},
    "provision": {BUS, OBJECTS},
    "desk": {BUS, OBJECTS, MODELS, TABLE},
    "forget": {BUS, OBJECTS, TABLE},
    "test": {*DOORS, TABLE},
    "pacs": DOORS,
    "prometheus": {*FIGURES, PACS},
    "stranger": {PACS},  # nothing of Osteon's
}

LISTEN = """
import asyncio, sys
async def main():
    for port in map(int, sys.argv[1:]):
        await asyncio.start_server(lambda reader, writer: writer.close(), "0.0.0.0", port)
    await asyncio.Event().wait()
asyncio.run(main())
"""
TRY = """
import asyncio, json, sys
async def reaches(place):
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(*place), 12)
        writer.close()
        return True
    except (OSError, TimeoutError):
        return False
async def main():
    return await asyncio.gather(*map(reaches, json.loads(sys.argv[1])))
print(json.dumps(asyncio.run(main())))
"""


def pod(part: str, image: str) -> dict[str, Any]:
    """A pod that listens on the ports of a part and bears its labels; one of a stranger bears none."""
    labels = {
        "app.kubernetes.io/name": "osteon",
        "app.kubernetes.io/instance": "trial",
        "app.kubernetes.io/component": part,
    }
    container = {
        "name": "listen",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", LISTEN, *map(str, PORTS.get(part, ()))],
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": security,
        "containers": [container],
    }
    metadata = {"name": part, "labels": labels if where(part) == "own" else {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def spaces() -> Iterator[dict[str, Cluster]]:
    """Three namespaces: of Osteon, of Prometheus, of somebody else."""
    name = f"osteon-policies-{os.getpid()}"
    found = {role: connect(name + suffix) for role, suffix in (("own", ""), ("watch", "-watch"), ("other", "-other"))}
    try:
        for space in found.values():
            space.make()
        yield found
    finally:
        for space in found.values():
            space.run("kubectl", "delete", "namespace", space.namespace, "--ignore-not-found", "--wait=false")


def listed(objects: list[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def where(part: str) -> str:
    return {"prometheus": "watch", "pacs": "other", "stranger": "other"}.get(part, "own")


def test_only_what_is_needed_passes(spaces: dict[str, Cluster], bundle: Bundle) -> None:
    image = bundle.image("ingest")
    for role, space in spaces.items():
        wanted = [pod(part, image) for part in NEEDED if where(part) == role]
        space.run("kubectl", "apply", "-f", "-", stdin=listed(wanted))
    for space in spaces.values():
        space.run("kubectl", "wait", "pod", "--all", "--for=condition=Ready", "--timeout=240s", within_s=300)
    addresses = {
        one["metadata"]["name"]: one["status"]["podIP"] for space in spaces.values() for one in space.get("pods")
    }
    places = [(part, port) for part, ports in PORTS.items() for port in ports]

    def reached(part: str) -> set[tuple[str, int]]:
        asked = json.dumps([(addresses[other], port) for other, port in places])
        told = spaces[where(part)].run("kubectl", "exec", part, "--", "python", "-c", TRY, asked)
        return {place for place, is_open in zip(places, json.loads(told), strict=True) if is_open}

    assert reached("stranger") == set(places)  # nothing is denied yet

    values = {
        "site": {"pacs": {"cidrs": [f"{addresses['pacs']}/32"]}},
        "ingest": {"settings": {"commit_addresses": f"PACS={addresses['pacs']}:{PACS[1]}"}},
        "networkPolicy": {"prometheusNamespaces": [spaces["watch"].namespace]},
    }
    policies = [one for one in render(values) if one["kind"] == "NetworkPolicy"]
    spaces["own"].run("kubectl", "apply", "-f", "-", stdin=listed(policies))
    until(lambda: reached("stranger") == {PACS}, "a stranger reaches nothing of Osteon's", within_s=120)

    with ThreadPoolExecutor(4) as threads:
        found = dict(zip(NEEDED, threads.map(reached, NEEDED), strict=True))

    # A pod always reaches itself.
    others = {part: {place for place in open_ if place[0] != part} for part, open_ in found.items()}
    assert others == {part: {place for place in needed if place[0] != part} for part, needed in NEEDED.items()}

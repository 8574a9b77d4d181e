"""What cannot come up is refused at once, in a sentence with the way out, and nothing is left of it."""

import json
import os
from collections.abc import Iterator

import pytest

from ..charts.render import CHART
from .cluster import Cluster, connect

pytestmark = pytest.mark.slow

REFUSED = {
    "ingest.replicas=-1": "at '/ingest/replicas': minimum: got -1, want 1",
    "site.keySecret=nowhere": "site.keySecret: there is no Secret nowhere in the namespace",
    "site.tokensSecret=half": "site.tokensSecret: the Secret half has no sender, desk. Add it",
    "store.secret=nowhere": "store.secret: there is no Secret nowhere in the namespace",
    "tls.secrets.kafka=half": "tls.secrets.kafka: the Secret half has no tls.crt, tls.key, ca.crt. Add it",
    "ingest.clientCaSecret=nowhere,site.clientSecret=half": "ingest.clientCaSecret: there is no Secret nowhere in the",
    "kafka.replicas=3": "kafka.replicas: an earlier Kafka left the volume claims data-trial-kafka-0, and 3 would take",
    "image.pullSecrets={nowhere}": "image.pullSecrets[0]: there is no Secret nowhere in the namespace",
    "kafka.enabled=false": "kafka.external.servers: name the brokers",
    "kafka.enabled=false,kafka.external.servers=broker:9093,kafka.external.secret=half": "the Secret half has no admin",
}

LEFT = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data-trial-kafka-0"},
    "spec": {"storageClassName": "", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
}
"""It asks no class for a volume, and so stays without one."""


@pytest.fixture(scope="module")
def space() -> Iterator[Cluster]:
    """A namespace with a Secret that holds too little, and the claim that a Kafka of one broker left."""
    found = connect(f"osteon-refusals-{os.getpid()}")
    try:
        found.make()
        found.run("kubectl", "create", "secret", "generic", "half", "--from-literal=tokens=sender:one")
        found.run("kubectl", "apply", "--filename=-", stdin=json.dumps(LEFT))
        yield found
    finally:
        found.end()


@pytest.mark.parametrize(("value", "said"), REFUSED.items())
def test_a_value_that_cannot_come_up_is_refused_at_install(space: Cluster, value: str, said: str) -> None:
    with pytest.raises(AssertionError) as refusal:
        space.run("helm", "install", "trial", str(CHART), "--set", value)

    assert said in str(refusal.value)
    assert space.get("statefulsets,deployments,jobs") == []
    assert [one["metadata"]["name"] for one in space.get("secrets")] == ["half"]

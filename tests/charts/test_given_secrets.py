"""A Secret that the values name and nobody made is said at install: Helm asks, and a server answers for the cluster."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from .cases import CASES, EVERYTHING
from .render import CHART, NAMESPACE, Object, helm, render

USERS = ("admin", "ingest", "accept", "harmonizer", "classifier", "reconcile", "console", "forget", "desk")
SERVER = ("tls.crt", "tls.key", "ca.crt")

Secrets = dict[str, tuple[str, ...]]

GIVEN: dict[str, Secrets] = {
    "external": {
        "former": ("former-site-keys",),
        "audit-ca": ("ca.crt",),
        "audit-own": ("tls.crt", "tls.key"),
        "desk-own": ("tls.crt", "tls.key"),
        "modalities": ("ca.crt",),
        "people": ("ca.crt",),
        "kafka-users": (*USERS, *(f"{user}.user" for user in USERS)),
        "kafka-ca": ("ca.crt",),
        "kafka-own": ("tls.crt", "tls.key"),
        "s3": tuple(f"{user}.{key}-key" for user in USERS for key in ("access", "secret")),
        "s3-ca": ("ca.crt",),
    },
    "secrets": {
        "key": ("site-key",),
        "tokens": ("tokens", "sender", "desk"),
        "users": USERS,
        "identities": ("identities.json", *(f"{user}.{key}-key" for user in USERS for key in ("access", "secret"))),
        **{f"{part}-own": SERVER for part in ("kafka", "store", "triton", "ingest", "console")},
    },
}
"""All that a case of values names, and what must be in it."""


def is_config_of_kafka(one: Object) -> bool:
    return bool(one["kind"] == "ConfigMap" and one["metadata"]["name"] == "trial-kafka")


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """What `helm install` says, where a namespace has these Secrets; it changes nothing."""
    secrets: Secrets = {}
    brokers: list[int] = []

    class Cluster(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            *_, kind, name = self.path.split("?")[0].split("/")
            answers: Object = {
                "version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
                "api": {"kind": "APIVersions", "versions": ["v1"]},
                "apis": {"kind": "APIGroupList", "groups": []},
                "v1": {
                    "kind": "APIResourceList",
                    "groupVersion": "v1",
                    "resources": [
                        {"name": f"{one.lower()}s", "kind": one, "namespaced": True, "verbs": ["get", "list"]}
                        for one in ("Secret", "ServiceAccount", "ConfigMap")
                    ],
                },
                "default": {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}},
                "secrets": {"apiVersion": "v1", "kind": "SecretList", "metadata": {}, "items": []},
            }
            found = answers.get(name)
            if kind == "configmaps" and name == "trial-kafka" and brokers:
                (stood,) = [one for one in render({"kafka": {"replicas": brokers[0]}}) if is_config_of_kafka(one)]
                found = stood
            if kind == "secrets" and name in secrets:
                data = dict.fromkeys(secrets[name], "")
                found = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(found or {"kind": "Status", "reason": "NotFound", "code": 404}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "one", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "contexts": [{"name": "one", "context": {"cluster": "one"}}],
        "current-context": "one",
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))

    def run(values: Object, there: Secrets, n_brokers: int | None = None) -> str:
        secrets.clear()
        secrets.update(there)
        brokers[:] = [] if n_brokers is None else [n_brokers]
        command = [
            helm(),
            "install",
            "trial",
            str(CHART),
            "--namespace",
            NAMESPACE,
            "--dry-run=server",
            "--values",
            "-",
        ]
        environment = {"KUBECONFIG": str(tmp_path / "config"), "HOME": str(tmp_path)}
        ran = subprocess.run(
            command, input=yaml.safe_dump(values), env=environment, capture_output=True, text=True, check=False
        )
        return ran.stderr

    yield run
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("case", GIVEN)
def test_a_secret_that_is_not_there_is_named_with_its_value(install: Callable[..., str], case: str) -> None:
    for_all = install(CASES[case], {})
    for_none = install(CASES[case], GIVEN[case])
    first, *others = GIVEN[case]
    for_one = install(CASES[case], {name: GIVEN[case][name] for name in others})

    said = [line for line in for_all.splitlines() if "there is no Secret" in line]
    assert {line.split("there is no Secret ")[1].split()[0] for line in said} == set(GIVEN[case])
    assert "Secret" not in for_none.partition("unable to build kubernetes objects")[0]
    (line,) = [line for line in for_one.splitlines() if "Secret" in line]
    assert f"there is no Secret {first} in the namespace {NAMESPACE}. Make it first: the comment at " in line


def test_a_secret_that_lacks_a_key_is_told(install: Callable[..., str]) -> None:
    there = GIVEN["external"] | {
        "kafka-users": tuple(one for one in GIVEN["external"]["kafka-users"] if one != "forget")
    }

    told = install(EVERYTHING, there)

    assert "kafka.external.secret: the Secret kafka-users has no forget. Add it: " in told


def test_secrets_that_nobody_named_are_made(install: Callable[..., str]) -> None:
    assert "there is no Secret" not in install({}, {})


def test_a_kafka_that_stands_takes_no_other_number_of_brokers(install: Callable[..., str]) -> None:
    three: Object = {"kafka": {"replicas": 3}}

    assert "kafka.replicas: this Kafka was installed with 1 and can't become 3" in install(three, {}, 1)
    assert "kafka.replicas" not in install(three, {}, 3)
    assert "kafka.replicas" not in install(three, {})

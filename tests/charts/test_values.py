"""The values of the chart: each is explained, an impossible one is refused, and they agree with the settings."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from osteon.contracts.topic_rights import RIGHTS
from osteon.release.commands import ReconcileSettings
from osteon.runtime import Settings, read_settings
from osteon.runtime.console import console_door
from osteon.runtime.lock import http_lock
from osteon_console.settings import ConsoleSettings
from osteon_ingest.locks import dimse_lock, stow_lock
from osteon_ingest.settings import IngestSettings

from .cases import CASES, EVERYTHING
from .render import CHART, NAMESPACE, Object, containers, helm, pods, refusal, render

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())

READERS: dict[type[Settings], tuple[str, ...]] = {
    IngestSettings: ("ingest", "accept", "commitments", "forget", "prune", "phantoms"),
    ConsoleSettings: ("console",),
    ReconcileSettings: ("reconcile",),
    Settings: ("harmonizer", "classifier", "wait", "provision", "desk"),
}
"""The settings classes, and the containers that read their environment with each, by their names."""

CLASSES = {name: cls for cls, names in READERS.items() for name in names}

PARTS = {name: name for name in ("ingest", "accept", "harmonizer", "classifier", "console")} | {"reconcile": "triton"}
"""Under which value the settings of a container are."""

NOT_OFFERED = {
    "folder": "a pod has no folder that a hospital could write into",
    "folder_look_s": "as folder",
    "tokens": "a secret does not belong in values; tokens_file comes from a Secret",
    "stow_is_open": "the chart gives the door a certificate and tokens, always, so that it is never open",
    "is_open": "as stow_is_open",
}

BOUNDS = {"type", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}

PEM = {
    "OSTEON_TLS_CERTIFICATE": "door.pem",
    "OSTEON_TLS_KEY": "door.key",
    "OSTEON_TLS_CLIENT_CA": "ca.pem",
    "OSTEON_TOKENS_FILE": "tokens",
    "OSTEON_CONSOLE_CA": "ca.pem",
    "OSTEON_CONSOLE_CERTIFICATE": "sender.pem",
    "OSTEON_CONSOLE_KEY": "sender.key",
}
"""Which of the documented files stands for what a pod finds there."""

# A value of 32 bytes, which each secret setting takes.
SECRET = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def explained(schema: Object, path: str = "") -> Iterator[tuple[str, Object]]:
    """Each value that the schema names, by its path."""
    for name, one in schema.get("properties", {}).items():
        yield f"{path}/{name}", one
        yield from explained(one, f"{path}/{name}")


def named(values: Any, path: str = "") -> Iterator[str]:
    for name, one in values.items():
        yield f"{path}/{name}"
        if isinstance(one, dict) and not is_open(f"{path}/{name}"):
            yield from named(one, f"{path}/{name}")


def is_open(path: str) -> bool:
    """Whether it holds what the one who installs names: labels, settings, resources."""
    schema = dict(explained(SCHEMA))[path]
    return path.endswith("/settings") or "properties" not in schema


def settings_of(part: str) -> dict[str, Object]:
    """The settings that the schema offers for a part, by name."""
    found: dict[str, Object] = SCHEMA["properties"][part]["properties"]["settings"]["properties"]
    return found


def environment(container: Object) -> dict[str, str]:
    """What a container is given: for a secret one that every setting takes, for an ordinal the first."""
    told = {one["name"]: one.get("value", SECRET) for one in container.get("env", ())}
    assert len(told) == len(container.get("env", ())), "a variable comes twice"
    return told | ({"OSTEON_ORDINAL": "0"} if "OSTEON_ORDINAL" in told else {})


def given(objects: list[Object]) -> dict[str, dict[str, str]]:
    """The OSTEON_ variables of each container of ours, by the container's name."""
    found = {}
    for pod in pods(objects).values():
        for one in containers(pod):
            variables = {name: value for name, value in environment(one).items() if name.startswith("OSTEON_")}
            if variables:
                found[one["name"]] = variables
    return found


@pytest.mark.parametrize("case", ["defaults", "external", "watched"])
def test_helm_finds_nothing_to_complain_of(case: str) -> None:
    command = [helm(), "lint", "--strict", "--quiet", "--namespace", NAMESPACE, str(CHART), "--values", "-"]
    ran = subprocess.run(command, input=yaml.safe_dump(CASES[case]), capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_each_value_is_explained() -> None:
    assert [path for path, one in explained(SCHEMA) if not one.get("description", "").endswith(".")] == []


def test_schema_and_values_name_the_same() -> None:
    offered = {path for path, _ in explained(SCHEMA) if "/settings/" not in path}

    assert offered - {"/global"} == set(named(VALUES))


def test_nothing_that_the_schema_does_not_name_is_taken() -> None:
    parts = [("", SCHEMA), *explained(SCHEMA)]

    assert [path for path, one in parts if "properties" in one and one["additionalProperties"]] == []


def reads(name: str) -> set[str]:
    """The settings that a container can be told: by the chart itself, or by a value."""
    set_by_chart = {variable.removeprefix("OSTEON_").lower() for variable in given(render(EVERYTHING))[name]}
    return set_by_chart | set(settings_of(PARTS[name]) if name in PARTS else ())


@pytest.mark.parametrize("cls", READERS, ids=lambda cls: cls.__name__)
def test_each_setting_can_be_told_to_those_who_read_it(cls: type[Settings]) -> None:
    told = {name: reads(name) for name in READERS[cls] if name in PARTS}

    of_all = set(Settings.model_fields) - {"ordinal"}  # of those only that have several copies
    assert [(name, of_all - names) for name, names in told.items() if of_all - names] == []
    assert set(cls.model_fields) - set().union(*told.values()) - {"ordinal"} == set(NOT_OFFERED) & set(cls.model_fields)


@pytest.mark.parametrize("name", PARTS)
def test_a_value_is_a_setting_that_the_chart_leaves_open(name: str) -> None:
    told = {one.removeprefix("OSTEON_").lower() for one in given(render(EVERYTHING))[name]}
    set_by_chart = told - set(VALUES[PARTS[name]]["settings"])

    offered = set(settings_of(PARTS[name]))

    assert offered <= set(CLASSES[name].model_fields)
    assert offered & set_by_chart == set()


@pytest.mark.parametrize("name", PARTS)
def test_a_value_is_explained_and_bounded_as_its_setting(name: str) -> None:
    known = CLASSES[name].model_json_schema()["properties"]

    for setting, offered in settings_of(PARTS[name]).items():
        assert offered["description"] == " ".join(known[setting]["description"].split())
        if setting == "commit_addresses":  # written as one text, which the settings take apart
            continue
        assert {key: offered.get(key) for key in set(known[setting]) & BOUNDS} == {
            key: known[setting][key] for key in set(known[setting]) & BOUNDS
        }


def test_what_the_chart_renders_can_be_read_by_each_service() -> None:
    largest: Object = {
        "settings": {"log_level": "DEBUG"},
        "site": {"clientSecret": "desk-own"},
        "ingest": {
            "clientCaSecret": "modalities",
            "settings": {
                "max_object_bytes": 2_000_000_000,
                "stow_max_request_bytes": 4_294_967_296,
                "commit_wait_s": 0.5,
                "commit_addresses": "PACS=10.1.2.3:11112,ARCHIVE=10.1.2.4:104",
                "dimse_is_secure": True,
                "drain_s": 60,
            },
        },
    }
    for values in ({}, EVERYTHING, largest):
        for name, variables in given(render(values)).items():
            read = read_settings(CLASSES[name], variables)
            if name == "ingest" and values is largest:
                assert read.model_dump(include={"max_object_bytes", "stow_max_request_bytes", "drain_s"}) == {
                    "max_object_bytes": 2_000_000_000,
                    "stow_max_request_bytes": 4_294_967_296,
                    "drain_s": 60.0,
                }


REFUSED: list[tuple[Object, str]] = [
    ({"ingset": {}}, "additional properties 'ingset' not allowed"),
    ({"ingest": {"settings": {"AET": "X"}}}, "additional properties 'AET' not allowed"),
    ({"ingest": {"settings": {"site_key": "abc"}}}, "additional properties 'site_key' not allowed"),
    ({"ingest": {"settings": {"aet": "A TITLE THAT IS TOO LONG"}}}, "maxLength: got 24, want 16"),
    ({"ingest": {"settings": {"drain_s": -1}}}, "minimum: got -1, want 0"),
    ({"ingest": {"settings": {"dimse_is_open": "yes"}}}, "got string, want boolean"),
    ({"ingest": {"settings": {"commit_addresses": "10.1.2.3:104"}}}, "does not match pattern"),
    ({"ingest": {"clientCaSecret": "senders"}}, "site.clientSecret: name a Secret with tls.crt and tls.key"),
    ({"tls": {"enabled": False}}, "additional properties 'enabled' not allowed"),
    ({"ingest": {"replicas": 0}}, "minimum: got 0, want 1"),
    ({"ingest": {"service": {"type": "Ingress"}}}, "must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'"),
    ({"ingest": {"service": {"dimseNodePort": 70000}}}, "maximum: got 70,000, want 65,535"),
    ({"ingest": {"settings": {"dimse_is_open": False}}}, "ingest.settings.dimse_is_open: without it the C-STORE door"),
    (
        {"ingest": {"settings": {"dimse_is_open": None, "dimse_is_secure": True}}},
        "Set it, or ingest.settings.dimse_is_secure and ingest.clientCaSecret",
    ),
    ({"accept": {"settings": {"accept_threads": 0}}}, "minimum: got 0, want 1"),
    ({"accept": {"replicas": 13}}, "maximum: got 13, want 12"),
    ({"accept": {"resources": {"limits": {"memory": "1 GB"}}}}, "does not match pattern"),
    ({"settings": {"log_level": "debug"}}, "must be one of 'DEBUG', 'INFO', 'WARNING', 'ERROR'"),
    ({"site": {"name": "St. Mary's"}}, "does not match pattern"),
    ({"site": {"keySecret": "Site_Key"}}, "does not match pattern"),
    ({"site": {"keyEpoch": 2}}, "got number, want string"),
    ({"site": {"pacs": {"cidrs": ["10.20.30.40"]}}}, "does not match pattern"),
    ({"networkPolicy": {"prometheusNamespaces": "monitoring"}}, "got string, want array"),
    ({"keda": {"maxReplicas": 13}}, "maximum: got 13, want 12"),
    ({"keda": {"lag": 11}}, "minimum: got 11, want 12"),
    ({"tls": {"certManager": {"duration": "90d"}}}, "does not match pattern"),
    ({"image": {"pullPolicy": "Sometimes"}}, "must be one of 'Always', 'IfNotPresent', 'Never'"),
    ({"kafka": {"replicas": 2}}, "must be one of 1, 3, 5, 7, 9"),
    ({"kafka": {"heap": "512Mi"}}, "does not match pattern"),
    ({"kafka": {"external": {"security": "TLS"}}}, "must be one of 'PLAINTEXT', 'SSL'"),
    ({"kafka": {"enabled": False}}, "kafka.external.servers: name the brokers"),
    ({"kafka": {"enabled": False, "external": {"servers": "k.example"}}}, "does not match pattern"),
    (
        {"kafka": {"enabled": False, "external": {"servers": "k.example:9093"}}},
        "kafka.external.secret: name the Secret",
    ),
    ({"store": {"enabled": False}}, "store.external.endpoint: name the S3 store"),
    ({"store": {"external": {"endpoint": "https://s3.example"}}}, "does not match pattern"),
    (
        {"store": {"enabled": False, "external": {"endpoint": "s3.example:443"}}},
        "store.external.secret: name the Secret",
    ),
    ({"triton": {"gpu": {"resource": "gpu"}}}, "does not match pattern"),
    ({"triton": {"gpu": {"resource": "nvidia.com/gpu"}}}, "triton.image: the project's own runs on CPU alone"),
    ({"prune": {"olderThan": "1y"}}, "does not match pattern"),
    ({"prune": {"schedule": "nightly"}}, "does not match pattern"),
    ({"audit": {"repository": "audit.example"}}, "does not match pattern"),
    ({"metrics": {"monitors": {"interval": "30"}}}, "does not match pattern"),
    ({"site": {"enabled": False}, "hub": {"enabled": False}}, "site.enabled and hub.enabled are both false"),
]


@pytest.mark.parametrize(("values", "said"), REFUSED, ids=[json.dumps(one) for one, _ in REFUSED])
def test_an_impossible_value_is_refused_and_named(values: Object, said: str) -> None:
    why = refusal(values)

    assert said in why
    assert all(name in why for name in list(values)[:1])


@pytest.mark.parametrize("stage", ["accept", "harmonizer", "classifier"])
def test_no_more_copies_of_a_stage_are_taken_than_its_topic_has_partitions(stage: str) -> None:
    bounds = dict(explained(SCHEMA))

    most = {bounds[path]["maximum"] for path in (f"/{stage}/replicas", "/keda/maxReplicas")}
    assert most == {RIGHTS[stage].reads[0].partitions}


def test_a_door_behind_tls_and_certificates_need_not_be_told_that_it_is_open() -> None:
    locked = {"ingest": EVERYTHING["ingest"] | {"settings": {"dimse_is_open": False, "dimse_is_secure": True}}}

    assert given(render(EVERYTHING | locked))["ingest"]["OSTEON_DIMSE_IS_OPEN"] == "false"


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["tokens", "certificates"])
def test_the_doors_find_their_locks_and_the_desk_its_way(
    values: Object, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = given(render(values))
    for variables in told.values():
        for name, file in PEM.items():
            if name in variables:
                variables[name] = str(certificates / file)
    for name, value in told["desk"].items():
        monkeypatch.setenv(name, value)

    doors, console = read_settings(IngestSettings, told["ingest"]), read_settings(ConsoleSettings, told["console"])
    stow = stow_lock(doors)
    dimse_lock(doors)
    api = http_lock(console, console.host, door="console", is_open=console.is_open, setting="OSTEON_IS_OPEN")
    desk = console_door()

    assert all((stow.tls, stow.tokens, api.tls, api.tokens))
    assert desk
    assert desk.url.startswith("https://")

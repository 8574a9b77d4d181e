"""Who may see, ask and reach what, for a matrix of values: secrets, keys, identities, tokens and network policies."""

import base64
import json
import re
from typing import Any

import pytest

from .cases import CASES, EVERYTHING
from .render import Object, by_name, containers, part_of, pods, render
from .test_values import given

every_case = pytest.mark.parametrize("case", CASES)


@every_case
def test_no_secret_lies_where_secrets_do_not_belong(case: str) -> None:
    objects = render(CASES[case])
    shown = [one for one in objects if one["kind"] != "Secret"]

    for pod in pods(shown).values():
        for one in containers(pod):
            secret = [
                v["name"] for v in one.get("env", ()) if re.search(r"PASSWORD|SECRET_KEY|SITE_KEY|TOKEN$", v["name"])
            ]
            assert [v["name"] for v in one.get("env", ()) if v["name"] in secret and "value" in v] == []
    text = json.dumps(shown)
    for made in by_name(objects, "Secret").values():
        for key, encoded in made.get("data", {}).items():
            if not key.endswith(("access-key", "ca.crt", "tls.crt")):
                assert encoded not in text, (made["metadata"]["name"], key)
                plain = base64.b64decode(encoded).decode()
                assert json.dumps(plain)[1:-1] not in text, (made["metadata"]["name"], key)
    assert not re.search(r"PRIVATE KEY-----(\\n)*[A-Za-z0-9+/]{40}", text)


@every_case
def test_no_container_of_ours_sees_the_site_key_but_those_that_need_it(case: str) -> None:
    holders = {one["name"] for pod in pods(render(CASES[case])).values() for one in containers(pod) if holds(pod, one)}

    needing = {"ingest", "accept", "forget", "phantoms"}  # of `helm test` what makes the phantoms, not what sends them
    assert holders - {"prune", "commitments"} == (set() if case == "hub" else needing)
    assert ("commitments" in holders) == (case == "many")


def holds(pod: Object, container: Object) -> bool:
    """Whether the container gets a site key, now in force or a former one, by variables or in a volume."""
    mounted = {one["name"] for one in container["volumeMounts"]}
    volumes = [one for one in pod["spec"].get("volumes", ()) if one["name"] in mounted]
    told = json.dumps([container.get("env"), container.get("envFrom"), volumes])
    return any(f'ame": "{secret}"' in told for secret in ("trial-site-key", "key", "former"))  # name or secretName


def test_tokens_lie_where_they_are_read() -> None:
    there = pods(render(CASES["many"]))

    holding = {name for name, pod in there.items() if "tokens" in {one["name"] for one in pod["spec"]["volumes"]}}
    assert holding == {"trial-ingest", "trial-console"}
    reading = {name for name, told in given(render(CASES["many"])).items() if "OSTEON_TOKENS_FILE" in told}
    assert reading == {"ingest", "console"}


@every_case
def test_the_job_that_provisions_is_the_administrator_and_nobody_else(case: str) -> None:
    keys = {
        (name, env["valueFrom"]["secretKeyRef"]["key"].partition(".")[0])
        for name, pod in pods(render(CASES[case])).items()
        for one in containers(pod)
        for env in one.get("env", ())
        if "secretKeyRef" in env.get("valueFrom", {})
    }

    assert {name for name, key in keys if key == "admin"} <= {"trial-provision-1", "trial-kafka"}
    assert ("trial-desk", "desk") in keys


def test_what_forgets_has_the_rights_of_its_own_identity_alone() -> None:
    (one,) = pods(render(CASES["external"]))["trial-forget"]["spec"]["containers"]
    keys = {env["valueFrom"]["secretKeyRef"]["key"] for env in one["env"] if "valueFrom" in env}

    forget = {"forget", "forget.user", "forget.access-key", "forget.secret-key"}
    assert keys == forget | {"site-key", "former-site-keys", "desk"}  # the last to ask the console


def test_results_of_storage_commitments_are_sent_by_one_pod_however_many_doors_there_are() -> None:
    objects = render(CASES["many"])
    told = given(objects)
    replicas = {
        one["metadata"]["name"]: one["spec"]["replicas"]
        for one in objects
        if one["kind"] != "Job" and "replicas" in one.get("spec", {})
    }

    assert (replicas["trial-ingest"], replicas["trial-commitments"]) == (2, 1)
    assert told["ingest"]["OSTEON_REPORTS_COMMITMENTS"] == "false"
    assert told["commitments"].keys().isdisjoint({"OSTEON_REPORTS_COMMITMENTS", "OSTEON_ORDINAL"})
    assert {told["commitments"][f"OSTEON_{door}_PORT"] for door in ("DIMSE", "STOW")} == {"0"}
    assert [name for name, ports in egress(objects).items() if 104 in ports] == ["trial-commitments"]


def egress(objects: list[Object]) -> dict[str, list[int]]:
    """The ports that each part may reach, by the name of its policy."""
    return {
        name: [port["port"] for rule in one["spec"].get("egress") or () for port in rule["ports"]]
        for name, one in by_name(objects, "NetworkPolicy").items()
    }


def test_results_of_commitments_go_nowhere_where_nobody_outside_is_named() -> None:
    values = {"ingest": {"settings": {"commit_addresses": "PACS=10.1.2.3:104"}}, "site": {"pacs": {"cidrs": []}}}

    assert 104 not in egress(render(values))["trial-commitments"]


def test_the_audit_repository_is_reached_by_those_who_write_audits() -> None:
    reaching = {part_of(name) for name, ports in egress(render(CASES["external"])).items() if 6514 in ports}

    assert reaching == {"ingest", "accept", "forget", "console"}


def test_a_locked_console_is_shown_a_certificate_by_all_who_ask_it() -> None:
    there = pods(render(CASES["external"]))

    shown = {
        name: volume["secret"]["secretName"]
        for name in ("trial-desk", "trial-forget", "trial-test")
        for volume in there[name]["spec"]["volumes"]
        if volume["name"] == "client"
    }
    assert shown == dict.fromkeys(("trial-desk", "trial-forget", "trial-test"), "desk-own")


@every_case
def test_each_pod_has_a_policy_of_its_own_and_none_is_left_open(case: str) -> None:
    objects = render(CASES[case])
    policies: dict[str, Any] = {name: one["spec"] for name, one in by_name(objects, "NetworkPolicy").items()}
    if case == "unguarded":
        assert policies == {}
        return

    for pod in pods(objects).values():
        labels = pod["metadata"]["labels"].items()
        chosen = [name for name, one in policies.items() if one["podSelector"]["matchLabels"].items() <= labels]
        assert len(chosen) == 2, chosen  # the one that denies, and its own
    for one in policies.values():
        assert one["policyTypes"] == ["Ingress", "Egress"]
        assert all(rule.get("from") and rule.get("ports") for rule in one.get("ingress") or ())
        assert all(rule.get("ports") for rule in one.get("egress") or ())
    # Addresses by name, which no policy knows, are those of `external` alone: asked by all but who tests.
    anywhere = {name for name, one in policies.items() if not all(rule.get("to") for rule in one.get("egress") or ())}
    assert anywhere == (set(policies) - {"trial-deny", "trial-test"} if case == "external" else set())


def test_nobody_may_go_anywhere_where_the_values_say_where_the_servers_of_a_hospital_lie() -> None:
    lie = {9093: "10.1.0.0/24", 443: "10.2.0.0/24", 6514: "10.3.0.7/32"}
    kafka, store, audit = ([cidr] for cidr in lie.values())
    values = EVERYTHING | {
        "kafka": EVERYTHING["kafka"] | {"external": EVERYTHING["kafka"]["external"] | {"cidrs": kafka}},
        "store": EVERYTHING["store"] | {"external": EVERYTHING["store"]["external"] | {"cidrs": store}},
        "audit": EVERYTHING["audit"] | {"cidrs": audit},
    }

    policies = by_name(render(values), "NetworkPolicy").values()
    rules = [rule for one in policies for rule in one["spec"].get("egress") or ()]
    assert [rule for rule in rules if not rule.get("to")] == []
    outside = {
        (port["port"], peer["ipBlock"]["cidr"])
        for rule in rules
        for port in rule["ports"]
        if port["port"] in lie
        for peer in rule["to"]
    }
    assert outside == set(lie.items())

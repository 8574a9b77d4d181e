"""What the chart renders, for a matrix of values: which objects there are, and what holds for each of them."""

import base64
import hashlib
import re
from collections import Counter
from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread

from .cases import CASES
from .femur import femur
from .render import CHART, NAMESPACE, by_name, containers, part_of, pods, render
from .test_values import given

every_case = pytest.mark.parametrize("case", CASES)

STAGES = ("accept", "harmonizer", "classifier")
SERVERS = ("kafka", "store", "triton", "ingest", "console")
HANGING = ("provision", "test", "prune", "desk", "forget")
"""No probe: they end, or only wait for a hand."""

PODS = {
    "trial-kafka": "StatefulSet",
    "trial-store": "StatefulSet",
    "trial-triton": "StatefulSet",
    "trial-accept": "StatefulSet",
    "trial-harmonizer": "StatefulSet",
    "trial-classifier": "StatefulSet",
    "trial-console": "StatefulSet",
    "trial-ingest": "Deployment",
    "trial-desk": "Deployment",
    "trial-forget": "CronJob",
    "trial-provision-1": "Job",
    "trial-test": "Pod",
}

MORE = {"many": {"trial-commitments": "StatefulSet"}, "watched": {"trial-prune": "CronJob"}}

WITHOUT: dict[str, set[str]] = {
    "hub": {f"trial-{part}" for part in (*STAGES, "triton", "ingest", "console", "test", "forget")},
    "external": {"trial-kafka", "trial-store"},
}

DRAIN_S = {
    "trial-ingest": 620,
    "trial-kafka": 60,
    "trial-triton": 60,
    "trial-desk": 1,
    "trial-forget": 1,
    "trial-prune": 1,
} | {f"trial-{stage}": 45 for stage in STAGES}
"""Longer than what a part takes to finish what it has in hand; 30 s elsewhere."""


@every_case
def test_the_pods_are_those_of_the_parts(case: str) -> None:
    objects = render(CASES[case])

    found = {name: one["kind"] for one in objects for name in [one["metadata"]["name"]] if name in pods([one])}

    expected = PODS | MORE.get(case, {})
    assert found == {name: kind for name, kind in expected.items() if name not in WITHOUT.get(case, ())}


@every_case
def test_no_object_comes_twice_and_each_says_whose_it_is(case: str) -> None:
    objects = render(CASES[case])

    assert [one for one, n in Counter((o["kind"], o["metadata"]["name"]) for o in objects).items() if n > 1] == []
    for one in objects:
        labels = one["metadata"]["labels"]
        assert (labels["app.kubernetes.io/instance"], labels["app.kubernetes.io/part-of"]) == ("trial", "osteon")
        assert one["metadata"]["name"].startswith("trial")


@every_case
def test_each_pod_may_do_nothing_beyond_its_work(case: str) -> None:
    objects = render(CASES[case])
    accounts = by_name(objects, "ServiceAccount")

    for pod in pods(objects).values():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert accounts[spec["serviceAccountName"]]["automountServiceAccountToken"] is False
        assert spec["serviceAccountName"] == "trial-" + pod["metadata"]["labels"]["app.kubernetes.io/component"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert [one for one in spec.get("volumes", ()) if "hostPath" in one] == []
        for one in containers(pod):
            assert one["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
    assert {
        kind for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding") if by_name(objects, kind)
    } == set()


@every_case
def test_each_container_has_requests_and_a_limit_of_memory(case: str) -> None:
    for name, pod in pods(render(CASES[case])).items():
        for one in containers(pod):
            resources = one["resources"]
            assert set(resources["requests"]) >= {"cpu", "memory"}, (name, one["name"])
            assert "memory" in resources["limits"], (name, one["name"])
            assert size(resources["requests"]["memory"]) <= size(resources["limits"]["memory"])


def size(quantity: str) -> int:
    number, unit = re.fullmatch(r"([0-9]+)(Mi|Gi)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * {"Mi": 1, "Gi": 1024}[unit]


def test_the_defaults_may_take_less_than_8_gb_and_what_the_page_says() -> None:
    objects = render(CASES["defaults"])
    copies = {one["metadata"]["name"]: one["spec"].get("replicas", 1) for one in objects if "spec" in one}

    def gb(bound: str) -> float:
        """Of all that runs at rest: no job, no test."""
        resting = [one for one in objects if one["kind"] in ("StatefulSet", "Deployment")]
        total_mib = sum(
            int(copies[name]) * size(one["resources"][bound]["memory"])
            for name, pod in pods(resting).items()
            for one in pod["spec"]["containers"]
        )
        return total_mib * 1024**2 / 1e9

    assert gb("limits") < 8
    page = " ".join((CHART.parents[1] / "docs/how-to/install.md").read_text().split())
    assert f"asks for {gb('requests'):.1f} GB of memory" in page
    assert f"may take {gb('limits'):.1f} GB" in page


@every_case
def test_what_runs_is_asked_whether_it_lives(case: str) -> None:
    for name, pod in pods(render(CASES[case])).items():
        for one in pod["spec"]["containers"]:
            probes = {"startupProbe", "livenessProbe", "readinessProbe"} & set(one)
            if part_of(name) in HANGING:
                assert probes == set()
            elif one["name"] == "triton":  # the reconciler beside it tells whether it is ready
                assert probes == {"startupProbe", "livenessProbe"}
            else:
                assert probes == {"startupProbe", "livenessProbe", "readinessProbe"}, (name, one["name"])


@every_case
def test_a_pod_may_finish_what_it_has_in_hand(case: str) -> None:
    found = {
        name: pod["spec"].get("terminationGracePeriodSeconds", 30) for name, pod in pods(render(CASES[case])).items()
    }

    assert found == {name: DRAIN_S.get(name, 30) for name in found}


def test_a_door_ends_after_the_longest_drain() -> None:
    door = pods(render({"ingest": {"settings": {"drain_s": 3600}}}))["trial-ingest"]["spec"]

    assert door["terminationGracePeriodSeconds"] >= 3600 + 5 + 5 + 5  # before the signal; for its children; for itself


@every_case
def test_copies_are_spread_and_go_one_at_a_time(case: str) -> None:
    objects = render(CASES[case])
    budgets = by_name(objects, "PodDisruptionBudget")
    there = pods(objects)

    kept = {name for name in there if part_of(name) in (*STAGES, "kafka", "store", "triton", "ingest")}
    assert set(budgets) == kept
    for name, budget in budgets.items():
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["selector"]["matchLabels"].items() <= there[name]["metadata"]["labels"].items()
    for name in kept - {"trial-store"}:
        (spread,) = there[name]["spec"]["topologySpreadConstraints"]
        assert spread["topologyKey"] == "kubernetes.io/hostname"
        assert spread["labelSelector"]["matchLabels"].items() <= there[name]["metadata"]["labels"].items()


@every_case
def test_each_service_finds_its_pods_and_their_ports(case: str) -> None:
    objects = render(CASES[case])
    there = pods(objects).values()

    for name, service in by_name(objects, "Service").items():
        chosen = [pod for pod in there if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()]
        assert len(chosen) == 1, name
        ports = {port[key] for one in chosen[0]["spec"]["containers"] for port in one.get("ports", ()) for key in port}
        assert {port.get("targetPort", port["port"]) for port in service["spec"]["ports"]} <= ports, name


@every_case
def test_images_are_named_by_version_and_come_from_one_place(case: str) -> None:
    values = CASES[case] | {"image": {"registry": "registry.example/osteon-mirror", "tag": "7.1.0"}}

    images = {one["image"] for pod in pods(render(values)).values() for one in containers(pod)}

    named = {CASES[case].get("triton", {}).get("image")} - {None}
    assert named <= images
    assert all(re.fullmatch(r"registry\.example/osteon-mirror/osteon/[a-z]+:7\.1\.0", one) for one in images - named)


@every_case
def test_what_must_outlive_an_uninstall_is_kept(case: str) -> None:
    objects = render(CASES[case])

    kept = {
        name
        for name, one in by_name(objects, "Secret").items()
        if "helm.sh/resource-policy" in one["metadata"].get("annotations", {})
    }

    made = {"trial-site-key", "trial-tokens", "trial-store-identities", "trial-kafka-users", "trial-authority"}
    assert kept == made & set(by_name(objects, "Secret"))


SECRETS = {
    "defaults": {
        "site-key",
        "tokens",
        "store-identities",
        "kafka-users",
        "authority",
        *(f"{one}-tls" for one in SERVERS),
    },
    "site": {"site-key", "tokens", "store-identities", "kafka-users", "authority", *(f"{one}-tls" for one in SERVERS)},
    "hub": {"store-identities", "kafka-users", "authority", "kafka-tls", "store-tls"},
    "external": {"site-key", "tokens", "authority", "triton-tls", "ingest-tls", "console-tls"},
    "cert-manager": {"site-key", "tokens", "store-identities", "kafka-users"},
    "secrets": set(),
}


@every_case
def test_secrets_are_made_only_where_nobody_gave_them(case: str) -> None:
    made = set(by_name(render(CASES[case]), "Secret"))

    assert made == {f"trial-{name}" for name in SECRETS.get(case, SECRETS["defaults"])}


def test_a_hub_alone_has_no_users_of_services_and_nothing_of_images() -> None:
    secrets = by_name(render(CASES["hub"]), "Secret")

    assert set(secrets["trial-kafka-users"]["data"]) == {"admin", "desk"}
    assert set(secrets["trial-store-identities"]["data"]) == {
        "identities.json",
        *(f"{name}.{half}-key" for name in ("admin", "desk") for half in ("access", "secret")),
    }
    told = {case: given(render(CASES[case])) for case in ("defaults", "site", "hub")}
    alone = {(case, of[name]["OSTEON_IS_HUB_ALONE"]) for case, of in told.items() for name in ("provision", "desk")}
    assert alone == {("defaults", "false"), ("site", "false"), ("hub", "true")}


@every_case
def test_a_bare_cluster_knows_every_kind_unless_more_is_asked_for(case: str) -> None:
    groups = {one["apiVersion"].split("/")[0] for one in render(CASES[case]) if "/" in one["apiVersion"]}

    more = {"watched": {"monitoring.coreos.com", "keda.sh"}, "cert-manager": {"cert-manager.io"}}.get(case, set())
    assert groups - {"apps", "batch", "policy", "networking.k8s.io"} == more


def test_a_gpu_is_asked_for_by_its_name() -> None:
    limits = {}
    for case in ("defaults", "gpu", "mig"):
        triton = pods(render(CASES[case]))["trial-triton"]["spec"]["containers"][0]
        limits[case] = {name: n for name, n in triton["resources"]["limits"].items() if name not in ("cpu", "memory")}

    assert limits == {"defaults": {}, "gpu": {"nvidia.com/gpu": 1}, "mig": {"nvidia.com/mig-1g.10gb": 2}}


def test_secrets_of_cert_manager_are_the_releases_own_and_its_authority_keeps_its_key() -> None:
    asked = by_name(render(CASES["cert-manager"]), "Certificate")

    owner = {"meta.helm.sh/release-name": "trial", "meta.helm.sh/release-namespace": NAMESPACE}
    for one in asked.values():
        template = one["spec"]["secretTemplate"]
        assert (template["labels"]["app.kubernetes.io/managed-by"], template["annotations"]) == ("Helm", owner)
    kept = {name for name, one in asked.items() if one["spec"]["privateKey"].get("rotationPolicy") == "Never"}
    assert kept == {"trial-authority"}


def test_keda_asks_for_the_lag_that_a_stage_has() -> None:
    from osteon.contracts.topic_rights import RIGHTS

    objects = render(CASES["watched"])
    scaled, sets = by_name(objects, "ScaledObject"), by_name(objects, "StatefulSet")

    assert set(scaled) == {f"trial-{stage}" for stage in STAGES}
    for name, one in scaled.items():
        rights = RIGHTS[part_of(name)]
        trigger = one["spec"]["triggers"][0]["metadata"]
        assert (trigger["consumerGroup"], trigger["topic"]) == (rights.stage, rights.reads[0].name)
        assert one["spec"]["maxReplicaCount"] <= rights.reads[0].partitions
        assert "replicas" not in sets[name]["spec"]
        assert one["spec"]["scaleTargetRef"]["name"] == name


def test_keda_never_takes_away_what_was_asked_for_and_names_no_login_where_there_is_none() -> None:
    external = {"enabled": False, "external": {"servers": "k.example:9092", "security": "PLAINTEXT"}}
    objects = render({"keda": {"enabled": True, "maxReplicas": 2}, "accept": {"replicas": 5}, "kafka": external})

    spec = by_name(objects, "ScaledObject")["trial-accept"]["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (5, 5)
    assert "authenticationRef" not in spec["triggers"][0]
    assert by_name(objects, "TriggerAuthentication") == {}


def test_a_hub_alone_misses_nothing_of_a_site() -> None:
    watched = {"metrics": {"rules": {"enabled": True}}}
    rules = {
        has_site: by_name(render({**watched, "site": {"enabled": has_site}}), "PrometheusRule")["trial"]["spec"]
        for has_site in (True, False)
    }
    names = {here: {rule["alert"] for rule in spec["groups"][0]["rules"]} for here, spec in rules.items()}

    assert names[True] - names[False] == {"OsteonStageDown", "OsteonDoorsDown", "OsteonConsoleSilent"}
    assert "OsteonDiskFull" in names[False]


def test_the_labels_of_dashboards_may_be_taken_away() -> None:
    values = {"metrics": {"dashboards": {"enabled": True, "labels": {"grafana_dashboard": None}}}}

    shown = [one for name, one in by_name(render(values), "ConfigMap").items() if "-dashboard-" in name]
    assert shown
    assert all("grafana_dashboard" not in one["metadata"]["labels"] for one in shown)


def test_nothing_is_forgotten_by_itself() -> None:
    jobs = {name: one["spec"] for name, one in by_name(render(CASES["watched"]), "CronJob").items()}

    assert {name: one["suspend"] for name, one in jobs.items()} == {"trial-forget": True, "trial-prune": False}
    assert set(by_name(render(CASES["defaults"]), "CronJob")) == {"trial-forget"}
    command = pods(render(CASES["watched"]))["trial-prune"]["spec"]["containers"][0]["command"]
    assert command == ["osteon", "inbox", "prune", "--older-than", "365d"]


@every_case
def test_whoever_believes_the_charts_authority_starts_anew_with_another(case: str) -> None:
    objects = render(CASES[case])
    made = by_name(objects, "Secret").get("trial-authority")
    there = {part_of(name): pod["metadata"].get("annotations", {}) for name, pod in pods(objects).items()}

    told = {part: notes["osteon/authority"] for part, notes in there.items() if "osteon/authority" in notes}

    if made is None:  # nothing that differs each time, where all certificates are given
        assert told == {}
    else:
        digest = hashlib.sha256(base64.b64decode(made["data"]["tls.crt"])).hexdigest()[:16]
        assert told == dict.fromkeys(there.keys() & {*STAGES, *SERVERS, "commitments"}, digest)


def test_the_charts_test_sends_a_femur_of_the_digital_cohort() -> None:
    sent = dcmread(BytesIO(base64.b64decode(by_name(render({}), "ConfigMap")["trial-test"]["binaryData"]["femur.dcm"])))
    made = femur()

    # Sums of another kind of processor may round otherwise.
    assert np.abs(sent.pixel_array.astype(int) - made.pixel_array).max() <= 8
    assert {one.keyword for one in sent} == {one.keyword for one in made}

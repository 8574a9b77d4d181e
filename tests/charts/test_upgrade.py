"""An upgrade: what was made once stays, and what can't be changed is refused."""

from collections.abc import Callable
from subprocess import CompletedProcess

import pytest
import yaml

from .render import Object, pods, render
from .test_inventory import SERVERS

Ask = Callable[..., CompletedProcess[str]]


def started_with(objects: list[Object]) -> dict[str, Object]:
    """The annotations of each pod, which is another where they change."""
    return {name: pod["metadata"].get("annotations", {}) for name, pod in pods(objects).items()}


def upgraded(ask: Ask, standing: list[Object], values: Object | None = None) -> list[Object]:
    ran = ask(values or {}, standing)
    assert ran.returncode == 0, ran.stderr
    return [one for one in yaml.load_all(ran.stdout, yaml.CSafeLoader) if one]


def secrets(objects: list[Object]) -> dict[str, Object]:
    return {one["metadata"]["name"]: one["data"] for one in objects if one["kind"] == "Secret"}


def test_an_upgrade_makes_no_secret_anew_and_starts_no_pod_for_one(ask: Ask) -> None:
    before = render({})

    after = upgraded(ask, before)

    assert secrets(after) == secrets(before)
    assert started_with(after) == started_with(before)


def test_another_authority_signs_all_certificates_and_starts_who_believes_it(ask: Ask) -> None:
    before = render({})
    gone = [one for one in before if one["metadata"]["name"] != "trial-authority"]

    after = upgraded(ask, gone)

    anew = {name for name, data in secrets(after).items() if data != secrets(before)[name]}
    assert anew == {"trial-authority", *(f"trial-{one}-tls" for one in SERVERS)}
    stay = {name for name, notes in started_with(after).items() if notes == started_with(before)[name]}
    assert stay == {"trial-desk", "trial-forget", "trial-provision-1", "trial-test"}  # read it when they are asked


def test_what_cert_manager_signed_again_starts_its_server_and_no_other(ask: Ask) -> None:
    values: Object = {"tls": {"certManager": {"enabled": True}}}
    before = render(values)

    def after(revision: int) -> set[str]:
        standing = [
            {**one, "status": {"revision": revision if "kafka" in one["metadata"]["name"] else 1}}
            for one in before
            if one["kind"] == "Certificate"
        ]
        started = started_with(upgraded(ask, standing, values))
        return {name for name, notes in started.items() if notes != started_with(before)[name]}

    assert (after(1), after(2)) == (set(), {"trial-kafka"})


def test_another_certificate_in_a_secret_that_a_value_names_starts_its_server(ask: Ask) -> None:
    values: Object = {"tls": {"secrets": {"store": "own"}}}

    def store(certificate: str) -> object:
        data = {"tls.crt": certificate, "tls.key": "a2V5", "ca.crt": "Y2E="}
        own = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "data": data}
        notes: Object = started_with(upgraded(ask, [own], values))["trial-store"]
        return notes["osteon/certificate"]

    assert store("b25l") == store("b25l") != store("dHdv")


def test_a_kafka_that_stands_takes_no_other_number_of_brokers(ask: Ask) -> None:
    standing = {n: render({"kafka": {"replicas": n}}) for n in (1, 3)}
    three: Object = {"kafka": {"replicas": 3}}

    told = ask(three, standing[1]).stderr

    assert "kafka.replicas: this Kafka was installed with 1 and can't become 3" in told
    assert ask(three, standing[3]).returncode == 0


def claims(*brokers: int) -> list[Object]:
    return [{"kind": "PersistentVolumeClaim", "metadata": {"name": f"data-trial-kafka-{n}"}} for n in brokers]


@pytest.mark.parametrize(("left", "n"), [((0,), 3), ((0, 1, 2), 1), ((1,), 1), ((0, 2), 3)])
def test_volumes_that_an_uninstall_left_take_no_other_number_of_brokers(
    ask: Ask, left: tuple[int, ...], n: int
) -> None:
    told = ask({"kafka": {"replicas": n}}, claims(*left)).stderr

    names = ", ".join(f"data-trial-kafka-{broker}" for broker in left)
    assert f"kafka.replicas: an earlier Kafka left the volume claims {names}, and {n} would take data-trial-ka" in told


def test_volumes_that_an_uninstall_left_are_taken_up_by_as_many_brokers(ask: Ask) -> None:
    assert ask({"kafka": {"replicas": 3}}, claims(0, 1, 2)).returncode == 0

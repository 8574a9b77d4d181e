"""`osteon dead-letters`, `osteon stage` and `osteon topics`, each run as a process on a real broker."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from osteon.bus.dead_letters import Selection, waiting

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
Until = Callable[..., None]
OSTEON = Path(sys.executable).with_name("osteon")


def osteon(servers: str, *arguments: str, site: str = "test", **more: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"OSTEON_KAFKA_SERVERS": servers, "OSTEON_SITE": site} | more
    return subprocess.run([OSTEON, *arguments], env=environment, capture_output=True, text=True, timeout=60)


def test_dead_letters_are_listed_shown_and_replayed_from_the_command_line(kafka_scene: Any, until: Until) -> None:
    name, servers = kafka_scene.name, kafka_scene.servers
    kafka_scene.send("poison-a")
    with kafka_scene.running():
        kafka_scene.wait(1)
    (letter,) = kafka_scene.dead()

    listed = osteon(servers, "dead-letters", "list", "--stage", name)
    shown = osteon(servers, "dead-letters", "show", letter.id)
    dry = osteon(servers, "dead-letters", "replay", "--stage", name, "--dry-run")
    n_waiting = len(waiting(kafka_scene.bus, Selection(name)))
    replayed = osteon(servers, "dead-letters", "replay", "--stage", name)
    again = osteon(servers, "dead-letters", "replay", "--stage", name)

    assert [one.returncode for one in (listed, shown, dry, replayed, again)] == [0] * 5, replayed.stderr
    assert letter.id in listed.stdout
    assert "bad-pixels" in listed.stdout
    assert json.loads(shown.stdout)["reason"] == "bad-pixels"
    assert dry.stdout.splitlines() == [letter.id, "1 would be replayed"]
    assert n_waiting == 1
    assert replayed.stdout.splitlines() == [letter.id, "1 replayed"]
    assert again.stdout.splitlines() == ["0 replayed"]
    with kafka_scene.running():
        until(lambda: len(kafka_scene.dead()) == 2)
    lines = osteon(servers, "dead-letters", "list", "--stage", name).stdout.splitlines()
    assert [line.split()[-1] for line in lines if letter.id in line] == ["yes"]


@pytest.mark.parametrize("given", [(), ("--all", "--stage", "harmonize")])
def test_nothing_is_replayed_unless_it_is_said_what(kafka: str, given: tuple[str, ...]) -> None:
    replayed = osteon(kafka, "dead-letters", "replay", *given)

    assert replayed.returncode == 1
    assert "--all alone" in " ".join(replayed.stderr.split())


def test_a_dead_letter_that_does_not_exist_is_told_in_one_line(kafka_scene: Any) -> None:
    kafka_scene.send("good-a")

    shown = osteon(kafka_scene.servers, "dead-letters", "show", "nobody/here/0/0")

    assert shown.returncode == 1
    assert "there is no dead letter nobody/here/0/0" in " ".join(shown.stderr.split())
    assert "Traceback" not in shown.stderr


def test_an_error_that_quotes_brackets_is_told_as_it_is(kafka_scene: Any) -> None:
    shown = osteon(kafka_scene.servers, "dead-letters", "show", "[/nobody]")

    assert "there is no dead letter [/nobody]" in shown.stderr


def test_a_braked_stage_is_listed_and_resumed_from_the_command_line(kafka_scene: Any, until: Until) -> None:
    name, servers = kafka_scene.name, kafka_scene.servers
    sent = [f"poison-{one}" for one in range(4)]
    kafka_scene.send(*sent, patient="one")
    with kafka_scene.running(brake_limit=1) as running:
        until(lambda: "brake" in running.health.unready)
    listed = osteon(servers, "stage", "list")

    resumed = osteon(servers, "stage", "resume", name)
    again = osteon(servers, "stage", "resume", name)

    assert name in listed.stdout
    assert (resumed.returncode, resumed.stdout.strip()) == (0, f"{name} resumes")
    assert again.returncode == 1
    assert f"stage {name} did not brake" in " ".join(again.stderr.split())
    with kafka_scene.running(brake_limit=100):
        assert kafka_scene.wait(len(sent)) == dict.fromkeys(sent, 1)


def test_topics_are_provisioned_and_checked_from_the_command_line(new_broker: Callable[[], Any]) -> None:
    servers = new_broker().address

    before = osteon(servers, "topics", "check")
    of_hub = [osteon(servers, "topics", verb, OSTEON_IS_HUB_ALONE="true") for verb in ("provision", "check")]
    provisioned = osteon(servers, "topics", "provision")
    after = osteon(servers, "topics", "check")

    assert before.returncode == 1
    assert "osteon topics provision" in " ".join(before.stdout.split())
    assert (of_hub[0].stdout, of_hub[1].returncode) == ("2 topics stand\n", 0), of_hub
    assert provisioned.returncode == 0, provisioned.stderr
    assert after.returncode == 0, after.stdout


def test_a_kafka_of_one_site_refuses_another(kafka: str) -> None:
    first = osteon(kafka, "topics", "claim", site="north")
    again = osteon(kafka, "topics", "claim", site="north")
    others = [osteon(kafka, "topics", *command, site="south") for command in (["claim"], ["wait", "accept"])]

    assert (first.returncode, again.returncode) == (0, 0), first.stderr
    assert [one.returncode for one in others] == [1, 1]
    assert all("this Kafka is that of the site north" in one.stderr for one in others)
    assert all("kafka.external.servers" in one.stderr for one in others)
    wait = ("topics", "wait", "accept", "--within-s=0")
    own = osteon(kafka, *wait, site="north")
    of_hub = osteon(kafka, *wait, site="south", OSTEON_IS_HUB_ALONE="true")  # it has no patients
    assert all(one.returncode == 0 or "accept waited for 0 s" in one.stderr for one in (own, of_hub))


def test_a_broker_that_is_away_is_told_in_one_line() -> None:
    listed = osteon("127.0.0.1:1", "dead-letters", "list")

    assert listed.returncode == os.EX_TEMPFAIL  # another time it may be there
    assert "can't be reached" in listed.stderr
    assert "at 127.0.0.1:1" in listed.stderr
    assert "Traceback" not in listed.stderr

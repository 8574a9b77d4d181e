"""What a stack publishes, read by programs that know nothing of it: kcat, protoc, rclone, dciodvfy."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from osteon.bus import Outgoing
from osteon.bus.dead_letters import Selection, list_all, replay
from osteon.contracts import Brake, ImageHarmonized, ImageReceived, ObjectRef
from osteon.contracts.topics import (
    IMAGE_DEIDENTIFIED,
    IMAGE_HARMONIZED,
    IMAGE_RECEIVED,
    MODEL_IN_FORCE,
    STAGE_BRAKED,
    TOPICS,
    Topic,
    retry_topic,
)
from osteon_stack.ports import HOST
from osteon_stack.secrets import ADMIN, kafka_login
from osteon_stack.services import connect_bus
from tests.peers.conftest import Radiograph, Site

Program = Callable[[str], str]
Make = Callable[..., list[Radiograph]]
Call = Callable[..., "subprocess.CompletedProcess[str]"]

PROTO = Path(__file__).parents[2] / "proto"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def made(site: Site, program: Program, call: Call, radiographs: Make) -> ImageHarmonized:
    """The record of an image that has gone the whole way, after another that was set aside."""
    (image,), (chest,) = radiographs(1), radiographs(1, BodyPartExamined="CHEST")
    told = call(program("storescu"), "-aec", "OSTEON", *site.dimse, image.path, chest.path)
    assert told.returncode == 0, told.stdout + told.stderr
    assert site.outcomes(image.uid, chest.uid) == {image.uid: "classified", chest.uid: "out-of-scope"}
    read = connect_bus(site.stack.folder, site.stack.ports).read([IMAGE_HARMONIZED])
    records = [ImageHarmonized.FromString(one.value or b"") for one in read]
    return next(one for one in records if one.image_id == site.image_id(image.uid))


@pytest.fixture(scope="module")
def troubled(site: Site) -> Iterator[None]:
    """Records that stages could not work, one that was replayed, and the brake of a stage that nobody runs."""
    bus = connect_bus(site.stack.folder, site.stack.ports)
    elsewhere = ObjectRef(bucket="elsewhere", key="00/00", sha256="00", size_bytes=1)
    publisher = bus.publisher()
    publisher.publish(Outgoing(IMAGE_RECEIVED, ImageReceived(image_id="kcat", site="local", object=elsewhere)))
    for topic, stage in ((IMAGE_DEIDENTIFIED, "harmonize"), (IMAGE_HARMONIZED, "classify")):
        message = topic.message(image_id="kcat", site="local", patient="kcat", object=elsewhere)
        publisher.publish(Outgoing(retry_topic(topic, stage), message))
    publisher.publish(Outgoing(STAGE_BRAKED, Brake(stage="nobody", reason="kcat")))
    site.until(lambda: list_all(bus, Selection(stage="accept", image="kcat")))
    replay(bus, "local", Selection(stage="accept", image="kcat"))
    yield
    publisher.remove(STAGE_BRAKED, "nobody")
    publisher.close()


@pytest.mark.usefixtures("troubled")
@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_kcat_reads_a_topic_and_protoc_its_records(
    site: Site, made: ImageHarmonized, program: Program, topic: Topic, call: Call
) -> None:
    login = kafka_login(site.stack.folder, ADMIN)
    asked = {
        "bootstrap.servers": f"{HOST}:{site.stack.ports.kafka}",
        "security.protocol": login.protocol,
        "sasl.mechanisms": login.mechanism,
        "sasl.username": login.user,
        "sasl.password": login.password,
    }
    read = (program("kcat"), "-C", "-q", "-e", "-t", topic.name, *(f"-X{key}={value}" for key, value in asked.items()))
    committed = ("-X", "isolation.level=read_committed")

    listed = call(*read, *committed, "-o", "beginning", "-f", "%p\t%o\t%S\t%k\t%h\n")
    partition, offset, size, key, headers = next(
        fields
        for line in listed.stdout.splitlines()
        if int((fields := line.split("\t"))[2]) > 0  # no tombstone
    )
    one = [*read, *committed, "-p", partition, "-o", offset, "-c", "1", "-f", "%s"]
    value = subprocess.run(one, capture_output=True, check=True, timeout=60).stdout

    text = decoded(topic, value)
    assert len(value) == int(size)
    assert key in text or topic is MODEL_IN_FORCE
    assert f"ce_type={topic.message.DESCRIPTOR.full_name}" in headers
    # A field that the published contract does not know would be told by its number.
    assert not re.search(r"^\s*\d", text, re.MULTILINE), text


def decoded(topic: Topic, value: bytes) -> str:
    """A record as text, read by the published contract alone."""
    name = topic.message.DESCRIPTOR.full_name
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"--decode={name}"]
    files = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    read = subprocess.run([*command, *files], input=value, capture_output=True, check=True, timeout=60)
    return read.stdout.decode()


def test_rclone_lists_objects_that_are_named_by_their_bytes(
    made: ImageHarmonized, program: Program, call: Call, store_keys: dict[str, str], tmp_path: Path
) -> None:
    for ref in (made.original, made.object):
        listed = call(program("rclone"), "lsjson", "-R", "--files-only", f"osteon:{ref.bucket}", **store_keys)
        copied = call(program("rclone"), "copyto", f"osteon:{ref.bucket}/{ref.key}", tmp_path / "copy", **store_keys)

        assert listed.returncode == 0, listed.stderr
        assert copied.returncode == 0, copied.stderr
        assert {one["Path"]: one["Size"] for one in json.loads(listed.stdout)}[ref.key] == ref.size_bytes
        assert hashlib.sha256((tmp_path / "copy").read_bytes()).hexdigest() == ref.sha256


def test_dciodvfy_finds_no_error_in_what_the_stack_wrote(
    made: ImageHarmonized, program: Program, call: Call, store_keys: dict[str, str], tmp_path: Path
) -> None:
    for ref in (made.original, made.object):
        copied = call(program("rclone"), "copyto", f"osteon:{ref.bucket}/{ref.key}", tmp_path / "copy", **store_keys)
        assert copied.returncode == 0, copied.stderr

        told = call(program("dciodvfy"), tmp_path / "copy")

        found = [line for line in (told.stdout + told.stderr).splitlines() if line.startswith("Error")]
        assert not found, f"{ref.bucket}: {found}"

"""A locked Kafka: each service reads and writes what it needs and nothing else; strangers do nothing."""

import dataclasses
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
    UserScramCredentialUpsertion,
)
from kafka.errors import AuthorizationError, KafkaError

from osteon.bus import Outgoing, connect
from osteon.bus.brake import brake
from osteon.bus.login import Brokers, Login
from osteon.contracts import DeadLetter, ImageClassified, ImageReceived, OriginalRecord, ReleaseSet
from osteon.contracts.topic_rights import OWNER, RIGHTS, Rights
from osteon.contracts.topics import (
    DEAD_LETTER,
    IMAGE_CLASSIFIED,
    IMAGE_DEIDENTIFIED,
    IMAGE_RECEIVED,
    MODEL_IN_FORCE,
    MODEL_RELEASED,
    TOPICS,
    Topic,
)
from osteon.errors import Fatal, Passing
from osteon_stack.ports import HOST, Ports, free_ports
from osteon_stack.secrets import ADMIN, identity, kafka_login, lock
from osteon_stack.services import SITE, common_environment, connect_bus

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True)
class Locked:
    """A broker that knows the users of the stack."""

    folder: Path
    ports: Ports

    def options(self, user: str) -> dict[str, Any]:
        return Brokers((f"{HOST}:{self.ports.kafka}",), kafka_login(self.folder, user)).options


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, start_kafka: Any, certificates: Path) -> Iterator[Locked]:
    folder, ports = tmp_path_factory.mktemp("locked"), free_ports()
    lock(folder)
    with start_kafka(folder, ports, over_tls(ports, certificates)):
        connect_bus(folder, ports).claim(SITE)
        connect_bus(folder, ports).provision(TOPICS)
        passwords = {name: kafka_login(folder, name).password for name in RIGHTS}
        connect_bus(folder, ports).grant(passwords, RIGHTS, SITE)
        connect_bus(folder, ports).grant(passwords, RIGHTS, SITE)  # as at each start of the stack
        made = Locked(folder, ports)
        producer = KafkaProducer(**made.options(ADMIN))
        assert all(may_write(producer, topic.name) for topic in TOPICS)
        producer.close()
        yield made


def over_tls(ports: Ports, certificates: Path) -> dict[str, str]:
    """One more listener, on the port of Prometheus, with the certificate of the how-to."""
    shown = certificates / "broker.pem"  # Kafka wants key and certificate in one file
    shown.write_text((certificates / "door.key").read_text() + (certificates / "door.pem").read_text())
    return {
        "listeners": f"CLIENTS://{HOST}:{ports.kafka},CONTROLLER://{HOST}:{ports.kafka_controller},"
        f"TLS://{HOST}:{ports.prometheus}",
        "advertised.listeners": f"CLIENTS://{HOST}:{ports.kafka},TLS://localhost:{ports.prometheus}",
        "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT,TLS:SASL_SSL",
        "listener.name.tls.ssl.keystore.type": "PEM",
        "listener.name.tls.ssl.keystore.location": str(shown),
        "listener.name.tls.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.tls.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "super.users": f"User:{ADMIN};User:administrator",
    }


def may_read(options: dict[str, Any], topic: str) -> bool:
    """Whether the record that lies there comes."""
    deadline = time.monotonic() + 90
    consumer = KafkaConsumer(**options, group_id=None, auto_offset_reset="earliest")
    try:
        if not consumer.partitions_for_topic(topic):
            return False  # it is not even told that there is such a topic
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek_to_beginning()
        while not consumer.poll(timeout_ms=1000):
            assert time.monotonic() < deadline
        return True
    except AuthorizationError:
        return False
    finally:
        consumer.close()


def may_write(producer: KafkaProducer, topic: str) -> bool:
    """Whether a record is taken; no bytes are a message of each topic, in which nothing is said."""
    try:
        producer.send(topic, b"", b"a key", partition=0).get(timeout=90)
        return True
    except AuthorizationError:
        return False


@pytest.mark.parametrize("user", RIGHTS)
def test_a_service_reads_its_topics_and_no_others(locked: Locked, user: str) -> None:
    options = locked.options(user)

    read = {topic.name for topic in TOPICS if may_read(options, topic.name)}

    assert read == {topic.name for topic in RIGHTS[user].reads}


@pytest.mark.parametrize("user", RIGHTS)
def test_a_service_writes_its_topics_and_no_others(locked: Locked, user: str) -> None:
    producer = KafkaProducer(**locked.options(user), enable_idempotence=False, acks="all")

    written = {topic.name for topic in TOPICS if may_write(producer, topic.name)}
    producer.close()

    assert written == {topic.name for topic in RIGHTS[user].writes}


@pytest.mark.parametrize("user", RIGHTS)
def test_a_service_may_change_neither_topics_nor_users(locked: Locked, user: str) -> None:
    with KafkaAdminClient(**locked.options(user)) as admin:
        with pytest.raises(KafkaError, match="Authorization"):
            admin.create_topics({"osteon.stray": {"num_partitions": 1, "replication_factor": 1}})
        with pytest.raises(KafkaError, match="Authorization"):
            admin.describe_acls(_any_acl())


@pytest.mark.parametrize("user", RIGHTS)
def test_a_service_may_ask_whether_the_bus_is_there(locked: Locked, user: str) -> None:
    connect(f"{HOST}:{locked.ports.kafka}", kafka_login(locked.folder, user)).probe()


def test_a_stage_takes_over_nobody_elses_transactions(locked: Locked) -> None:
    bus = connect(f"{HOST}:{locked.ports.kafka}", kafka_login(locked.folder, "harmonizer"), delivery_timeout_s=6.0)

    bus.writer("osteon.local.harmonize.0").renew()

    with pytest.raises(Passing, match="TransactionalIdAuthorizationFailed"):
        bus.writer("osteon.local.accept.0").renew()


@pytest.mark.parametrize(
    "login",
    [
        Login(),
        Login("SASL_PLAINTEXT", "SCRAM-SHA-512", "harmonizer", "a-password-that-is-wrong"),
        Login("SASL_PLAINTEXT", "SCRAM-SHA-512", "stranger", "a-password-that-is-wrong"),
        Login("SASL_PLAINTEXT", "PLAIN", ADMIN, "a-password-that-is-wrong"),
    ],
    ids=["nobody", "wrong password", "stranger", "wrong administrator"],
)
def test_who_is_not_known_hears_nothing(locked: Locked, login: Login) -> None:
    brokers = Brokers((f"{HOST}:{locked.ports.kafka}",), login)

    with pytest.raises(KafkaError):
        brokers.client(KafkaAdminClient, bootstrap_timeout_ms=2000)


def test_a_wrong_password_is_told_by_its_user_and_not_by_itself(locked: Locked) -> None:
    login = Login("SASL_PLAINTEXT", "SCRAM-SHA-512", "ingest", "a-password-that-is-wrong")
    publisher = connect(f"{HOST}:{locked.ports.kafka}", login, delivery_timeout_s=4.0).publisher()

    with pytest.raises(Passing, match="refuses ingest: see OSTEON_KAFKA_USER and OSTEON_KAFKA_PASSWORD") as raised:
        publisher.publish(Outgoing(IMAGE_RECEIVED, ImageReceived(image_id="x")))
    publisher.close()

    assert "a-password" not in f"{raised.value} {login!r}"


def test_the_controller_rules_for_nobody_without_the_administrators_password(locked: Locked) -> None:
    for login in (Login(), Login("SASL_PLAINTEXT", "PLAIN", ADMIN, "wrong")):
        brokers = Brokers((f"{HOST}:{locked.ports.kafka_controller}",), login)

        with pytest.raises(KafkaError):
            brokers.client(KafkaAdminClient, bootstrap_timeout_ms=2000)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("topics check", ""),
        ("stage resume harmonize", "harmonize resumes"),
        ("dead-letters replay --reason a-bad-release", "1 replayed"),
        ("release use 3fa9 --no-wait", "in force 3fa9"),
    ],
)
def test_an_operators_command_needs_no_administrator(locked: Locked, command: str, says: str) -> None:
    original = OriginalRecord(topic=IMAGE_DEIDENTIFIED.name, key=b"a patient", value=b"")
    letter = DeadLetter(id="an-id", stage="harmonize", reason="a-bad-release", image_id="an-image", original=original)
    publisher = connect_bus(locked.folder, locked.ports).publisher()
    for one in (
        brake("harmonize", "a-bad-release", "an explanation"),
        Outgoing(DEAD_LETTER, letter),
        Outgoing(MODEL_RELEASED, ReleaseSet(id="3fa9")),
    ):
        publisher.publish(one)
    publisher.close()
    osteon = str(Path(sys.executable).with_name("osteon"))
    environment = common_environment(locked.folder, locked.ports, "desk")

    told = subprocess.run(
        [osteon, *command.split()], env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert told.returncode == 0, told.stdout + told.stderr
    assert says in told.stdout


def test_who_forgets_a_patient_needs_no_administrator(locked: Locked, seaweedfs: Any) -> None:
    bus, patient = connect_bus(locked.folder, locked.ports), secrets.token_hex(16)
    publisher = bus.publisher()
    publisher.publish(Outgoing(IMAGE_CLASSIFIED, ImageClassified(image_id="an-image", patient=patient)))
    publisher.close()
    keys = identity(seaweedfs.folder, "forget")
    environment = common_environment(locked.folder, locked.ports, "forget") | {
        "OSTEON_STORE_ENDPOINT": seaweedfs.endpoint,
        "OSTEON_STORE_ACCESS_KEY": keys.access_key,
        "OSTEON_STORE_SECRET_KEY": keys.secret_key,
        "OSTEON_SITE_KEY": secrets.token_hex(32),
        "COLUMNS": "200",
    }

    osteon = str(Path(sys.executable).with_name("osteon"))
    command = [osteon, "patient", "forget", "--pseudonym", patient, "--dry-run"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110, check=False)

    assert told.returncode == 0, told.stdout + told.stderr
    assert "osteon.image.classified 1 would be gone" in " ".join(told.stdout.split())


def test_who_forgets_a_patient_joins_no_stage(locked: Locked) -> None:
    consumer = KafkaConsumer(IMAGE_RECEIVED.name, group_id="accept", **locked.options("forget"))

    with pytest.raises(AuthorizationError):
        consumer.poll(timeout_ms=60_000)
    consumer.close(autocommit=False)


def test_the_how_to_speaks_to_kafka_over_tls(
    locked: Locked, certificates: Path, lock_the_doors: Callable[[str], str]
) -> None:
    user = UserScramCredentialUpsertion("administrator", "SCRAM-SHA-512", "a-password-of-the-how-to")
    with KafkaAdminClient(**locked.options(ADMIN)) as admin:
        admin.alter_user_scram_credentials([user])
    (certificates / "kafka.password").write_text("a-password-of-the-how-to\n")

    script = f"KAFKA_PORT={locked.ports.prometheus} PATH={Path(sys.executable).parent}:$PATH\n{lock_the_doors('Kafka')}"
    told = subprocess.run(
        ["bash", "-c", script], cwd=certificates, capture_output=True, text=True, timeout=90, check=False
    )

    assert told.returncode == 0, told.stdout + told.stderr


def test_a_broker_of_another_authority_is_not_believed(locked: Locked) -> None:
    login = Login("SASL_SSL", "SCRAM-SHA-512", "administrator", "a-password-of-the-how-to")
    brokers = Brokers((f"localhost:{locked.ports.prometheus}",), login)

    with pytest.raises(KafkaError):
        brokers.client(KafkaAdminClient, bootstrap_timeout_ms=2000)


@pytest.mark.parametrize(
    "half",
    [{"protocol": "SASL_SSL"}, {"protocol": "SASL_SSL", "user": "accept"}, {"user": "accept", "password": "x"},
     {"protocol": "PLAINTEXT", "ca": Path("ca.pem")}],
)  # fmt: skip
def test_half_a_login_is_refused(half: dict[str, Any]) -> None:
    with pytest.raises(Fatal, match="OSTEON_KAFKA_SECURITY"):
        dataclasses.replace(Login(), **half)


def _any_acl() -> Any:
    from kafka.admin import ACLFilter, ACLOperation, ACLPermissionType, ResourcePatternFilter, ResourceType
    from kafka.admin import ACLResourcePatternType as Pattern

    anything = ResourcePatternFilter(ResourceType.ANY, None, Pattern.ANY)
    return ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, anything)


def test_a_right_that_the_table_lacks_is_taken_away(locked: Locked, until: Callable[..., None]) -> None:
    topic = ResourcePattern(ResourceType.TOPIC, DEAD_LETTER.name, ACLResourcePatternType.LITERAL)
    surplus = ACL("User:console", "*", ACLOperation.WRITE, ACLPermissionType.ALLOW, topic)
    admin = KafkaAdminClient(**locked.options(ADMIN))
    before = set(admin.describe_acls(_any_acl())[0])
    admin.create_acls([surplus])
    until(lambda: set(admin.describe_acls(_any_acl())[0]) == {*before, surplus}, 30)

    passwords = {"console": kafka_login(locked.folder, "console").password}
    connect_bus(locked.folder, locked.ports).grant(passwords, RIGHTS, SITE)

    until(lambda: set(admin.describe_acls(_any_acl())[0]) == before, 30)
    admin.close()


def test_the_desk_of_a_hub_alone_has_the_topics_of_releases_and_no_others(
    locked: Locked, until: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "desk").write_text(kafka_login(locked.folder, "desk").password)
    osteon = str(Path(sys.executable).with_name("osteon"))

    def on(is_hub_alone: bool) -> set[str]:
        """What the desk's rights are on, after they were granted."""
        environment = common_environment(locked.folder, locked.ports, ADMIN)
        environment["OSTEON_IS_HUB_ALONE"] = str(is_hub_alone)
        command = [osteon, "topics", "grant", str(tmp_path)]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
        with KafkaAdminClient(**locked.options(ADMIN)) as admin:
            held = admin.describe_acls(_any_acl())[0]
        return {one.resource_pattern.resource_name for one in held if one.principal == "User:desk"}

    until(lambda: on(is_hub_alone=True) == {MODEL_RELEASED.name, MODEL_IN_FORCE.name, "kafka-cluster", OWNER}, 60)
    until(lambda: {topic.name for topic in TOPICS} < on(is_hub_alone=False), 60)


@pytest.mark.parametrize("user", RIGHTS)
def test_a_service_finds_all_that_it_waits_for_and_sees_whose_it_is(locked: Locked, user: str) -> None:
    bus = connect(f"{HOST}:{locked.ports.kafka}", kafka_login(locked.folder, user))

    assert bus.missing_for(RIGHTS[user]) == []
    assert bus.missing_for(Rights((Topic("osteon.none", ImageReceived, "image_id"),))) == ["osteon.none"]
    bus.refuse_others(SITE)
    with pytest.raises(Fatal, match=f"this Kafka is that of the site {SITE}"):
        bus.refuse_others("another")

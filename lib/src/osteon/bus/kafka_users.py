"""Users of Apache Kafka and their ACLs, made as the table of rights says; and what a user sees once it has them."""

from collections.abc import Iterator, Mapping

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError, NoError

from osteon.bus.kafka_topics import offsets
from osteon.bus.login import Brokers
from osteon.contracts.topic_rights import OWNER, Rights
from osteon.errors import Passing

__all__ = ["grant", "missing_for"]

MECHANISM = "SCRAM-SHA-512"
THE_CLUSTER = "kafka-cluster"  # so Kafka calls every one


def grant(brokers: Brokers, passwords: Mapping[str, str], allowed: Mapping[str, Rights], site: str) -> None:
    """Make the users of `passwords` with their passwords and what each is allowed, for the stages of `site`.

    Safe to repeat: a password is replaced, and a right that the table lacks is taken away, whoever gave it. Raises
    Passing.
    """
    users = [UserScramCredentialUpsertion(name, MECHANISM, password) for name, password in passwords.items()]
    try:
        with brokers.client(KafkaAdminClient) as admin:
            failed = {name: error for name, error in admin.alter_user_scram_credentials(users).items() if error}
            rights = [one for name in passwords for one in _acls(f"User:{name}", allowed[name], site)]
            refused = list(admin.create_acls(rights)["failed"])
            too_many = [one for name in passwords for one in _held(admin, f"User:{name}") if one not in rights]
            if too_many:
                refused += [error for _, _, error in admin.delete_acls(too_many) if error is not NoError]
    except KafkaError as error:
        raise Passing("bus", f"Kafka's users can't be made: {brokers.why(error)}") from None
    if failed or refused:
        why = "; ".join(sorted({*failed.values(), *(error.__name__ for error in refused)}))
        told = f"Kafka did not set {len(failed)} users and {len(refused)} rights: {why}"
        raise Passing("bus", f"{told}. Try again; if it stays, see whether this user may make users and ACLs")


def missing_for(brokers: Brokers, allowed: Rights) -> list[str]:
    """What a service with those rights can't begin without and does not see yet: topics, and its stage's offsets.

    Raises Passing if the broker can't be reached, or does not know the user yet.
    """
    topics = {topic.name: topic for topic in (*allowed.reads, *allowed.writes)}
    try:
        with brokers.client(KafkaAdminClient) as admin:
            seen = {one["name"] for one in admin.describe_topics(list(topics)) if one["partitions"]}
            missing = sorted(topics.keys() - seen)
            consumed = [one for one in topics.values() if allowed.stage in one.readers and one.name in seen]
            parts = [TopicPartition(one.name, number) for one in consumed for number in range(one.partitions)]
            known = offsets(admin, allowed.stage, parts)
    except KafkaError as error:
        raise Passing("bus", f"Kafka can't be asked: {brokers.why(error)}") from None
    unread = {part.topic for part in parts if part not in known}
    return missing + [f"offsets in {name}" for name in sorted(unread)]


def _held(admin: KafkaAdminClient, user: str) -> list[ACL]:
    anything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    found, _ = admin.describe_acls(ACLFilter(user, None, ACLOperation.ANY, ACLPermissionType.ANY, anything))
    return list(found)


def _acls(user: str, allowed: Rights, site: str) -> Iterator[ACL]:
    literal, prefixed = ACLResourcePatternType.LITERAL, ACLResourcePatternType.PREFIXED
    # The first of all: who sees its topics shall see whose they are.
    yield _acl(user, ACLOperation.DESCRIBE, ResourcePattern(ResourceType.TOPIC, OWNER, prefixed))
    for topic in allowed.reads:
        yield _acl(user, ACLOperation.READ, ResourcePattern(ResourceType.TOPIC, topic.name, literal))
    for topic in allowed.writes:
        yield _acl(user, ACLOperation.WRITE, ResourcePattern(ResourceType.TOPIC, topic.name, literal))
    if allowed.stage:
        yield _acl(user, ACLOperation.READ, ResourcePattern(ResourceType.GROUP, allowed.stage, literal))
        mine = ResourcePattern(ResourceType.TRANSACTIONAL_ID, f"osteon.{site}.{allowed.stage}.", prefixed)
        yield _acl(user, ACLOperation.WRITE, mine)
    if allowed.transaction:
        mine = ResourcePattern(ResourceType.TRANSACTIONAL_ID, f"osteon.{site}.{allowed.transaction}", literal)
        yield _acl(user, ACLOperation.WRITE, mine)
    for topic in allowed.checks:
        for operation in (ACLOperation.DESCRIBE, ACLOperation.DESCRIBE_CONFIGS):
            yield _acl(user, operation, ResourcePattern(ResourceType.TOPIC, topic.name, literal))
    if allowed.checks:
        yield _acl(user, ACLOperation.DESCRIBE_CONFIGS, ResourcePattern(ResourceType.CLUSTER, THE_CLUSTER, literal))
    for stage in allowed.watches:
        yield _acl(user, ACLOperation.DESCRIBE, ResourcePattern(ResourceType.GROUP, stage, literal))


def _acl(user: str, operation: ACLOperation, on: ResourcePattern) -> ACL:
    return ACL(user, "*", operation, ACLPermissionType.ALLOW, on)

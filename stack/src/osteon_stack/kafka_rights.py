"""Users of a locked Kafka, and what each of them may do: the topics it reads, those it writes, and its stage."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError

from osteon.bus.login import Brokers
from osteon.contracts.topics import (
    DEAD_LETTER,
    IMAGE_CLASSIFIED,
    IMAGE_DEIDENTIFIED,
    IMAGE_HARMONIZED,
    IMAGE_KNOWN,
    IMAGE_RECEIVED,
    IMAGE_SET_ASIDE,
    MODEL_IN_FORCE,
    MODEL_RELEASED,
    STAGE_BRAKED,
    TOPICS,
    Topic,
    retry_topic,
)
from osteon.errors import Passing
from osteon_stack.ports import HOST, Ports
from osteon_stack.secrets import ADMIN, kafka_login
from osteon_stack.services import SITE

__all__ = ["RIGHTS", "Rights", "grant"]

RELEASES = (MODEL_RELEASED, MODEL_IN_FORCE)


@dataclass(frozen=True)
class Rights:
    """What a user may do: read topics, write topics; and as a stage, join its group and write transactions."""

    reads: tuple[Topic, ...]
    writes: tuple[Topic, ...] = ()
    stage: str = ""


def _stage(name: str, consumes: Topic, *produces: Topic, reads: tuple[Topic, ...] = ()) -> Rights:
    """What each stage needs besides its own: the brake, dead letters, what is replayed to it."""
    writes = (*produces, IMAGE_SET_ASIDE, DEAD_LETTER, STAGE_BRAKED)
    return Rights((consumes, retry_topic(consumes, name), STAGE_BRAKED, *reads), writes, name)


RIGHTS: Mapping[str, Rights] = {
    "ingest": Rights((IMAGE_RECEIVED,), (IMAGE_RECEIVED,)),  # the sweeper reads what was announced
    "accept": _stage("accept", IMAGE_RECEIVED, IMAGE_DEIDENTIFIED, IMAGE_KNOWN, reads=(IMAGE_KNOWN,)),
    "harmonizer": _stage("harmonize", IMAGE_DEIDENTIFIED, IMAGE_HARMONIZED, reads=RELEASES),
    "classifier": _stage("classify", IMAGE_HARMONIZED, IMAGE_CLASSIFIED, reads=RELEASES),
    "reconcile": Rights(RELEASES),
    "console": Rights(TOPICS),
}
"""By service. The administrator may do everything, and needs no row."""


def grant(folder: Path, ports: Ports) -> None:
    """Make each service's user with its password and rights. Safe to repeat. Raises Passing."""
    brokers = Brokers((f"{HOST}:{ports.kafka}",), kafka_login(folder, ADMIN))
    logins = {name: kafka_login(folder, name) for name in RIGHTS}
    users = [UserScramCredentialUpsertion(name, one.mechanism, one.password) for name, one in logins.items()]
    try:
        with brokers.client(KafkaAdminClient) as admin:
            failed = {name: error for name, error in admin.alter_user_scram_credentials(users).items() if error}
            rights = [one for name, allowed in RIGHTS.items() for one in _acls(f"User:{name}", allowed)]
            refused = admin.create_acls(rights)["failed"]
    except KafkaError as error:
        raise Passing("bus", f"Kafka's users can't be made: {brokers.why(error)}") from None
    if failed or refused:
        raise Passing("bus", f"Kafka made neither users {', '.join(failed)} nor {len(refused)} rights; try again")


def _acls(user: str, allowed: Rights) -> Iterator[ACL]:
    literal, prefixed = ACLResourcePatternType.LITERAL, ACLResourcePatternType.PREFIXED
    for topic in allowed.reads:
        yield _acl(user, ACLOperation.READ, ResourcePattern(ResourceType.TOPIC, topic.name, literal))
    for topic in allowed.writes:
        yield _acl(user, ACLOperation.WRITE, ResourcePattern(ResourceType.TOPIC, topic.name, literal))
    if allowed.stage:
        yield _acl(user, ACLOperation.READ, ResourcePattern(ResourceType.GROUP, allowed.stage, literal))
        mine = ResourcePattern(ResourceType.TRANSACTIONAL_ID, f"osteon.{SITE}.{allowed.stage}.", prefixed)
        yield _acl(user, ACLOperation.WRITE, mine)


def _acl(user: str, operation: ACLOperation, on: ResourcePattern) -> ACL:
    return ACL(user, "*", operation, ACLPermissionType.ALLOW, on)

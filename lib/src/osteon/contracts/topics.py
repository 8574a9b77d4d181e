"""The topics, in one table: what lies on each, under which key, for how long, and who reads it.

Partitions: image topics have as many as a site may ever run instances of a stage, since adding some later
would break the order of a patient's images. Those that are read together are co-partitioned.
"""

from dataclasses import dataclass

from google.protobuf.message import Message

from osteon import contracts

__all__ = [
    "DEAD_LETTER",
    "HUB_TOPICS",
    "IMAGE_CLASSIFIED",
    "IMAGE_DEIDENTIFIED",
    "IMAGE_HARMONIZED",
    "IMAGE_KNOWN",
    "IMAGE_RECEIVED",
    "IMAGE_SET_ASIDE",
    "MODEL_IN_FORCE",
    "MODEL_RELEASED",
    "REMOVED_WITHIN_MS",
    "STAGE_BRAKED",
    "TOPICS",
    "Topic",
    "retry_topic",
    "topics_at",
]

DAY_MS = 24 * 60 * 60 * 1000
IMAGE_RETENTION_MS = 90 * DAY_MS  # a stage may be down for a quarter of a year and lose nothing
# Kafka removes whole segments of a log: what is removed or past its retention is gone from the disk this much later.
REMOVED_WITHIN_MS = 7 * DAY_MS
IMAGE_PARTITIONS = 12


@dataclass(frozen=True)
class Topic:
    """A Kafka topic whose records are messages of one type.

    `key` names the message's field that keys it; `readers` are the consumer groups (one a stage) whose
    offsets are created together with the topic. `retention_ms` of None means compacted: only the last
    record of each key is kept, for ever.
    """

    name: str
    message: type[Message]
    key: str
    partitions: int = IMAGE_PARTITIONS
    retention_ms: int | None = IMAGE_RETENTION_MS
    readers: tuple[str, ...] = ()


IMAGE_RECEIVED = Topic("osteon.image.received", contracts.ImageReceived, "image_id", readers=("accept",))
IMAGE_KNOWN = Topic("osteon.image.known", contracts.ImageKnown, "image_id", retention_ms=None)
IMAGE_DEIDENTIFIED = Topic("osteon.image.deidentified", contracts.ImageDeidentified, "patient", readers=("harmonize",))
IMAGE_HARMONIZED = Topic("osteon.image.harmonized", contracts.ImageHarmonized, "patient", readers=("classify",))
IMAGE_CLASSIFIED = Topic("osteon.image.classified", contracts.ImageClassified, "patient")
IMAGE_SET_ASIDE = Topic("osteon.image.set-aside", contracts.ImageSetAside, "image_id")
MODEL_RELEASED = Topic("osteon.model.released", contracts.ReleaseSet, "id", partitions=1, retention_ms=None)
MODEL_IN_FORCE = Topic("osteon.model.in-force", contracts.ReleaseInForce, "in-force", partitions=1, retention_ms=None)
DEAD_LETTER = Topic("osteon.dead-letter", contracts.DeadLetter, "image_id", partitions=1)
STAGE_BRAKED = Topic("osteon.stage.braked", contracts.Brake, "stage", partitions=1, retention_ms=None)


def retry_topic(consumed: Topic, stage: str) -> Topic:
    """Where dead letters of `stage` are replayed to; only that stage reads it."""
    return Topic(f"osteon.retry.{stage}", consumed.message, consumed.key, consumed.partitions, readers=(stage,))


TOPICS = (
    IMAGE_RECEIVED,
    IMAGE_KNOWN,
    IMAGE_DEIDENTIFIED,
    IMAGE_HARMONIZED,
    IMAGE_CLASSIFIED,
    IMAGE_SET_ASIDE,
    MODEL_RELEASED,
    MODEL_IN_FORCE,
    DEAD_LETTER,
    STAGE_BRAKED,
    retry_topic(IMAGE_RECEIVED, "accept"),
    retry_topic(IMAGE_DEIDENTIFIED, "harmonize"),
    retry_topic(IMAGE_HARMONIZED, "classify"),
)

HUB_TOPICS = (MODEL_RELEASED, MODEL_IN_FORCE)
"""Those of a hub without a site: it makes releases, and knows no image."""


def topics_at(*, is_hub_alone: bool) -> tuple[Topic, ...]:
    """Those that must be there: at a site all of them."""
    return HUB_TOPICS if is_hub_alone else TOPICS

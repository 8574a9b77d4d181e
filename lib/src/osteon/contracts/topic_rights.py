"""Who may read and write which topic: the least that each service's work needs.

The stack of one machine and the chart make Kafka's users and ACLs of it; whoever brings a Kafka of their own gives each
service these and no others. Each user also sees (Describe) the topics whose names begin with `OWNER`.

An upgrade takes away what this table lacks while pods of the release before still run, and so does a rollback: take a
right out one release after its last use, and no earlier.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from osteon.contracts.topics import (
    DEAD_LETTER,
    HUB_TOPICS,
    IMAGE_CLASSIFIED,
    IMAGE_DEIDENTIFIED,
    IMAGE_HARMONIZED,
    IMAGE_KNOWN,
    IMAGE_RECEIVED,
    IMAGE_SET_ASIDE,
    STAGE_BRAKED,
    TOPICS,
    Topic,
    retry_topic,
)

__all__ = ["OWNER", "RIGHTS", "Rights", "rights_at"]

OWNER = "osteon.site-is."
"""With a site's name behind it, an empty topic that says whose Kafka this is: no service starts on another's."""

RELEASES = HUB_TOPICS
IMAGES = tuple(topic for topic in TOPICS if topic not in (*RELEASES, STAGE_BRAKED))
RETRIES = tuple(topic for topic in TOPICS if topic.name.startswith("osteon.retry."))
STAGES = tuple(sorted({reader for topic in TOPICS for reader in topic.readers}))


@dataclass(frozen=True)
class Rights:
    """What a user may do: read topics, write topics; as a stage, join its group and write transactions; ask how far
    the stages that it `watches` have come; and how topics that it `checks`, and the brokers, are set up.

    `transaction` names one of its own, where it is no stage.
    """

    reads: tuple[Topic, ...]
    writes: tuple[Topic, ...] = ()
    stage: str = ""
    watches: tuple[str, ...] = ()
    checks: tuple[Topic, ...] = ()
    transaction: str = ""


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
    # `osteon patient forget`, `osteon inbox prune`: whoever runs them, for as long as they run.
    "forget": Rights(
        IMAGES,
        (retry_topic(IMAGE_RECEIVED, "accept"),),
        watches=STAGES,
    ),
    # An operator's commands on a cluster: releases, brakes, the doctor; dead letters and their replay, and of images no
    # other record.
    "desk": Rights(
        (*RELEASES, STAGE_BRAKED, DEAD_LETTER, *RETRIES),
        (*RELEASES, STAGE_BRAKED, *RETRIES),
        watches=STAGES,
        checks=TOPICS,
        transaction="replay",
    ),
}
"""By service. The administrator may do everything, and needs no row."""


def rights_at(*, is_hub_alone: bool) -> Mapping[str, Rights]:
    """All of `RIGHTS`; at a hub without a site an operator's on the topics of releases, for there is nothing else."""
    return {"desk": Rights(HUB_TOPICS, HUB_TOPICS, checks=HUB_TOPICS)} if is_hub_alone else RIGHTS

"""Records as the stages write them, for tests: a story is what befell some images, topic by topic."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from osteon.bus.record import Record
from osteon.contracts import (
    DeadLetter,
    ImageClassified,
    ImageDeidentified,
    ImageHarmonized,
    ImageReceived,
    ImageSetAside,
    ObjectRef,
    OriginalRecord,
)
from osteon.contracts.topics import (
    DEAD_LETTER,
    IMAGE_CLASSIFIED,
    IMAGE_DEIDENTIFIED,
    IMAGE_HARMONIZED,
    IMAGE_RECEIVED,
    IMAGE_SET_ASIDE,
    Topic,
)

NOON_MS = 1_750_000_000_000
TRACE = "00-{:032x}-{:016x}-01"


@dataclass
class Story:
    """Grows record by record; the clock goes on by a second with each."""

    site: str = "north"
    records: list[Record] = field(default_factory=list)
    _ends: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))

    @property
    def now_ms(self) -> int:
        return NOON_MS + 1000 * len(self.records)

    def write(
        self, topic: Topic, message: Message | None, key: str, headers: Mapping[str, bytes] | None = None
    ) -> Record:
        partition = sum(key.encode()) % topic.partitions
        place = (topic.name, partition)
        span = TRACE.format(1 + sum(key.encode()), 1 + len(self.records)).encode()
        record = Record(
            topic=topic.name,
            partition=partition,
            offset=self._ends[place],
            key=key.encode(),
            value=None if message is None else message.SerializeToString(),
            headers=(("traceparent", span), *(headers or {}).items()),
            timestamp_ms=self.now_ms,
        )
        self._ends[place] += 2  # transaction markers occupy offsets
        self.records.append(record)
        return record

    def receive(self, image_id: str, sha256: str = "aa") -> ImageReceived:
        at = Timestamp()
        at.FromMilliseconds(self.now_ms)
        message = ImageReceived(image_id=image_id, site=self.site, object=ref("inbox", sha256), received_at=at)
        self.write(IMAGE_RECEIVED, message, image_id)
        return message

    def deidentify(self, of: ImageReceived) -> ImageDeidentified:
        message = ImageDeidentified(
            image_id=of.image_id, site=of.site, patient="p1", object=ref("images", "bb"), received_at=of.received_at
        )
        self.write(IMAGE_DEIDENTIFIED, message, "p1")
        return message

    def harmonize(self, of: ImageDeidentified) -> ImageHarmonized:
        message = ImageHarmonized(
            image_id=of.image_id,
            site=of.site,
            patient=of.patient,
            object=ref("harmonized", "cc"),
            original=of.object,
            release_set="set-1",
            received_at=of.received_at,
        )
        self.write(IMAGE_HARMONIZED, message, "p1")
        return message

    def classify(self, of: ImageHarmonized, probability: float = 0.75) -> None:
        message = ImageClassified(
            image_id=of.image_id,
            site=of.site,
            patient=of.patient,
            release_set=of.release_set,
            label="atypical_fracture",
            probability=probability,
            above_operating_point=probability > 0.5,
            harmonized=of.object,
            original=of.original,
            received_at=of.received_at,
        )
        self.write(IMAGE_CLASSIFIED, message, "p1")

    def answer(self, image_id: str, sha256: str = "aa") -> None:
        self.classify(self.harmonize(self.deidentify(self.receive(image_id, sha256))))

    def set_aside(self, of: ImageReceived, reason: str, headers: Mapping[str, bytes] | None = None) -> None:
        message = ImageSetAside(
            image_id=of.image_id,
            site=of.site,
            stage="accept",
            reason=reason,
            explanation="Why.",
            object=of.object,
            received_at=of.received_at,
        )
        self.write(IMAGE_SET_ASIDE, message, of.image_id, headers)

    def bury(self, of: ImageReceived) -> str:
        """Write a dead letter for the last record; gives its id."""
        last = self.records[-1]
        letter = f"accept/{last.topic}/{last.partition}/{last.offset}"
        original = OriginalRecord(
            topic=last.topic, partition=last.partition, offset=last.offset, value=last.value or b""
        )
        message = DeadLetter(
            id=letter, stage="accept", reason="undigested", attempts=3, image_id=of.image_id, original=original
        )
        self.write(DEAD_LETTER, message, of.image_id)
        return letter


def ref(bucket: str, sha256: str) -> ObjectRef:
    return ObjectRef(bucket=bucket, key=sha256, sha256=sha256 * 32, size_bytes=1, media_type="application/dicom")

"""Where a patient left traces: the objects of each bucket and the records of each topic.

Whose an object is, is told by what is cheapest to ask: a record that refers to it, the image that it belongs to, and at
last the object itself. So what records no longer tell (they are kept for 90 days) is found too, and so is what an
attempt that was killed left behind.
"""

import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError, Message
from pydicom import dcmread

from osteon.bus import Bus, Record
from osteon.bus.record import Place
from osteon.contracts import DeadLetter, ImageKnown, ImageReceived, ObjectRef
from osteon.contracts.topics import IMAGE_KNOWN, TOPICS, Topic
from osteon.errors import Poison
from osteon.imaging.quiet import BROKEN_INPUT, quiet_pydicom
from osteon.store import Listed, Store
from osteon_ingest.identity import Keys, pseudonym
from osteon_ingest.receipts import RECEIPTS, find_receipt, receipt_key
from osteon_ingest.receive import INBOX
from osteon_ingest.seal import unseal
from osteon_ingest.vault import VAULT, Entry, open_entry

__all__ = ["PLACES", "Records", "Traces", "Waiting", "find", "pseudonyms", "retained"]

PLACES = (INBOX, RECEIPTS, "images", "harmonized", VAULT)
MESSAGES = {topic.name: topic.message for topic in TOPICS}
retained = tuple(topic for topic in TOPICS if {"image_id", "patient"} & set(topic.message.DESCRIPTOR.fields_by_name))
"""The topics whose records are about one image."""


@dataclass
class Records:
    """How many records of a topic are about a patient, and when the last was written (ms since 1970)."""

    n: int = 0
    last_ms: int = 0


@dataclass(frozen=True)
class Waiting:
    """A record that a stage has not finished: it lies before it, or the stage has it in hand."""

    stage: str
    topic: Topic
    place: Place
    offset: int


@dataclass
class Traces:
    """What there is of a patient.

    `names` are the patient's pseudonyms, `images` belong to the patient alone. `n_unknown` objects of a bucket can't be
    read, so that nobody can tell whose they are. `underway` are records that stages have not finished.
    """

    names: frozenset[str] = frozenset()
    images: set[str] = field(default_factory=set)
    objects: dict[str, list[ObjectRef]] = field(default_factory=dict)
    records: dict[str, Records] = field(default_factory=dict)
    n_unknown: dict[str, int] = field(default_factory=dict)
    underway: set[Waiting] = field(default_factory=set)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that could be forgotten."""
        return not self.images and not any(self.objects.values())

    @property
    def n_known(self) -> int:
        """How many of the images accept remembers."""
        return self.records.get(IMAGE_KNOWN.name, Records()).n


def pseudonyms(keys: Keys, issuer_or_site: str, patient_id: str) -> frozenset[str]:
    """What a patient is or was called: one pseudonym for each site key."""
    return frozenset(pseudonym(one, issuer_or_site, patient_id) for one in (keys, *keys.former)) - {""}


def find(bus: Bus, store: Store, keys: Keys, site: str, names: frozenset[str]) -> Traces:
    """Everything of the patient with these pseudonyms; those of other epochs are found by the vault. Raises Passing."""
    while True:
        search = _Search(bus, store, keys, site, names)
        found = search.traces()
        if search.names == names:
            return found
        names = search.names


class _Search:
    """One look at everything. `names` grows by what the vault says."""

    def __init__(self, bus: Bus, store: Store, keys: Keys, site: str, names: frozenset[str]) -> None:
        self.bus, self.store, self.keys, self.site, self.names = bus, store, keys, site, names
        self.patients: dict[str, set[str]] = defaultdict(set)  # of an image
        self.owners: dict[tuple[str, str], set[str]] = defaultdict(set)  # of an object, by bucket and key
        self.image_of: dict[tuple[str, str], str] = {}
        self.n_received: dict[str, set[str]] = defaultdict(set)  # inbox objects of an image
        self.in_doubt: set[str] = set()  # images under whose UID something else came too
        self.records: dict[str, dict[str, Records]] = defaultdict(dict)  # by topic, then image
        self.underway: dict[str, set[Waiting]] = defaultdict(set)  # by image
        self.images: set[str] = set()

    def traces(self) -> Traces:
        # Asked before anything is read: what a stage had finished by then, has its outcome among what is read.
        finished = {(stage, topic): self.bus.committed(stage, topic) for topic in retained for stage in topic.readers}
        for topic in retained:
            for record in self._records(topic):
                self._note(topic, record, {stage: finished[stage, topic] for stage in topic.readers})
        self.in_doubt |= {image for image, keys in self.n_received.items() if len(keys) > 1}
        self.images = {image for image, patients in self.patients.items() if patients & self.names}
        found = Traces()
        for bucket in (VAULT, "images", "harmonized", INBOX):
            mine = []
            for listed in self.store.list(bucket):
                is_mine = self._is_mine(bucket, listed)
                if is_mine is None:
                    found.n_unknown[bucket] = found.n_unknown.get(bucket, 0) + 1
                elif is_mine:
                    mine.append(_ref(bucket, listed))
                    self.images |= (
                        {self.image_of[bucket, listed.key]} if (bucket, listed.key) in self.image_of else set()
                    )
            found.objects[bucket] = mine
        found.names = self.names  # which the vault may have added to
        found.underway = set().union(*(self.underway[image] for image in self.images & self.underway.keys()))
        # One under whose UID another patient's image lives is not forgotten with this patient.
        found.images = {image for image in self.images if self.patients[image] <= self.names}
        found.objects[RECEIPTS] = [
            ObjectRef(bucket=RECEIPTS, key=receipt_key(image))
            for image in sorted(found.images)
            if find_receipt(self.store, image)
        ]
        found.records = {name: _summed(by_image, found.images) for name, by_image in self.records.items()}
        return found

    def _records(self, topic: Topic) -> list[Record]:
        records = self.bus.read([topic])
        if topic.retention_ms is not None:
            return records
        return [record for record in {record.key: record for record in records}.values() if record.value is not None]

    def _note(self, topic: Topic, record: Record, finished: Mapping[str, Mapping[Place, int]]) -> None:
        message = _message(topic.message, record.value)
        image = getattr(message, "image_id", "") or record.key.decode(errors="replace")
        counted = self.records[topic.name].setdefault(image, Records())
        counted.n, counted.last_ms = counted.n + 1, max(counted.last_ms, record.timestamp_ms)
        if not getattr(message, "forget", False):  # that one writes nothing of the patient
            self.underway[image] |= {
                Waiting(stage, topic, record.place, record.offset)
                for stage, offsets in finished.items()
                if record.offset >= offsets.get(record.place, 0)
            }
        if isinstance(message, DeadLetter):
            message = _message(MESSAGES.get(message.original.topic, DeadLetter), message.original.value)
        patient = getattr(message, "patient", "")
        if patient:
            self.patients[image].add(patient)
        if isinstance(message, ImageKnown) and message.set_aside:
            self.in_doubt.add(image)
        for ref in _refs(message):
            place = ref.bucket, ref.key
            self.image_of[place] = image
            if patient:
                self.owners[place].add(patient)
            if isinstance(message, ImageReceived):
                self.n_received[image].add(ref.key)

    def _is_mine(self, bucket: str, listed: Listed) -> bool | None:
        """Whether an object is the patient's; None if nobody can tell."""
        place = bucket, listed.key
        if bucket == VAULT:
            image, _, sha256 = listed.key.partition("/")
            self.image_of[place] = image
            self.image_of.setdefault(("images", f"{sha256[:2]}/{sha256}"), image)
        if self.owners.get(place):
            return bool(self.owners[place] & self.names)
        image = self.image_of.get(place, "")
        patients = self.patients.get(image)
        is_plain = bool(patients) and image not in self.in_doubt
        if is_plain and not (bucket == VAULT and image in self.images):
            return bool(patients and patients & self.names)
        return self._look_inside(bucket, listed)

    def _look_inside(self, bucket: str, listed: Listed) -> bool | None:
        try:
            if bucket == VAULT:
                entry = open_entry(self.store, self.keys, listed.key)
                return self._names_of(entry)
            if bucket == INBOX:
                original = unseal(self.keys.to_open("inbox"), self.store.get(_ref(bucket, listed)))
                return self._is_of(original)
            patient, _ = _patient(self.store.get_named(bucket, listed.key))
        except Poison:
            return None
        except BROKEN_INPUT:
            return None
        return patient in self.names

    def _names_of(self, entry: Entry) -> bool:
        names = pseudonyms(self.keys, entry.issuer_of_patient_id or self.site, entry.patient_id) | {entry.patient}
        if not names & self.names:
            return False
        self.names |= names
        return True

    def _is_of(self, original: bytes) -> bool:
        patient_id, issuer = _patient(original)
        return bool(pseudonyms(self.keys, issuer or self.site, patient_id) & self.names)


def _patient(content: bytes) -> tuple[str, str]:
    """PatientID and its issuer in a DICOM object, which may end early. Raises what is in BROKEN_INPUT."""
    with quiet_pydicom():
        tags = ["PatientID", "IssuerOfPatientID"]
        header = dcmread(io.BytesIO(content), stop_before_pixels=True, force=True, specific_tags=tags)
        patient_id, issuer = (str(header.get(tag) or "").strip(" \0") for tag in tags)
    return patient_id, issuer


def _message(kind: type[Message], value: bytes | None) -> Message | None:
    try:
        return kind.FromString(value or b"")
    except DecodeError:
        return None


def _refs(message: Message | None) -> Iterator[ObjectRef]:
    for _, value in message.ListFields() if message is not None else ():
        if isinstance(value, ObjectRef) and value.key:
            yield value


def _ref(bucket: str, listed: Listed) -> ObjectRef:
    return ObjectRef(bucket=bucket, key=listed.key, sha256=listed.key.rpartition("/")[2], size_bytes=listed.size_bytes)


def _summed(by_image: dict[str, Records], images: set[str]) -> Records:
    mine = [records for image, records in by_image.items() if image in images]
    return Records(sum(one.n for one in mine), max((one.last_ms for one in mine), default=0))

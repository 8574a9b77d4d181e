"""What every store does, whatever lies below it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from osteon.contracts import ObjectRef
from osteon.errors import Poison
from osteon.store import ref as refs

__all__ = ["Listed", "Store"]

MAX_NAMED_BYTES = 1 << 20  # an entry of the vault is a kilobyte


@dataclass(frozen=True)
class Listed:
    """An object as a listing shows it; `written_at` is the store's clock, with a time zone."""

    key: str
    size_bytes: int
    written_at: datetime


class Store(ABC):
    """Objects in buckets. Thread-safe; every call returns or raises within minutes.

    All calls raise Passing("store") while the store is away or full, and Fatal where it refuses this
    process: wrong keys, no right to the bucket, no such bucket.
    """

    def put(self, bucket: str, data: bytes, media_type: str) -> ObjectRef:
        """Store `data` under the SHA-256 of its bytes; safe to repeat and to race, since all write the same."""
        ref = refs.refer(bucket, None, data, media_type)
        self._write(ref, data)
        return ref

    def put_named(self, bucket: str, key: str, data: bytes, media_type: str) -> ObjectRef:
        """Store `data` under a key of one's own, over what was there. The key must not identify anybody."""
        ref = refs.refer(bucket, key, data, media_type)
        self._write(ref, data)
        return ref

    def get(self, ref: ObjectRef, bucket: str = "") -> bytes:
        """The bytes that `ref` names, checked: size and SHA-256.

        Whoever has the reference from a record says which `bucket` it must be in: a store's answer about another one
        ends the process. Raises Poison("object-missing"), Poison("object-corrupt") or Poison("bad-reference").
        """
        if bucket:
            refs.expect(ref, bucket)
        try:
            return refs.check(ref, self._read(ref))
        except Poison as error:
            if error.reason != "object-corrupt":
                raise
        return refs.check(ref, self._read(ref))  # it may have been altered on the way only

    def get_named(self, bucket: str, key: str) -> bytes:
        """What lies under a key of one's own; unchecked, so its content must prove itself, as a seal does.

        Raises Poison("object-missing").
        """
        return self._read(ObjectRef(bucket=bucket, key=key, size_bytes=MAX_NAMED_BYTES))

    @abstractmethod
    def exists(self, ref: ObjectRef) -> bool:
        """Whether an object of this size lies there; its bytes are not read."""

    @abstractmethod
    def delete(self, ref: ObjectRef) -> None:
        """Remove the object; safe to repeat."""

    @abstractmethod
    def list(self, bucket: str, prefix: str = "") -> Iterator[Listed]:
        """The objects whose keys begin with `prefix`, by key. What is written meanwhile may be missing."""

    @abstractmethod
    def presign(self, ref: ObjectRef, expires_s: int = 900) -> str:
        """A link with which a person may read this one object, for `expires_s` seconds (1 to 604800).

        Whoever gives it to one tells `audit.exported`.
        """

    @abstractmethod
    def probe(self) -> None:
        """Raise Passing("store") if the store can't do now what this process asks of it.

        An answer is not enough: a full store answers. So it writes an object to each bucket that this process
        writes to, as large as what failed there and never shown in `list`, and reads again what could not be read.
        """

    @abstractmethod
    def _write(self, ref: ObjectRef, data: bytes) -> None:
        """Write `data` where `ref` says; whole or not at all."""

    @abstractmethod
    def _read(self, ref: ObjectRef) -> bytes:
        """What lies there, at most one byte more than `ref.size_bytes`; Poison("object-missing") if nothing."""

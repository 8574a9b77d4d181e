"""A store in memory, for unit tests."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import final

from typing_extensions import override

from osteon.contracts import ObjectRef
from osteon.errors import Poison
from osteon.store.store import Listed, Store

__all__ = ["MemoryStore"]


@final
class MemoryStore(Store):
    """Forgets everything with the process. Buckets need not be made."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], tuple[bytes, datetime]] = {}
        self._lock = threading.Lock()

    @override
    def exists(self, ref: ObjectRef) -> bool:
        with self._lock:
            found = self._objects.get((ref.bucket, ref.key))
        return found is not None and len(found[0]) == ref.size_bytes

    @override
    def delete(self, ref: ObjectRef) -> None:
        with self._lock:
            self._objects.pop((ref.bucket, ref.key), None)

    @override
    def list(self, bucket: str, prefix: str = "") -> Iterator[Listed]:
        with self._lock:
            listed = [
                Listed(key, len(data), written_at)
                for (its_bucket, key), (data, written_at) in self._objects.items()
                if its_bucket == bucket and key.startswith(prefix)
            ]
        yield from sorted(listed, key=lambda one: one.key)

    @override
    def presign(self, ref: ObjectRef, expires_s: int = 900) -> str:
        return f"memory://{ref.bucket}/{ref.key}?expires_s={expires_s}"

    @override
    def probe(self) -> None:
        """Memory is never away."""

    @override
    def _write(self, ref: ObjectRef, data: bytes) -> None:
        with self._lock:
            self._objects[ref.bucket, ref.key] = (bytes(data), datetime.now(UTC))

    @override
    def _read(self, ref: ObjectRef) -> bytes:
        with self._lock:
            found = self._objects.get((ref.bucket, ref.key))
        if found is None:
            raise Poison("object-missing", f"bucket {ref.bucket} has no such object")
        return found[0]

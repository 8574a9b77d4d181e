"""Any S3, over the `minio` client."""

import io
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import final

import urllib3
from minio import Minio
from typing_extensions import override

from osteon.contracts import ObjectRef
from osteon.errors import Fatal, Poison
from osteon.store.faults import translated
from osteon.store.ref import refer
from osteon.store.store import Listed, Store

__all__ = ["S3Store", "connect"]

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0  # between two bytes; SeaweedFS answers a large part only when it lies on disk
RETRIES = 3  # with the backoff below: under five seconds; longer waits are the stage's own
BACKOFF_S = 0.3
CONNECTIONS = 32  # 16 threads, each up to two at once; more than these are opened and thrown away
PART_SIZE_BYTES = 16 * 1024 * 1024  # larger objects go in parts; S3 allows 10,000 parts and 5 MiB at least
PROBE_KEY = "osteon-probe"


def connect(
    endpoint: str, access_key: str, secret_key: str, secure: bool = False, *, region: str = "us-east-1"
) -> "S3Store":
    """The store at `endpoint` (host:port, no scheme). Touches no network yet.

    `region` goes into the signature; servers other than AWS take the default.
    """
    http = urllib3.PoolManager(
        maxsize=CONNECTIONS,
        timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
        retries=urllib3.Retry(
            total=RETRIES,
            backoff_factor=BACKOFF_S,
            status_forcelist=(500, 502, 503, 504),
            allowed_methods=None,  # POST too (multipart): what is written is the same each time
            raise_on_status=False,  # so that the answer's own code is seen
            respect_retry_after_header=False,  # it may ask for an hour
        ),
        cert_reqs="CERT_REQUIRED",
    )
    with translated("(any)"):
        client = Minio(endpoint, access_key, secret_key, secure=secure, region=region, http_client=http)
    return S3Store(client)


@final
class S3Store(Store):
    """Objects on an S3 server; see `connect`."""

    def __init__(self, client: Minio) -> None:
        self._client = client
        # What `probe` has to try: buckets written to, and the last object of each that could be read.
        self._written: set[str] = set()
        self._readable: dict[str, ObjectRef] = {}

    @override
    def exists(self, ref: ObjectRef) -> bool:
        try:
            with translated(ref.bucket):
                found = self._client.stat_object(ref.bucket, ref.key)
        except Poison:
            return False
        return found.size == ref.size_bytes

    @override
    def delete(self, ref: ObjectRef) -> None:
        with translated(ref.bucket):
            self._client.remove_object(ref.bucket, ref.key)

    @override
    def list(self, bucket: str, prefix: str = "") -> Iterator[Listed]:
        with translated(bucket):
            for found in self._client.list_objects(bucket, prefix or None, recursive=True):
                if found.object_name is None or found.object_name == PROBE_KEY or found.last_modified is None:
                    continue
                yield Listed(found.object_name, found.size or 0, found.last_modified)

    @override
    def presign(self, ref: ObjectRef, expires_s: int = 900) -> str:
        with translated(ref.bucket):
            return self._client.presigned_get_object(ref.bucket, ref.key, timedelta(seconds=expires_s))

    @override
    def probe(self) -> None:
        for bucket in sorted(self._written):
            probe = refer(bucket, PROBE_KEY, b"osteon", "text/plain")
            self._write(probe, b"osteon")
            self._fetch(probe)
        for ref in list(self._readable.values()):
            with suppress(Poison):  # deleted meanwhile: the store is well
                self._fetch(ref)
        if not self._written and not self._readable:
            with suppress(Fatal), translated("(any)"):  # a refusal is an answer
                self._client.list_buckets()

    @override
    def _write(self, ref: ObjectRef, data: bytes) -> None:
        self._written.add(ref.bucket)
        with translated(ref.bucket):
            self._client.put_object(
                ref.bucket,
                ref.key,
                io.BytesIO(data),
                len(data),
                content_type=ref.media_type or "application/octet-stream",
                part_size=PART_SIZE_BYTES,
            )

    @override
    def _read(self, ref: ObjectRef) -> bytes:
        data = self._fetch(ref)
        self._readable[ref.bucket] = ref
        return data

    def _fetch(self, ref: ObjectRef) -> bytes:
        with translated(ref.bucket):
            response = self._client.get_object(ref.bucket, ref.key)
            try:
                return response.read(ref.size_bytes + 1)
            finally:
                response.close()  # drops what is left, should the object be larger than it may be
                response.release_conn()

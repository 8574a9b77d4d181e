"""Any S3, over the `minio` client."""

import io
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import md5
from typing import final

import urllib3
from minio import Minio
from typing_extensions import override

from osteon.contracts import ObjectRef
from osteon.contracts.buckets import PROBE_PREFIX
from osteon.errors import Fatal, Passing, Poison
from osteon.runtime import Settings, logs
from osteon.runtime.tls import client_context
from osteon.store.faults import translated
from osteon.store.ref import refer
from osteon.store.store import Listed, Store

__all__ = ["S3Store", "connect", "connect_as"]

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0  # between two bytes; SeaweedFS answers a large part only when it lies on disk
RETRIES = 3  # with the backoff below: under five seconds; longer waits are the stage's own
RETRIES_OF_SILENCE = 1  # a server that hangs costs a minute, not four
BACKOFF_S = 0.3
CONNECTIONS = 32  # 16 threads, each up to two at once; more than these are opened and thrown away
PART_SIZE_BYTES = 16 * 1024 * 1024  # larger objects go in parts; S3 allows 10,000 parts and 5 MiB at least
READ_PATIENCE_S = 120.0  # objects that a store which answers does not give are waited for so long, then given up
OWNER_PREFIX = "site-is/"  # with a site's name behind it, an object that says whose store this is

LOGGER = logs.logger(__name__)


def connect(
    endpoint: str,
    access_key: str,
    secret_key: str,
    tls: ssl.SSLContext | None = None,
    *,
    region: str = "us-east-1",
) -> "S3Store":
    """The store at `endpoint` (host:port, no scheme), over TLS if `tls` is given. Touches no network yet.

    `region` goes into the signature; servers other than AWS take the default.
    """
    http = urllib3.PoolManager(
        maxsize=CONNECTIONS,
        timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
        retries=urllib3.Retry(
            total=RETRIES,
            read=RETRIES_OF_SILENCE,
            backoff_factor=BACKOFF_S,
            status_forcelist=(500, 502, 503, 504),
            allowed_methods=None,  # POST too (multipart): what is written is the same each time
            raise_on_status=False,  # so that the answer's own code is seen
            respect_retry_after_header=False,  # it may ask for an hour
        ),
        ssl_context=tls,
    )
    with translated("(any)"):
        client = Minio(endpoint, access_key, secret_key, secure=tls is not None, region=region, http_client=http)
    return S3Store(client)


def connect_as(settings: Settings) -> "S3Store":
    """The store that the settings name. Raises Fatal if its authorities can't be read."""
    if settings.store_ca is not None and not settings.store_is_secure:
        raise Fatal("OSTEON_STORE_CA is of use over TLS alone: set OSTEON_STORE_IS_SECURE too")
    tls = client_context(settings.store_ca) if settings.store_is_secure else None
    secret = settings.store_secret_key.get_secret_value()
    return connect(settings.store_endpoint, settings.store_access_key, secret, tls)


@dataclass(frozen=True)
class Unread:
    """The last object of a bucket that could not be read, and since when reads of that bucket have been failing."""

    ref: ObjectRef
    since: float
    last: float

    def is_waited_for(self, now: float) -> bool:
        """Whether the store may only be restarting. Later, one lost object shall not stop all others."""
        return now - self.since < READ_PATIENCE_S


@final
class S3Store(Store):
    """Objects on an S3 server; see `connect`."""

    def __init__(self, client: Minio, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        # What `probe` has to try, by bucket: the size of the largest write that failed, or 0; and reads that failed.
        self._written: dict[str, int] = {}
        self._unread: dict[str, Unread] = {}
        self._probe_key = f"{PROBE_PREFIX}{uuid.uuid4().hex}"

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
                if found.object_name is None or found.last_modified is None:
                    continue
                if found.object_name.startswith(PROBE_PREFIX):
                    continue
                yield Listed(found.object_name, found.size or 0, found.last_modified)

    @override
    def presign(self, ref: ObjectRef, expires_s: int = 900) -> str:
        with translated(ref.bucket):
            return self._client.presigned_get_object(ref.bucket, ref.key, timedelta(seconds=expires_s))

    def provision(self, buckets: Iterable[str]) -> None:
        """Make the buckets that are missing; needs the administrator's keys. Raises Passing or Fatal."""
        for bucket in buckets:
            with translated(bucket):
                if not self._client.bucket_exists(bucket):
                    self._client.make_bucket(bucket)

    def claim(self, bucket: str, site: str) -> None:
        """Write into a bucket that this store is a site's, for buckets have fixed names, and two would mix patients.

        Makes the bucket if it is missing; needs the administrator's keys. Raises Fatal if the store is another's,
        Passing if it can't be reached.
        """
        self.provision([bucket])
        owners = [one.key.removeprefix(OWNER_PREFIX) for one in self.list(bucket, OWNER_PREFIX)]
        if others := [owner for owner in owners if owner != site]:
            raise Fatal(
                f"this store is that of the site {others[0]}, and two would mix patients: give {site} a store of its "
                f"own (OSTEON_STORE_ENDPOINT; store.external.endpoint), or call it {others[0]} again (OSTEON_SITE; "
                f"site.name). If nothing of the other is left, delete {OWNER_PREFIX}{others[0]} in the bucket {bucket}"
            )
        if not owners:
            data = site.encode()
            self._write(refer(bucket, OWNER_PREFIX + site, data, "text/plain"), data)

    @override
    def probe(self) -> None:
        for bucket, size_bytes in sorted(self._written.items()):
            self.try_out(bucket, size_bytes)
        failed = list(self._unread.items())
        for bucket, unread in failed:
            if unread.is_waited_for(self._clock()):
                with suppress(Poison):  # deleted meanwhile: the store is well
                    self._read(unread.ref)
            else:
                self.exists(unread.ref)  # raises if it is not one object, but the store that is away
                LOGGER.error("an object can't be read, though the store answers", extra={"bucket": bucket})
        if not self._written and not failed:
            with suppress(Fatal), translated("(any)"):  # a refusal is an answer
                self._client.list_buckets()

    def try_out(self, bucket: str, size_bytes: int) -> None:
        """Write an object that `list` never shows, read it, and remove it. Raises Passing or Fatal."""
        data = b"osteon" + bytes(size_bytes)
        # A key for each process and thread: of two that probe at once, neither may delete what is the other's.
        probe = refer(bucket, f"{self._probe_key}-{threading.get_ident()}", data, "text/plain")
        self._write(probe, data)
        try:
            if self._fetch(probe) != data:
                raise Passing("store", f"an object does not come out of bucket {bucket} as it went in")
        finally:
            self.delete(probe)  # what is nearly full shall not be filled by this

    @override
    def _write(self, ref: ObjectRef, data: bytes) -> None:
        failed_bytes = self._written.setdefault(ref.bucket, 0)
        try:
            with translated(ref.bucket):
                stored = self._client.put_object(
                    ref.bucket,
                    ref.key,
                    io.BytesIO(data),
                    len(data),
                    content_type=ref.media_type or "application/octet-stream",
                    part_size=PART_SIZE_BYTES,
                )
            # Not every server checks the hash that the request is signed with: SeaweedFS stores what it gets.
            if stored.etag != _etag(data) and self._fetch(ref) != data:
                raise Passing("store", f"bucket {ref.bucket} holds other bytes than were sent; they are sent again")
        except Passing:
            self._written[ref.bucket] = max(failed_bytes, len(data))  # a store that is nearly full takes small ones
            raise
        if len(data) >= self._written[ref.bucket]:
            self._written[ref.bucket] = 0

    @override
    def _read(self, ref: ObjectRef) -> bytes:
        try:
            data = self._fetch(ref)
        except Poison:  # an answer, too
            self._was_answered(ref)
            raise
        except Passing:
            now = self._clock()
            before = self._unread.get(ref.bucket)
            since = before.since if before and now - before.last < READ_PATIENCE_S else now
            self._unread[ref.bucket] = Unread(ref, since, now)
            raise
        self._was_answered(ref)
        return data

    def _was_answered(self, ref: ObjectRef) -> None:
        unread = self._unread.get(ref.bucket)
        if unread is not None and unread.ref == ref:
            self._unread.pop(ref.bucket, None)  # another thread may have done so

    def _fetch(self, ref: ObjectRef) -> bytes:
        with translated(ref.bucket):
            response = self._client.get_object(ref.bucket, ref.key)
            try:
                return response.read(ref.size_bytes + 1)
            finally:
                response.close()  # drops what is left, should the object be larger than it may be
                response.release_conn()


def _etag(data: bytes) -> str:
    """What most servers name an upload: the MD5 of its bytes, or of the MD5s of its parts. Some name it otherwise."""
    if len(data) <= PART_SIZE_BYTES:
        return md5(data, usedforsecurity=False).hexdigest()
    starts = range(0, len(data), PART_SIZE_BYTES)
    view = memoryview(data)
    parts = [md5(view[start : start + PART_SIZE_BYTES], usedforsecurity=False).digest() for start in starts]
    return f"{md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"

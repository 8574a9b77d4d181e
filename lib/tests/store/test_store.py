"""One suite for every store: memory, SeaweedFS, and MinIO where Go is installed."""

import hashlib
import io
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minio import Minio

from osteon.contracts.buckets import BUCKETS
from osteon.errors import Fatal, Poison
from osteon.store import MemoryStore, ObjectRef, S3Store, Store, connect
from osteon.store.s3 import PART_SIZE_BYTES
from osteon_stack.ports import HOST, free_ports

BUCKET = "images"
MINIO_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "osteon" / "bin"


class StoreSuite:
    """What every store must do. Subclasses have the fixture `store`."""

    def overwrite(self, store: Any, ref: ObjectRef, data: bytes) -> None:
        """Change an object behind the store's back."""
        raise NotImplementedError

    @pytest.mark.parametrize(
        "wrong",
        [
            {"bucket": "vault"},
            {"bucket": "no such bucket"},
            {"bucket": ""},
            {"key": ""},
            {"key": "../../x"},
            {"sha256": "0" * 64},
            {"sha256": "x"},
            {"key": "xx/xx\0", "sha256": "xx\0"},
        ],
    )
    def test_a_reference_to_anything_else_than_what_is_expected_is_not_followed(
        self, store: Store, wrong: dict[str, str]
    ) -> None:
        ref = store.put(BUCKET, b"content", "application/dicom")
        for name, value in wrong.items():
            setattr(ref, name, value)

        with pytest.raises(Poison) as caught:
            store.get(ref, BUCKET)

        assert caught.value.reason == "bad-reference"

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(data=st.binary(max_size=4096))
    def test_what_is_put_can_be_got(self, store: Store, data: bytes) -> None:
        ref = store.put(BUCKET, data, "application/dicom")

        assert store.get(ref) == data
        assert store.exists(ref)

    def test_an_object_is_named_by_its_own_bytes(self, store: Store) -> None:
        ref = store.put(BUCKET, b"named", "text/plain")

        sha256 = hashlib.sha256(b"named").hexdigest()
        assert (ref.bucket, ref.key, ref.sha256) == (BUCKET, f"{sha256[:2]}/{sha256}", sha256)
        assert (ref.size_bytes, ref.media_type) == (5, "text/plain")

    def test_putting_twice_is_putting_once(self, store: Store) -> None:
        first = store.put(BUCKET, b"twice", "text/plain")
        second = store.put(BUCKET, b"twice", "text/plain")

        assert first == second
        assert len(list(store.list(BUCKET, first.key))) == 1

    def test_a_large_object_comes_back_whole(self, store: Store) -> None:
        data = os.urandom(2 * PART_SIZE_BYTES + 12345)  # three parts

        ref = store.put(BUCKET, data, "application/dicom")

        assert store.get(ref) == data
        store.delete(ref)

    def test_many_may_write_the_same_object_at_once(self, store: Store) -> None:
        data = os.urandom(300_000)

        with ThreadPoolExecutor(16) as threads:
            refs = list(threads.map(lambda _: store.put(BUCKET, data, "application/dicom"), range(32)))

        assert all(ref == refs[0] for ref in refs)
        assert store.get(refs[0]) == data

    def test_a_named_object_is_replaced(self, store: Store) -> None:
        old = store.put_named("vault", "pseudonym/1", b"old", "application/octet-stream")
        new = store.put_named("vault", "pseudonym/1", b"newer", "application/octet-stream")

        assert old.key == new.key == "pseudonym/1"
        assert store.get(new) == b"newer"
        with pytest.raises(Poison):
            store.get(old)

    def test_a_missing_object_is_poison(self, store: Store) -> None:
        ref = ObjectRef(bucket=BUCKET, key="00/00", sha256="0" * 64, size_bytes=1)

        with pytest.raises(Poison) as caught:
            store.get(ref)

        assert caught.value.reason == "object-missing"
        assert not store.exists(ref)

    @pytest.mark.parametrize("other", [b"bytes of equal length!", b"shorter", b"bytes that are a good deal longer"])
    def test_an_object_with_other_bytes_is_poison(self, store: Store, other: bytes) -> None:
        ref = store.put(BUCKET, b"these bytes were put!!", "text/plain")
        self.overwrite(store, ref, other)

        with pytest.raises(Poison) as caught:
            store.get(ref)

        assert caught.value.reason == "object-corrupt"
        store.put(BUCKET, b"these bytes were put!!", "text/plain")
        assert store.get(ref) == b"these bytes were put!!"

    def test_a_deleted_object_is_gone_and_may_be_deleted_again(self, store: Store) -> None:
        ref = store.put(BUCKET, b"deleted", "text/plain")

        store.delete(ref)
        store.delete(ref)

        assert not store.exists(ref)

    def test_a_listing_shows_what_begins_so_and_no_probe(self, store: Store) -> None:
        for name in ("a/1", "a/2", "b/1"):
            store.put_named("inbox", f"listing/{name}", name.encode(), "text/plain")
        store.probe()

        assert [one.key for one in store.list("inbox", "listing/a/")] == ["listing/a/1", "listing/a/2"]
        assert all(one.size_bytes == 3 and one.written_at.tzinfo for one in store.list("inbox", "listing/"))
        assert not any("probe" in one.key for one in store.list("inbox"))


class S3Suite(StoreSuite):
    """What every S3 must do besides. Subclasses have the fixture `address`: endpoint, access key, secret key."""

    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, address: tuple[str, str, str]) -> S3Store:
        return connect(*address)

    def overwrite(self, store: Any, ref: ObjectRef, data: bytes) -> None:
        store._client.put_object(ref.bucket, ref.key, io.BytesIO(data), len(data))

    def test_processes_and_threads_that_probe_at_once_find_the_store_well_and_leave_nothing(
        self, address: tuple[str, str, str]
    ) -> None:
        processes = [connect(*address) for _ in range(2)]
        for store in processes:
            store.put_named("inbox", "what/a/probe/tries", b"x", "text/plain")

        with ThreadPoolExecutor(4) as threads:
            probes = [threads.submit(store.probe) for _ in range(10) for store in processes]

        assert [one.exception() for one in probes] == [None] * len(probes)
        listed = processes[0]._client.list_objects("inbox", "osteon-probe", recursive=True)
        assert [one.object_name for one in listed] == []

    def test_a_link_gives_a_person_this_object_for_a_while(self, store: S3Store) -> None:
        ref = store.put(BUCKET, b"for a person", "text/plain")

        link = store.presign(ref, expires_s=60)

        with urllib.request.urlopen(link, timeout=10) as answer:
            assert answer.read() == b"for a person"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(link.replace("Signature=", "Signature=0"), timeout=10)

    def test_a_store_of_one_site_refuses_another_before_there_is_any_bucket(self, store: S3Store) -> None:
        store.claim("claimed", "north")
        store.claim("claimed", "north")

        with pytest.raises(Fatal, match="this store is that of the site north"):
            store.claim("claimed", "south")

    def test_a_wrong_secret_is_fatal_and_is_not_told(self, address: tuple[str, str, str]) -> None:
        store = connect(address[0], address[1], "a-secret-that-is-wrong")

        with pytest.raises(Fatal, match="OSTEON_STORE_SECRET_KEY") as caught:
            store.put(BUCKET, b"x", "text/plain")

        assert "a-secret-that-is-wrong" not in str(caught.value)
        assert BUCKET in str(caught.value)

    def test_a_bucket_that_is_not_there_is_fatal(self, store: S3Store) -> None:
        other = connect_like(store)

        with pytest.raises(Fatal, match="no-such-bucket"):
            other.put("no-such-bucket", b"x", "text/plain")


class TestMemoryStore(StoreSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def store(cls) -> Store:
        return MemoryStore()

    def overwrite(self, store: Any, ref: ObjectRef, data: bytes) -> None:
        store.put_named(ref.bucket, ref.key, data, "text/plain")


class TestSeaweedFS(S3Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def address(cls, seaweedfs: Any) -> tuple[str, str, str]:
        return seaweedfs.endpoint, seaweedfs.access_key, seaweedfs.secret_key


@pytest.mark.slow
class TestMinIO(S3Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def address(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
        port = free_ports().seaweedfs_s3
        keys = ("minio-access-key", "minio-secret-key")
        process = subprocess.Popen(
            [minio_program(), "server", "--address", f"{HOST}:{port}", str(tmp_path_factory.mktemp("minio"))],
            env=os.environ | {"MINIO_ROOT_USER": keys[0], "MINIO_ROOT_PASSWORD": keys[1], "MINIO_BROWSER": "off"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until_answers(f"http://{HOST}:{port}/minio/health/ready")
            client = Minio(f"{HOST}:{port}", *keys, secure=False)
            for bucket in BUCKETS:
                client.make_bucket(bucket)
            yield f"{HOST}:{port}", *keys
        finally:
            process.terminate()
            process.wait(30)


def connect_like(store: S3Store) -> S3Store:
    """A store with the same client, that has not written anything yet."""
    return S3Store(store._client)


def minio_program() -> str:
    """MinIO, built from its Go module once and kept for other runs."""
    program = MINIO_CACHE / "minio"
    if not program.exists():
        go = shutil.which("go")
        if go is None:
            pytest.skip("MinIO is built from its Go module, and Go is not installed")
        built = subprocess.run(
            [go, "install", "github.com/minio/minio@latest"],
            env=os.environ | {"GOBIN": str(MINIO_CACHE), "CGO_ENABLED": "0"},
            capture_output=True,
            timeout=280,
        )
        if built.returncode:
            pytest.skip(f"MinIO could not be built: {built.stderr.decode()[-300:]}")
    return str(program)


def wait_until_answers(url: str, within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)

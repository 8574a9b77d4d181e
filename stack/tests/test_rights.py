"""Who may open what at the real object store. The vault and the inbox tell who patients are."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from minio import Minio
from minio.error import S3Error

from osteon_stack.seaweedfs import BUCKETS, RIGHTS
from osteon_stack.secrets import identity

# `accept` locks away and looks up, `forget` deletes, and both are the ingest service. The doors, which face the
# network, can't even read the vault. Whoever brings results home will be added here.
OPENS_VAULT = {"admin", "accept", "forget"}
OPENS_INBOX = {"admin", "ingest", "accept", "forget"}
KEY = "ab/planted"


@pytest.fixture
def client_of(seaweedfs: Any) -> Callable[[str], Minio]:
    """The store as one of its identities sees it; an object lies in each bucket."""
    if seaweedfs.folder is None:
        pytest.skip("an external object store has identities of its own")

    def client(name: str) -> Minio:
        keys = identity(seaweedfs.folder, name)
        return Minio(seaweedfs.endpoint, keys.access_key, keys.secret_key, secure=False, region="us-east-1")

    for bucket in BUCKETS:
        client("admin").put_object(bucket, KEY, io.BytesIO(b"sealed"), 6)
    return client


@pytest.mark.parametrize("name", sorted(RIGHTS))
def test_the_vault_and_the_inbox_open_for_ingest_only(client_of: Callable[[str], Minio], name: str) -> None:
    client = client_of(name)

    assert _may(lambda: client.get_object("vault", KEY).close()) == (name in OPENS_VAULT)
    assert _may(lambda: list(client.list_objects("vault", recursive=True))) == (name in OPENS_VAULT)
    assert _may(lambda: client.put_object("vault", KEY, io.BytesIO(b"s"), 1)) == (name in OPENS_VAULT)
    assert _may(lambda: client.get_object("inbox", KEY).close()) == (name in OPENS_INBOX)


@pytest.mark.parametrize("name", sorted(RIGHTS))
@pytest.mark.parametrize("bucket", BUCKETS)
def test_who_may_not_write_to_a_bucket_may_not_delete_either(
    client_of: Callable[[str], Minio], name: str, bucket: str
) -> None:
    is_writer = bool({"Admin", f"Write:{bucket}"} & set(RIGHTS[name]))

    assert _may(lambda: client_of(name).remove_object(bucket, KEY)) == is_writer


def test_without_keys_nothing_opens(client_of: Callable[[str], Minio], seaweedfs: Any) -> None:
    client_of("admin")
    stranger = Minio(seaweedfs.endpoint, secure=False, region="us-east-1")

    for bucket in BUCKETS:
        assert not _may(lambda bucket=bucket: stranger.get_object(bucket, KEY).close())  # type: ignore[misc]


def _may(act: Callable[[], object]) -> bool:
    try:
        act()
    except S3Error as error:
        if error.code != "AccessDenied":
            raise
        return False
    return True

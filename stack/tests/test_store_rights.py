"""The object store of the stack: each service does what it needs, and nothing else."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from minio import Minio
from minio.error import S3Error
from pydantic import SecretStr

from osteon.contracts.buckets import BUCKETS, RIGHTS
from osteon.doctor import examine
from osteon.runtime import Settings, read_settings
from osteon_stack.ports import HOST, Ports, free_ports
from osteon_stack.seaweedfs import admin_client, make_buckets
from osteon_stack.secrets import identity

NEEDS = {
    "ingest": {"inbox": "read write list", "receipts": "read write list"},
    "accept": {"inbox": "read", "images": "read write", "vault": "read write"},
    "forget": dict.fromkeys(("inbox", "receipts", "images", "harmonized", "vault"), "read write list"),
    "harmonizer": {"images": "read", "harmonized": "read write", "models": "read"},
    "classifier": {"harmonized": "read", "models": "read"},
    "reconcile": {"models": "read"},
    "console": {},
    "desk": {"models": "read write"},
}
"""What each service does in which bucket. A line that grows is a question: why?"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, start_seaweedfs: Any) -> Iterator[tuple[Path, Ports]]:
    folder, ports = tmp_path_factory.mktemp("rights"), free_ports()
    with start_seaweedfs(folder, ports):
        make_buckets(folder, ports)
        for bucket in BUCKETS:
            admin_client(folder, ports).put_object(bucket, "there", io.BytesIO(b"x"), 1)
        yield folder, ports


def client(store: tuple[Path, Ports], name: str) -> Minio:
    folder, ports = store
    keys = identity(folder, name)
    return Minio(f"{HOST}:{ports.seaweedfs_s3}", keys.access_key, keys.secret_key, secure=False, region="us-east-1")


def is_let(call: Any) -> bool:
    try:
        call()
    except S3Error as error:
        if error.code != "AccessDenied":
            raise
        return False
    return True


def done_in(one: Minio, bucket: str) -> str:
    may = {
        "read": is_let(lambda: one.get_object(bucket, "there").close()),
        "write": is_let(lambda: one.put_object(bucket, "new", io.BytesIO(b"y"), 1)),
        "list": is_let(lambda: list(one.list_objects(bucket))),
    }
    assert is_let(lambda: one.remove_object(bucket, "new")) == may["write"]
    return " ".join(verb for verb, is_so in may.items() if is_so)


@pytest.mark.parametrize("name", NEEDS)
def test_a_service_does_what_it_needs_and_nothing_else(store: tuple[Path, Ports], name: str) -> None:
    done = {bucket: done_in(client(store, name), bucket) for bucket in BUCKETS}

    assert {bucket: verbs for bucket, verbs in done.items() if verbs} == NEEDS[name]


@pytest.mark.parametrize("name", NEEDS)
def test_a_service_makes_and_removes_no_bucket(store: tuple[Path, Ports], name: str) -> None:
    one = client(store, name)

    assert not is_let(lambda: one.make_bucket(f"of-{name}"))
    assert not any(is_let(lambda bucket=bucket: one.remove_bucket(bucket)) for bucket in BUCKETS)


@pytest.mark.parametrize("name", [name for name, needed in NEEDS.items() if needed])
def test_an_object_that_is_missing_is_told_from_one_that_is_forbidden(store: tuple[Path, Ports], name: str) -> None:
    bucket = next(iter(NEEDS[name]))

    with pytest.raises(S3Error) as raised:
        client(store, name).get_object(bucket, "missing")

    assert raised.value.code == "NoSuchKey"


@pytest.mark.parametrize("is_hub_alone", [False, True])
def test_the_doctor_at_the_desk_tries_out_all_buckets_and_leaves_nothing_there(
    store: tuple[Path, Ports], is_hub_alone: bool
) -> None:
    folder, ports = store
    keys = identity(folder, "desk")
    settings = read_settings(
        Settings,
        {},
        kafka_servers=f"{HOST}:{ports.kafka}",  # nobody listens there
        triton_url="",
        store_endpoint=f"{HOST}:{ports.seaweedfs_s3}",
        store_access_key=keys.access_key,
        store_secret_key=SecretStr(keys.secret_key),
        is_hub_alone=is_hub_alone,
    )

    found = {one.subject: one.trouble for one in examine(settings)}

    assert found["kafka"]
    assert found["store"] == ""
    assert {one.object_name for bucket in BUCKETS for one in admin_client(*store).list_objects(bucket)} == {"there"}


def test_without_keys_or_with_wrong_ones_nothing_opens(store: tuple[Path, Ports]) -> None:
    address = f"{HOST}:{store[1].seaweedfs_s3}"
    strangers = [
        Minio(address, access_key=name, secret_key=secret, secure=False, region="us-east-1")
        for name, secret in ((None, None), ("accept", "wrong"))
    ]

    for bucket in BUCKETS:
        for stranger in strangers:
            with pytest.raises(S3Error, match=r"AccessDenied|SignatureDoesNotMatch"):
                stranger.get_object(bucket, "there").close()


def test_every_identity_of_the_stack_is_in_the_table() -> None:
    assert set(RIGHTS) == {"admin", *NEEDS}

"""The object store is full, slow, broken on the way, or lost a part of what it held: nothing is lost or doubled."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from osteon.errors import Passing, Poison
from osteon.store import S3Store, connect
from tests.faults.proxy import Faulty, faulty

Until = Callable[..., None]
IMAGE = secrets.token_bytes(3_000_000)

pytestmark = pytest.mark.slow


@pytest.fixture
def proxy(seaweedfs: Any) -> Iterator[Faulty]:
    with faulty(seaweedfs.endpoint) as proxy:
        yield proxy


@pytest.fixture
def through(proxy: Faulty, seaweedfs: Any) -> S3Store:
    """The store as it is behind the proxy."""
    return connect(proxy.address, seaweedfs.access_key, seaweedfs.secret_key)


@pytest.mark.parametrize("fault", ["answer-500", "reset", "cut", "altered-get", "slow"])
def test_a_get_that_goes_wrong_once_is_made_again(proxy: Faulty, through: S3Store, fault: Any) -> None:
    ref = through.put("images", IMAGE, "application/dicom")
    proxy.go_wrong(fault, "GET", times=1)

    try:
        assert through.get(ref) == IMAGE
    except Passing:  # which a stage waits for
        through.probe()
        assert through.get(ref) == IMAGE

    assert proxy.n_done == 1


def test_a_get_that_always_gives_other_bytes_is_told_as_corrupt(proxy: Faulty, through: S3Store) -> None:
    ref = through.put("images", IMAGE, "application/dicom")
    proxy.go_wrong("altered-get", "GET")

    with pytest.raises(Poison) as caught:
        through.get(ref)

    assert caught.value.reason == "object-corrupt"


@pytest.mark.parametrize("fault", ["answer-500", "reset", "cut", "altered-put", "slow"])
def test_what_is_called_stored_is_stored(proxy: Faulty, through: S3Store, seaweedfs: Any, fault: Any) -> None:
    """An upload that goes wrong is repeated or refused: never is success said of other bytes."""
    data = secrets.token_bytes(3_000_000)
    proxy.go_wrong(fault, "PUT", times=1)

    try:
        ref = through.put("images", data, "application/dicom")
    except Passing:
        ref = through.put("images", data, "application/dicom")

    assert proxy.n_done == 1
    direct = connect(seaweedfs.endpoint, seaweedfs.access_key, seaweedfs.secret_key)
    assert direct.get(ref) == data


def test_a_large_object_that_was_altered_in_one_of_its_parts_is_not_called_stored(
    proxy: Faulty, through: S3Store
) -> None:
    proxy.go_wrong("altered-put", "PUT")

    with pytest.raises(Passing, match="other bytes than were sent"):
        through.put("images", secrets.token_bytes(20_000_000), "application/dicom")

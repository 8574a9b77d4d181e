"""`osteon doctor` of the library: each trouble in a sentence, with the way out."""

from typing import Any

import pytest

from osteon import bus
from osteon.contracts.topics import TOPICS
from osteon.doctor import examine
from osteon.runtime import Settings


def troubles(**settings: object) -> dict[str, str]:
    told = Settings.model_validate({"triton_url": "127.0.0.1:9", **settings})
    return {one.subject: one.trouble for one in examine(told)}


@pytest.fixture
def whole(broker: Any, seaweedfs: Any) -> dict[str, object]:
    bus.connect(broker.address).provision(TOPICS)
    return {
        "kafka_servers": broker.address,
        "store_endpoint": seaweedfs.endpoint,
        "store_access_key": seaweedfs.access_key,
        "store_secret_key": seaweedfs.secret_key,
    }


def test_what_is_well_has_no_trouble_and_a_missing_release_is_told(whole: dict[str, object]) -> None:
    told = troubles(**whole)

    assert {name: told[name] for name in ("kafka", "topics", "store")} == {"kafka": "", "topics": "", "store": ""}
    assert "release" in told["release"]


def test_a_store_that_refuses_does_not_hide_the_rest(whole: dict[str, object]) -> None:
    told = troubles(**whole | {"store_secret_key": "another"})

    assert told["kafka"] == ""
    assert "OSTEON_STORE_" in told["store"]


def test_a_store_of_https_may_be_named_without_its_port(whole: dict[str, object]) -> None:
    told = troubles(**whole | {"store_endpoint": "127.0.0.1", "store_is_secure": True})

    assert "whether TLS is on" in told["certificate of 127.0.0.1:443"]


def test_a_server_without_a_certificate_is_told(whole: dict[str, object]) -> None:
    told = troubles(**whole, triton_is_secure=True, store_is_secure=True)

    assert "whether TLS is on" in told[f"certificate of {whole['store_endpoint']}"]

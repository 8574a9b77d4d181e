"""How Kafka is spoken to."""

import socket
import threading
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import KafkaError

from osteon.bus.login import Brokers


@pytest.mark.parametrize("kind", [KafkaAdminClient, KafkaConsumer])
def test_a_client_that_reaches_no_broker_leaves_no_thread_behind(kind: Any) -> None:
    before = threading.active_count()

    with pytest.raises(KafkaError):
        Brokers(("127.0.0.1:9",)).client(kind, bootstrap_timeout_ms=100)

    assert threading.active_count() == before


def test_what_is_told_of_an_error_is_told_at_once_though_the_dns_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def getaddrinfo(host: str, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "the DNS is away")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    brokers = Brokers(("broker.invalid:9092",))

    assert brokers.why(KafkaError()) == "KafkaError at broker.invalid:9092"
    assert asked == []
    assert "broker.invalid has no address" in brokers.nameless()

"""How Kafka is spoken to."""

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

"""`osteon doctor` of the library: each trouble in a sentence, with the way out."""

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from osteon import bus
from osteon.contracts.topics import TOPICS
from osteon.doctor import examine
from osteon.runtime import Settings
from osteon_stack.ports import free_ports
from osteon_stack.secrets import ADMIN, kafka_login, lock


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


@pytest.fixture
def locked_kafka(tmp_path: Path, start_kafka: Any) -> Iterator[dict[str, object]]:
    ports = free_ports()
    lock(tmp_path)
    with start_kafka(tmp_path, ports) as server:
        login = kafka_login(tmp_path, ADMIN)
        yield {
            "kafka_servers": server.address,
            "kafka_security": login.protocol,
            "kafka_mechanism": login.mechanism,
            "kafka_user": login.user,
            "kafka_password": login.password,
        }


def test_a_wrong_password_is_told_from_a_broker_that_is_away(locked_kafka: dict[str, object], seaweedfs: Any) -> None:
    assert troubles(**locked_kafka)["kafka"] == ""

    wrong = troubles(**locked_kafka | {"kafka_password": "another"})["kafka"]
    stranger = troubles(kafka_servers=locked_kafka["kafka_servers"])["kafka"]
    away = troubles(**locked_kafka | {"kafka_servers": "127.0.0.1:9"})["kafka"]

    assert "is there, and takes no connection by SASL_PLAINTEXT of the user admin: see" in wrong
    assert "OSTEON_KAFKA_PASSWORD" in wrong
    assert "another" not in wrong
    assert "takes no connection by PLAINTEXT: see" in stranger
    assert "nobody listens at 127.0.0.1:9" in away


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Callable[[float], str]]:
    """Serves TLS with a certificate that ends in so many days; gives the address. It is its own authority."""
    stop = threading.Event()
    serving: list[threading.Thread] = []

    def start(days: float) -> str:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        built = built.not_valid_before(now - datetime.timedelta(days=99))
        built = built.not_valid_after(now + datetime.timedelta(days=days))
        built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        made = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (tmp_path / "ca.pem").write_bytes(made)
        (tmp_path / "both.pem").write_bytes(key.private_bytes(*plain) + made)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "both.pem")
        listening = socket.create_server(("localhost", 0))
        listening.settimeout(0.1)
        serving.append(threading.Thread(target=serve, args=(listening, context)))
        serving[-1].start()
        return f"localhost:{listening.getsockname()[1]}"

    def serve(listening: socket.socket, context: ssl.SSLContext) -> None:
        with closing(listening):
            while not stop.is_set():
                with suppress(OSError):  # nobody comes, or hangs up at what it is shown
                    context.wrap_socket(listening.accept()[0], server_side=True).close()

    yield start
    stop.set()
    for thread in serving:
        thread.join()


@pytest.mark.parametrize(("days", "told"), [(12.5, "it ends in 12 days: renew it"), (-1.0, "has expired: renew it")])
def test_a_certificate_that_ends_soon_is_told(
    show: Callable[[float], str], tmp_path: Path, days: float, told: str
) -> None:
    address = show(days)
    given = {"kafka_servers": "127.0.0.1:9", "store_endpoint": "127.0.0.1:9"}

    found = troubles(**given, triton_url=address, triton_is_secure=True, triton_ca=tmp_path / "ca.pem")

    assert told in found[f"certificate of {address}"]

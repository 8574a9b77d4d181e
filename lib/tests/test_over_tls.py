"""The object store and Triton with certificates of one's own authority."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from osteon.errors import OsteonError, Passing
from osteon.release import triton
from osteon.runtime import Settings, read_settings
from osteon.store import connect_as
from osteon_stack.part import spawn, stop, wait_ready
from osteon_stack.ports import free_ports
from osteon_stack.secrets import identity
from osteon_stack.triton import triton as triton_part


def test_a_store_is_believed_by_its_authority_alone(new_seaweedfs: Callable[..., Any], certificates: Path) -> None:
    port = free_ports().seaweedfs_s3
    shown = f"-s3.cert.file={certificates / 'door.pem'}", f"-s3.key.file={certificates / 'door.key'}"
    server = new_seaweedfs(f"-s3.port.https={port}", *shown)
    secret = identity(server.folder, "admin").secret_key
    known: dict[str, Any] = {
        "store_endpoint": f"localhost:{port}",
        "store_access_key": "admin",
        "store_secret_key": secret,
        "store_is_secure": True,
    }

    store = connect_as(read_settings(Settings, {}, store_ca=certificates / "ca.pem", **known))

    assert store.get(store.put("images", b"over TLS", "text/plain")) == b"over TLS"
    with pytest.raises(OsteonError):
        connect_as(read_settings(Settings, {}, **known)).put("images", b"to a stranger", "text/plain")


@pytest.fixture
def secure_triton(tmp_path: Path, certificates: Path) -> Iterator[str]:
    ports = free_ports()
    part = triton_part(tmp_path, ports)
    shown = f"--grpc-server-cert={certificates / 'door.pem'}", f"--grpc-server-key={certificates / 'door.key'}"
    part = replace(part, command=(*part.command, "--grpc-use-ssl=true", *shown))
    process = spawn(part, tmp_path)
    try:
        wait_ready(part, process, tmp_path)
        yield f"localhost:{ports.triton_grpc}"
    finally:
        stop(part, process)


def test_a_triton_is_believed_by_its_authority_alone(secure_triton: str, certificates: Path) -> None:
    given: dict[str, Any] = {"triton_url": secure_triton, "triton_is_secure": True}

    triton.connect_as(read_settings(Settings, {}, triton_ca=certificates / "ca.pem", **given)).probe()

    for stranger in (read_settings(Settings, {}, **given), read_settings(Settings, {}, triton_url=secure_triton)):
        with pytest.raises(Passing):
            triton.connect_as(stranger).probe()

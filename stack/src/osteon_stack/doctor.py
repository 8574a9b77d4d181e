"""Examine the stack on this machine: what is wrong with which part, and what to do about it."""

import io
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minio import Minio
from minio.error import S3Error
from urllib3.exceptions import HTTPError

from osteon.contracts.buckets import BUCKETS
from osteon.contracts.topics import TOPICS
from osteon.errors import OsteonError, Passing
from osteon.release.reconcile import check_served
from osteon.release.releases import Releases
from osteon.release.triton import Triton
from osteon_stack.kafka import is_ready as kafka_is_ready
from osteon_stack.part import answers
from osteon_stack.ports import HOST, Ports
from osteon_stack.prepare import connect_store
from osteon_stack.seaweedfs import admin_client
from osteon_stack.services import connect_bus
from osteon_stack.stack import Stack
from osteon_stack.state import is_supervised
from osteon_stack.triton import libpython_folder

__all__ = ["Finding", "examine"]

START = "start the stack: osteon stack up"

ROOM_BYTES = 5 * 1024**3
"""Free disk space under which SeaweedFS and Kafka will soon refuse to write."""


@dataclass(frozen=True)
class Finding:
    """What one check found. `trouble` is empty where all is well; `advice` says what to do."""

    subject: str
    trouble: str = ""
    advice: str = ""


def examine(stack: Stack) -> list[Finding]:
    """All checks, each on its own: one that fails does not hide the next."""
    folder, ports = stack.folder, stack.ports
    found = [
        _checked("libpython", _libpython),
        _checked("disk", lambda: _disk(folder)),
        _checked("supervisor", lambda: _supervisor(folder)),
        _checked("kafka", lambda: _kafka(ports)),
        _checked("topics", lambda: _topics(folder, ports)),
        _checked("store", lambda: _store(folder, ports)),
        _checked("triton", lambda: _triton(ports)),
        _checked("release", lambda: _release(folder, ports)),
    ]
    for state in stack.status():
        trouble = "" if state.is_well else f"is {state.state}" + (f": {state.why}" if state.why else "")
        found.append(Finding(f"part {state.name}", trouble, f"look at its log: osteon stack logs {state.name}"))
    return found


def _checked(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except (OsteonError, S3Error, HTTPError, OSError) as error:
        return Finding(name, f"{type(error).__name__}: {error}", START)


def _libpython() -> Finding:
    libpython_folder()
    return Finding("libpython")


def _disk(folder: Path) -> Finding:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < ROOM_BYTES:
        return Finding("disk", f"{free / 1024**3:.1f} GiB are free at {there}", "make room: at least 5 GiB")
    return Finding("disk")


def _supervisor(folder: Path) -> Finding:
    return Finding("supervisor", "" if is_supervised(folder) else "nobody looks after the parts", START)


def _kafka(ports: Ports) -> Finding:
    trouble = "" if kafka_is_ready(ports.kafka) else f"does not answer at {HOST}:{ports.kafka}"
    return Finding("kafka", trouble, START)


def _topics(folder: Path, ports: Ports) -> Finding:
    if not kafka_is_ready(ports.kafka):
        return Finding("topics", "can't be examined without Kafka", START)
    wrong = connect_bus(folder, ports).check(TOPICS)
    return Finding("topics", "; ".join(wrong), "make what is missing: osteon stack down, then up")


def _store(folder: Path, ports: Ports) -> Finding:
    """Buckets, and one object there and back."""
    if not answers(f"http://{HOST}:{ports.seaweedfs_s3}/healthz"):
        return Finding("store", f"does not answer at {HOST}:{ports.seaweedfs_s3}", START)
    client = admin_client(folder, ports)
    missing = [bucket for bucket in BUCKETS if not client.bucket_exists(bucket)]
    if missing:
        return Finding("store", f"buckets are missing: {', '.join(missing)}", START)
    if not _round_trip(client):
        return Finding("store", "gives back other bytes than it was given", "look at: osteon stack logs seaweedfs")
    return Finding("store")


def _round_trip(client: Minio) -> bool:
    key, sent = f"doctor/{uuid.uuid4()}", uuid.uuid4().bytes
    client.put_object("models", key, io.BytesIO(sent), len(sent))
    try:
        with client.get_object("models", key) as answer:
            return bool(answer.read() == sent)
    finally:
        client.remove_object("models", key)


def _triton(ports: Ports) -> Finding:
    is_ready = answers(f"http://{HOST}:{ports.triton_http}/v2/health/ready")
    return Finding("triton", "" if is_ready else f"is not ready at {HOST}:{ports.triton_http}", START)


def _release(folder: Path, ports: Ports) -> Finding:
    """Whether a set is in force, and Triton serves its models with parity."""
    if not (kafka_is_ready(ports.kafka) and answers(f"http://{HOST}:{ports.seaweedfs_s3}/healthz")):
        return Finding("release", "can't be examined without Kafka and the store", START)
    objects = connect_store(folder, ports)
    releases, triton = Releases(connect_bus(folder, ports), objects), Triton(f"{HOST}:{ports.triton_grpc}")
    try:
        if releases.in_force_record() is None:
            return Finding("release", "none is in force", "osteon release make … --use")
        check_served(triton, objects, releases.in_force())
    except Passing as error:
        return Finding("release", str(error), "look at: osteon stack logs reconcile")
    finally:
        triton.close()
        releases.close()
    return Finding("release")

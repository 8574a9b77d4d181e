"""Real programs that hospitals have, and the whole stack that they talk to: the one of all end-to-end tests."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import specimen
from osteon_ingest.identity import Keys, image_id
from osteon_stack.part import Part, answers, kill, spawn, wait_ready
from osteon_stack.ports import HOST, free_ports
from osteon_stack.secrets import identity, site_key
from osteon_stack.services import common_environment
from osteon_stack.stack import Stack
from tests.peers.orthanc import AET, PLUGIN, Orthanc, orthanc_part

PACKAGES = {
    **dict.fromkeys(("storescu", "dcmsend", "echoscu", "dcmconv", "dcmcrle", "dcmcjpeg", "dcmcjpls"), "dcmtk"),
    "Orthanc": "orthanc",
    "kcat": "kcat",
    "rsyslogd": "rsyslog",
    "rclone": "rclone",
    "dciodvfy": "dicom3tools",
}
"""Debian's package of each program."""

ENDS = ("classified", "set-aside", "dead-letter")
OUTCOMES_WITHIN_S = 180.0


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Where a Debian program lies; the test is skipped where it is not installed."""

    def find(name: str) -> str:
        # Not along PATH: pynetdicom puts programs of the same names beside Python.
        found = shutil.which(name, path="/usr/bin:/usr/sbin:/bin")
        if found is None:
            pytest.skip(f"{name} (Debian package {PACKAGES[name]}) is not installed")
        return found

    return find


@dataclass(frozen=True)
class Site:
    """A hospital whose stack runs: its doors, and what became of an image."""

    stack: Stack
    keys: Keys
    until: Callable[..., None]

    @property
    def dimse(self) -> tuple[str, str]:
        """Host and port of the C-STORE door, as programs take them."""
        return HOST, str(self.stack.ports.dimse)

    @property
    def stow(self) -> str:
        """Address of the STOW-RS door."""
        return f"http://{HOST}:{self.stack.ports.stow}/dicomweb"

    def image_id(self, sop_instance_uid: str) -> str:
        return image_id(self.keys, sop_instance_uid)

    def outcomes(self, *sop_instance_uids: str) -> dict[str, str]:
        """By UID, the one outcome of each image, once all have one: `classified`, or why it was set aside."""
        return {uid: self._outcome(uid) for uid in sop_instance_uids}

    def has_none(self, sop_instance_uid: str) -> bool:
        """Whether an image was never announced."""
        return self._ask(sop_instance_uid).status_code == 404

    def _outcome(self, uid: str) -> str:
        said: list[httpx.Response] = []

        def has_ended() -> bool:
            said.append(self._ask(uid))
            return said[-1].is_success and said[-1].json()["state"] in ENDS

        self.until(has_ended, within_s=OUTCOMES_WITHIN_S, what=lambda: said[-1].text)
        answer = said[-1].json()
        steps = Counter(step["step"] for step in answer["path"])
        assert sum(steps[end] for end in ENDS) == 1, answer
        assert not answer["others"], answer
        return str(answer["reason"] or answer["state"])

    def _ask(self, uid: str) -> httpx.Response:
        url = f"http://{HOST}:{self.stack.ports.console}/api/images/{self.image_id(uid)}"
        return httpx.get(url, timeout=30)


@pytest.fixture(scope="session")
def site(stack: Stack, until: Callable[..., None]) -> Site:
    """The stack, running."""
    stack.up()
    return Site(stack, Keys.from_site_key(site_key(stack.folder)), until)


@dataclass(frozen=True)
class Radiograph:
    """A file of a radiograph, and its SOP Instance UID."""

    path: Path
    uid: str


@pytest.fixture
def radiographs(tmp_path: Path) -> Callable[..., list[Radiograph]]:
    """Makes radiographs under UIDs of their own, in a folder of the test."""
    folder = tmp_path / "radiographs"

    def make(n: int = 1, syntax: str = ExplicitVRLittleEndian, **elements: object) -> list[Radiograph]:
        folder.mkdir(exist_ok=True)
        return [_write(folder, _radiograph(number), syntax, elements) for number in range(n)]

    return make


def _radiograph(number: int) -> Dataset:
    dataset = specimen(number, 2, seed=11, pitch_mm=0.8).dataset
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        setattr(dataset, keyword, generate_uid())
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def _write(folder: Path, dataset: Dataset, syntax: str, elements: Mapping[str, object]) -> Radiograph:
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    path.write_bytes(encoded(dataset, syntax))
    return Radiograph(path, str(dataset.SOPInstanceUID))


@pytest.fixture(scope="session")
def run_part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Part], None]]:
    """Starts programs beside the stack, until the end of all tests."""
    folder, running = tmp_path_factory.mktemp("peers"), []

    def run(part: Part) -> None:
        process = spawn(part, folder)
        running.append((part, process))
        wait_ready(part, process, folder)

    yield run
    for part, process in running:
        kill(part, process)


@dataclass(frozen=True)
class Peers:
    """Doors with stricter settings, and the Orthanc that knows them and the stack's own."""

    strict_port: int
    orthanc: Orthanc


@pytest.fixture(scope="session")
def peers(
    site: Site,
    program: Callable[[str], str],
    run_part: Callable[[Part], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Peers:
    """Orthanc, and doors on the same bus and store that require their AE title and know where Orthanc listens."""
    program("Orthanc")
    if not PLUGIN.exists():
        pytest.skip("Debian package orthanc-dicomweb is not installed")
    free = free_ports()
    strict_port, http_port, dicom_port = free.dimse, free.console, free.kafka
    run_part(strict_doors(site, strict_port, free.ingest_health, {AET: dicom_port}))
    doors = {"osteon": ("OSTEON", site.stack.ports.dimse), "strict": ("OSTEON", strict_port)}
    run_part(orthanc_part(tmp_path_factory.mktemp("orthanc"), http_port, dicom_port, doors, site.stow))
    return Peers(strict_port, Orthanc(http_port, site.until))


def strict_doors(site: Site, port: int, health_port: int, requesters: dict[str, int]) -> Part:
    """A second instance of the doors: C-STORE alone, for those who call it by its name."""
    environment = {
        **common_environment(site.stack.folder, site.stack.ports, "ingest"),
        "OSTEON_SITE_KEY": site_key(site.stack.folder),
        "OSTEON_ORDINAL": "1",
        "OSTEON_DIMSE_HOST": HOST,
        "OSTEON_DIMSE_PORT": str(port),
        "OSTEON_DIMSE_WORKERS": "1",
        "OSTEON_DIMSE_REQUIRES_CALLED_AET": "true",
        "OSTEON_DIMSE_CALLING_AETS": ",".join(("LISTED", *requesters)),
        "OSTEON_COMMIT_ADDRESSES": ",".join(f"{aet}={HOST}:{place}" for aet, place in requesters.items()),
        "OSTEON_STOW_PORT": "0",
        "OSTEON_SWEEP_EVERY_S": "0",
        "OSTEON_HEALTH_PORT": str(health_port),
    }
    return Part(
        name="strict-doors",
        command=(sys.executable, "-m", "osteon_ingest", "doors"),
        environment=environment,
        is_ready=lambda: answers(f"http://{HOST}:{health_port}/readyz"),
        ports=(port, health_port),
    )


@pytest.fixture
def call() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs a program to its end; its exit code is the caller's business."""

    def run(*command: object, **settings: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(word) for word in command],
            env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | settings,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=180,
            check=False,
        )

    return run


@pytest.fixture
def store_keys(site: Site) -> dict[str, str]:
    """Where rclone finds the object store, as its administrator."""
    keys = identity(site.stack.folder, "admin")
    return {
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONFIG_OSTEON_TYPE": "s3",
        "RCLONE_CONFIG_OSTEON_PROVIDER": "Other",
        "RCLONE_CONFIG_OSTEON_ENDPOINT": f"http://{HOST}:{site.stack.ports.seaweedfs_s3}",
        "RCLONE_CONFIG_OSTEON_ACCESS_KEY_ID": keys.access_key,
        "RCLONE_CONFIG_OSTEON_SECRET_ACCESS_KEY": keys.secret_key,
    }

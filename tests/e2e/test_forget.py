"""A patient is forgotten on a running stack, as docs/how-to/forget-a-patient.md says, by who has the least rights."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset

from osteon.cohort.send import Parcel, send_by_stow
from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import specimen
from osteon.store import connect as connect_store
from osteon_ingest.identity import Keys, image_id
from osteon_stack.ports import HOST
from osteon_stack.secrets import identity, site_key
from osteon_stack.services import common_environment
from osteon_stack.stack import Stack

Osteon = Callable[..., "subprocess.CompletedProcess[str]"]
BUCKETS = ("inbox", "receipts", "images", "harmonized", "vault")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def radiographs() -> tuple[Dataset, Dataset]:
    """Of two patients, who have made-up numbers."""
    hers, his = (specimen(number, seed=6, pitch_mm=0.5).dataset for number in (0, 1))
    hers.PatientID, his.PatientID = "FORGET-4711007", "KEEP-4711008"
    return hers, his


def test_a_forgotten_patient_is_gone_from_every_place_and_may_come_again(
    stack: Stack, osteon: Osteon, radiographs: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    stack.up()
    keys = Keys.from_site_key(site_key(stack.folder))
    hers, his = (image_id(keys, str(one.SOPInstanceUID)) for one in radiographs)
    before = _objects(stack)
    _send(stack, radiographs, tmp_path)
    assert osteon("track", "--wait", "--timeout-s", "120").returncode == 0
    with_both = _objects(stack)

    def forget(*arguments: str) -> "subprocess.CompletedProcess[str]":
        asked = {**common_environment(stack.folder, stack.ports, "forget"), "OSTEON_SITE_KEY": site_key(stack.folder)}
        return osteon("patient", "forget", *arguments, answers="FORGET-4711007\n\n", **asked)

    dry = forget("--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert _objects(stack) == with_both
    told = forget()

    assert told.returncode == 0, told.stdout + told.stderr
    assert "FORGET-4711007" not in told.stdout + told.stderr
    lines = {line.strip().split("  ")[0]: line.strip() for line in told.stdout.splitlines()}
    assert len(lines) > len(BUCKETS), told.stdout
    assert all(lines[f"bucket {bucket}"].split()[2:] == ["1", "gone"] for bucket in BUCKETS), told.stdout
    assert "gone; from Kafka's disk by" in lines["osteon.image.known"]
    assert lines["the console's table"].endswith("gone")
    assert len(_objects(stack) - before) == len(with_both - before) / 2
    assert osteon("track", hers).returncode == 1
    assert osteon("track", his).returncode == 0

    _send(stack, radiographs[:1], tmp_path)
    waited = osteon("track", "--wait", "--timeout-s", "120")
    assert waited.returncode == 0, waited.stderr
    assert osteon("track", hers).returncode == 0
    assert _objects(stack) == with_both


def _objects(stack: Stack) -> set[tuple[str, str]]:
    keys = identity(stack.folder, "forget")
    store = connect_store(f"{HOST}:{stack.ports.seaweedfs_s3}", keys.access_key, keys.secret_key)
    return {(bucket, one.key) for bucket in BUCKETS for one in store.list(bucket)}


def _send(stack: Stack, radiographs: tuple[Dataset, ...], folder: Path) -> None:
    parcels = []
    for dataset in radiographs:
        path = folder / f"{dataset.SOPInstanceUID}.dcm"
        path.write_bytes(encoded(dataset, "1.2.840.10008.1.2.1"))
        parcels.append(Parcel(path, "stow"))
    answers = list(send_by_stow(parcels, f"http://{HOST}:{stack.ports.stow}/dicomweb/studies"))
    assert [answer.text for answer in answers] == [""] * len(parcels)

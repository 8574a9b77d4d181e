"""Orthanc, a PACS, as a neighbour of a running stack: it forwards, and asks what is safe."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from osteon.contracts import ImageHarmonized, ObjectRef
from osteon.contracts.topics import IMAGE_HARMONIZED
from osteon_stack.seaweedfs import admin_client
from osteon_stack.services import connect_bus
from tests.peers.conftest import Peers, Radiograph, Site

Make = Callable[..., list[Radiograph]]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_orthanc_forwards_by_its_rule_what_it_gets(site: Site, peers: Peers, radiographs: Make) -> None:
    images = radiographs(3)

    for image in images:
        peers.orthanc.put(image.path)

    assert set(site.outcomes(*(image.uid for image in images)).values()) == {"classified"}


def test_orthanc_sends_by_stow_rs(site: Site, peers: Peers, radiographs: Make) -> None:
    images = radiographs(3, StationName="HOLD")
    names = [peers.orthanc.put(image.path) for image in images]

    peers.orthanc.call("POST", "/dicom-web/servers/osteon/stow", json={"Resources": names, "Synchronous": True})

    assert set(site.outcomes(*(image.uid for image in images)).values()) == {"classified"}


def test_orthanc_reaches_the_door_by_c_echo(peers: Peers) -> None:
    for door in ("osteon", "strict"):
        peers.orthanc.call("POST", f"/modalities/{door}/echo", json={})


def test_what_osteon_made_is_refused_when_a_pacs_forwards_it_back(
    site: Site, peers: Peers, radiographs: Make, tmp_path: Path
) -> None:
    (image,) = radiographs(1)
    peers.orthanc.put(image.path)
    assert site.outcomes(image.uid) == {image.uid: "classified"}
    original, harmonized = made_of(site, image.uid)
    files = [fetch(site, ref, tmp_path / ref.sha256) for ref in (original, harmonized)]
    uids = [str(dcmread(path).SOPInstanceUID) for path in files]

    for path in files:
        peers.orthanc.put(path)

    assert site.outcomes(*uids) == dict.fromkeys(uids, "own-output")
    site.until(peers.orthanc.is_idle)
    assert not {one.image_id for one in harmonized_records(site)} & {site.image_id(uid) for uid in uids}


def test_orthanc_asks_what_is_safe_and_is_told_at_its_own_address(site: Site, peers: Peers, radiographs: Make) -> None:
    sent, kept = radiographs(2, StationName="HOLD")
    name = peers.orthanc.put(sent.path)
    peers.orthanc.call("POST", "/modalities/strict/store", json={"Resources": [name], "Synchronous": True})

    asked = {"DicomInstances": [[str(dcmread(one.path).SOPClassUID), one.uid] for one in (sent, kept)]}
    transaction = peers.orthanc.call("POST", "/modalities/strict/storage-commitment", json=asked)["ID"]
    report = peers.orthanc.commitment(transaction)

    assert report["Status"] == "Failure"  # as long as one is not safe
    assert [one["SOPInstanceUID"] for one in report["Success"]] == [sent.uid]
    assert [(one["SOPInstanceUID"], one["FailureReason"]) for one in report["Failures"]] == [(kept.uid, 0x0112)]
    assert site.outcomes(sent.uid) == {sent.uid: "classified"}


def test_all_that_came_by_stow_rs_is_committed_by_dimse(site: Site, peers: Peers, radiographs: Make) -> None:
    images = radiographs(2, StationName="HOLD")
    names = [peers.orthanc.put(image.path) for image in images]
    peers.orthanc.call("POST", "/dicom-web/servers/osteon/stow", json={"Resources": names, "Synchronous": True})

    transaction = peers.orthanc.call("POST", "/modalities/strict/storage-commitment", json={"Resources": names})["ID"]

    assert peers.orthanc.commitment(transaction)["Status"] == "Success"


def made_of(site: Site, uid: str) -> tuple[ObjectRef, ObjectRef]:
    """The de-identified original and the harmonized object of an image."""
    image_id = site.image_id(uid)
    return next((one.original, one.object) for one in harmonized_records(site) if one.image_id == image_id)


def harmonized_records(site: Site) -> list[ImageHarmonized]:
    read = connect_bus(site.stack.folder, site.stack.ports).read([IMAGE_HARMONIZED])
    return [ImageHarmonized.FromString(one.value or b"") for one in read]


def fetch(site: Site, ref: ObjectRef, path: Path) -> Path:
    admin_client(site.stack.folder, site.stack.ports).fget_object(ref.bucket, ref.key, str(path))
    return path

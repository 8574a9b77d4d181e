"""Identifiers are planted in every attribute of radiographs; none is found in any place behind the doors."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from pydicom import Dataset
from pydicom.datadict import keyword_for_tag

from osteon.cohort.send import Parcel, send_by_stow
from osteon.contracts import ImageDeidentified
from osteon.contracts.topics import IMAGE_DEIDENTIFIED
from osteon.imaging.quiet import quiet_pydicom
from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import DEMO_SITES, specimen
from osteon.store import connect as connect_store
from osteon_ingest.coverage import BIRTHDAY, NAME, NUMBER, UID, attributes, planted, plants
from osteon_ingest.identity import Keys, image_id
from osteon_stack.demo.planted import found_planted
from osteon_stack.ports import HOST
from osteon_stack.processes import processes_of
from osteon_stack.secrets import identity, site_key
from osteon_stack.services import connect_bus
from osteon_stack.stack import Stack

Osteon = Callable[..., "subprocess.CompletedProcess[str]"]
N_IMAGES = 6
TEXTS = (NAME, NAME.lower(), NAME.capitalize(), str(NUMBER), BIRTHDAY, UID)
# What says how to read the object; and its own name, by which the sender finds it again.
SPARED = {
    "SpecificCharacterSet",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "PixelSpacing",
    "ImagerPixelSpacing",
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _radiographs() -> Iterator[Dataset]:
    """Each with an identifier in one of `N_IMAGES` attributes that does not describe its pixels."""
    for number in range(N_IMAGES):
        made = specimen(number, number % DEMO_SITES, seed=7, pitch_mm=0.5).dataset
        with quiet_pydicom():
            for tag in attributes()[number::N_IMAGES]:
                if tag.group >= 0x0008 and tag.group not in (0x0028, 0x7FE0) and keyword_for_tag(tag) not in SPARED:
                    made.add(planted(next(plants(tag))))
        made.PatientID, made.PatientName = str(NUMBER), f"{NAME}^Anna"
        yield made


def test_what_is_planted_is_in_no_place_behind_the_doors(stack: Stack, osteon: Osteon, tmp_path: Path) -> None:
    stack.up()
    parcels = []
    for dataset in _radiographs():
        path = tmp_path / f"{dataset.SOPInstanceUID}.dcm"
        with quiet_pydicom():
            path.write_bytes(encoded(dataset, "1.2.840.10008.1.2.1"))
        parcels.append(Parcel(path, "stow"))
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(parcels[0].path.read_bytes()[:-5000])
    (stack.folder / "incoming" / f"{NAME} {NUMBER}.dcm").write_bytes(NAME.encode() * 100)

    url = f"http://{HOST}:{stack.ports.stow}/dicomweb/studies"
    answers = list(send_by_stow([*parcels, Parcel(cut, "stow")], url))
    accepting = [process for process, part in processes_of(stack.folder).items() if part == "accept"]
    assert accepting
    for process in accepting:
        process.send_signal(signal.SIGABRT)  # with images in hand, if it did not finish them yet
    waited = osteon("track", "--wait", "--timeout-s", "120")

    assert [answer.text for answer in answers] == [""] * len(answers)
    assert waited.returncode == 0, waited.stdout + waited.stderr
    keys = identity(stack.folder, "admin")
    store = connect_store(f"{HOST}:{stack.ports.seaweedfs_s3}", keys.access_key, keys.secret_key)
    assert found_planted(TEXTS, connect_bus(stack.folder, stack.ports), store, stack.folder) == []
    told = osteon("track", "--limit", "1000", "--json").stdout + osteon("dead-letters", "list").stdout + _metrics(stack)
    assert [text for text in TEXTS if text in told] == []
    assert "osteon_stage_records_total" in told
    assert _n_deidentified(stack, parcels) >= N_IMAGES - 1  # one is set aside for its magnification


def _n_deidentified(stack: Stack, parcels: list[Parcel]) -> int:
    keys = Keys.from_site_key(site_key(stack.folder))
    ours = {image_id(keys, parcel.path.stem) for parcel in parcels}
    records = connect_bus(stack.folder, stack.ports).read([IMAGE_DEIDENTIFIED])
    return len(ours & {ImageDeidentified.FromString(one.value or b"").image_id for one in records})


def _metrics(stack: Stack) -> str:
    """What all services tell Prometheus."""
    ports = [value for name, value in vars(stack.ports).items() if name.endswith("_health")]
    return "".join(httpx.get(f"http://{HOST}:{port}/metrics").text for port in ports)

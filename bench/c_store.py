"""Files/s at the C-STORE door, sent by dcmtk's `dcmsend`, against dcmtk's `storescp --fork` and against Orthanc."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian

from bench.place import Place
from bench.row import Row, against
from osteon.phantom.radiograph import deterministic_uid
from osteon.phantom.specimen import specimen
from osteon_stack.ports import HOST, free_ports

__all__ = ["c_store"]

SENDERS = (1, 4)
AIM = 1.0  # of Orthanc with four senders
UP_WITHIN_S = 30.0


def c_store(place: Place) -> list[Row]:
    """The door alone, with the bus and the store behind it; nobody works what comes in."""
    if not shutil.which("dcmsend") or not shutil.which("storescp"):
        return [Row("C-STORE", None, "files/s", note="skipped: dcmtk is not installed")]
    folders = {n: _write_files(place, n) for n in SENDERS}
    with place.started(["ingest"]) as door:
        ours = {n: _files_per_s(folders[n], door.ports.dimse) for n in SENDERS}
    with _dcmtk(place.folder) as port:
        dcmtk = {n: _files_per_s(folders[n], port) for n in SENDERS}
    rows = [against(dcmtk[n], f"C-STORE, {n} senders, against dcmtk", ours[n], "files/s") for n in SENDERS]
    if not shutil.which("Orthanc"):
        return [*rows, Row("C-STORE against Orthanc", None, "files/s", note="skipped: Orthanc is not installed")]
    with _orthanc(place.folder) as port:
        orthanc = {n: _files_per_s(folders[n], port) for n in SENDERS}
    return [
        *rows,
        *(
            against(
                orthanc[n], f"C-STORE, {n} senders, against Orthanc", ours[n], "files/s", aim=AIM if n > 1 else None
            )
            for n in SENDERS
        ),
    ]


def _write_files(place: Place, n_senders: int) -> list[Path]:
    """A folder a sender, with as many files in all; noise, so that nothing can be compressed."""
    rng = np.random.default_rng(n_senders)
    dataset = specimen(900, pitch_mm=0).dataset
    shape = place.size.file_rows, place.size.file_columns
    dataset.Rows, dataset.Columns = shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    pixels = rng.integers(0, 1 << 16, shape, np.uint16)
    for number in range(place.size.n_files):
        pixels[0, :8] = rng.integers(0, 1 << 16, 8, np.uint16)
        dataset.PixelData = pixels.tobytes()
        dataset.PatientID = f"BENCH{number}"
        dataset.SOPInstanceUID = deterministic_uid("bench", "c-store", n_senders, number)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        folder = place.folder / f"files-{n_senders}" / str(number % n_senders)
        folder.mkdir(parents=True, exist_ok=True)
        pydicom.dcmwrite(folder / f"{number}.dcm", dataset, enforce_file_format=True)
    return sorted((place.folder / f"files-{n_senders}").iterdir())


def _files_per_s(folders: list[Path], port: int) -> float:
    n_files = sum(len(list(folder.iterdir())) for folder in folders)
    began = time.monotonic()
    senders = [
        subprocess.Popen(
            ["dcmsend", "-q", "-aec", "OSTEON", "+sd", HOST, str(port), str(folder)], stdout=subprocess.DEVNULL
        )
        for folder in folders
    ]
    codes = [sender.wait() for sender in senders]
    took = time.monotonic() - began
    if any(codes):
        raise RuntimeError(f"dcmsend ended with {codes}")
    return n_files / took


@contextlib.contextmanager
def _dcmtk(folder: Path) -> Iterator[int]:
    taken = folder / "storescp"
    taken.mkdir()
    port = free_ports().dimse
    # Without a SOP class of digital X-ray for presentation, its default is to refuse nothing.
    command = ["storescp", "-q", "--fork", "-aet", "OSTEON", "-od", str(taken), "-pdu", "131072", str(port)]
    with _running(command, port):
        yield port


@contextlib.contextmanager
def _orthanc(folder: Path) -> Iterator[int]:
    home = folder / "orthanc"
    home.mkdir()
    ports = free_ports()
    settings = {
        "StorageDirectory": str(home / "storage"),
        "IndexDirectory": str(home / "index"),
        "DicomPort": ports.dimse,
        "DicomAet": "OSTEON",
        "HttpServerEnabled": False,
        "Plugins": [],
    }
    (home / "orthanc.json").write_text(json.dumps(settings))
    with _running(["Orthanc", str(home / "orthanc.json")], ports.dimse):
        yield ports.dimse


@contextlib.contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + UP_WITHIN_S
        while not _listens(port):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"{command[0]} did not come up")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False

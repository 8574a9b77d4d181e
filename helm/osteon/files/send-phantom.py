"""Send one synthetic femur by C-STORE and one by STOW-RS, and wait until the console tells the outcome of both."""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from osteon.phantom.encoding import encoded
from osteon.phantom.shaft.radiograph import Case, femur_radiograph
from osteon.phantom.shaft.scanner import SITES

WITHIN_S = 240.0
DOOR, CONSOLE = os.environ["DOOR"], os.environ["CONSOLE_URL"]
TLS = ssl.create_default_context(cafile=os.environ["CA"]) if "CA" in os.environ else None
CONSOLE_TLS = ssl.create_default_context(cafile=os.environ["CONSOLE_CA"]) if "CONSOLE_CA" in os.environ else None


def phantom(number: int) -> Dataset:
    """A femur that nobody has sent before."""
    dataset = femur_radiograph(Case(0, "test", int(time.time()) + number, "typical"), SITES[0])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    return dataset


def ask(url: str, token: str, tls: ssl.SSLContext | None, body: bytes | None = None, kind: str = "") -> Any:
    """The JSON that is answered."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/dicom+json, application/json"}
    request = urllib.request.Request(url, body, headers | ({"Content-Type": kind} if kind else {}))
    with urllib.request.urlopen(request, timeout=60, context=tls) as answer:
        return json.load(answer)


def send_by_c_store(dataset: Dataset) -> None:
    entity = AE("HELMTEST")
    entity.add_requested_context(dataset.SOPClassUID, ExplicitVRLittleEndian)
    association = entity.associate(DOOR, 11112, ae_title=os.environ["AET"])
    if not association.is_established:
        sys.exit(f"C-STORE: {DOOR}:11112 refused the association")
    status = association.send_c_store(dataset)
    association.release()
    if status.get("Status") != 0:
        sys.exit(f"C-STORE: status 0x{status.get('Status', 0xFFFF):04X}")


def send_by_stow(dataset: Dataset) -> None:
    edge = b"--phantom\r\nContent-Type: application/dicom\r\n\r\n"
    body = edge + encoded(dataset, ExplicitVRLittleEndian) + b"\r\n--phantom--\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=phantom'
    url = f"{'https' if TLS else 'http'}://{DOOR}:8042/dicomweb/studies"
    try:
        ask(url, os.environ["SENDER_TOKEN"], TLS, body, kind)
    except urllib.error.HTTPError as error:
        sys.exit(f"STOW-RS: {url} answered {error.code}")


def received_since(began: datetime) -> list[dict[str, Any]]:
    """What the console knows of images that were received since then."""
    images = ask(f"{CONSOLE}/api/images?limit=200", os.environ["CONSOLE_TOKEN"], CONSOLE_TLS)["images"]
    return [one for one in images if datetime.fromisoformat(one["received_at"]) >= began]


def main() -> None:
    began, deadline = datetime.now(UTC) - timedelta(seconds=1), time.monotonic() + WITHIN_S
    wanted = {"C-STORE", "STOW-RS"} if os.environ["DIMSE"] == "open" else {"STOW-RS"}
    if "C-STORE" in wanted:
        send_by_c_store(phantom(1))
        print("C-STORE: taken")
    send_by_stow(phantom(2))
    print("STOW-RS: taken")
    while True:
        seen = received_since(began)
        done = [one for one in seen if one["state"] in ("classified", "set-aside", "dead-letter")]
        if len(done) >= len(wanted) and len(done) == len(seen):
            break
        if time.monotonic() > deadline:
            sys.exit(f"after {WITHIN_S:.0f} s {len(done)} of {len(seen)} images have an outcome: {seen}")
        time.sleep(1)
    for one in done:
        print(one["image_id"], one["state"], one["label"] or one["reason"], f"after {one['took_s']:.1f} s")
    if sum(one["state"] == "classified" for one in done) < len(wanted):
        sys.exit("a phantom was not classified")


main()

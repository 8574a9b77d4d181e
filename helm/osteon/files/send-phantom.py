"""Send one synthetic femur by C-STORE and one by STOW-RS, and wait until the console tells the outcome of both.

make-phantoms.py named their files by the image ids under which the console knows them, whoever else sends meanwhile.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pynetdicom import AE

WITHIN_S = 240.0
DOOR, CONSOLE = os.environ["DOOR"], os.environ["CONSOLE_URL"]


def trusting(ca: str) -> ssl.SSLContext:
    """What the server is believed of, and what is shown to one that asks for a certificate."""
    context = ssl.create_default_context(cafile=ca)
    if "CLIENT" in os.environ:
        context.load_cert_chain(f"{os.environ['CLIENT']}/tls.crt", f"{os.environ['CLIENT']}/tls.key")
    return context


TLS, CONSOLE_TLS = trusting(os.environ["CA"]), trusting(os.environ["CONSOLE_CA"])


def ask(url: str, token: str, tls: ssl.SSLContext, body: bytes | None = None, kind: str = "") -> Any:
    """The JSON that is answered."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/dicom+json, application/json"}
    request = urllib.request.Request(url, body, headers | ({"Content-Type": kind} if kind else {}))
    with urllib.request.urlopen(request, timeout=60, context=tls) as answer:
        return json.load(answer)


def send_by_c_store(file: Path) -> None:
    dataset = dcmread(file)
    entity = AE(os.environ["CALLING_AET"])
    entity.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    tls = (TLS, DOOR) if os.environ["DIMSE"] == "locked" else None
    association = entity.associate(DOOR, 11112, ae_title=os.environ["AET"], tls_args=tls)
    if not association.is_established:
        sys.exit(f"C-STORE: {DOOR}:11112 refused the association; may {entity.ae_title} call (dimse_calling_aets)?")
    status = association.send_c_store(dataset)
    association.release()
    if status.get("Status") != 0:
        sys.exit(f"C-STORE: status 0x{status.get('Status', 0xFFFF):04X}")
    print("C-STORE: taken")


def send_by_stow(file: Path) -> None:
    edge = b"--phantom\r\nContent-Type: application/dicom\r\n\r\n"
    body = edge + file.read_bytes() + b"\r\n--phantom--\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=phantom'
    url = f"https://{DOOR}:8042/dicomweb/studies"
    try:
        ask(url, os.environ["SENDER_TOKEN"], TLS, body, kind)
    except urllib.error.HTTPError as error:
        sys.exit(f"STOW-RS: {url} answered {error.code}")
    print("STOW-RS: taken")


def outcome(image: str) -> dict[str, Any] | None:
    """What the console knows of an image that has an outcome; None where it has none yet, or the console is away."""
    try:
        known = ask(f"{CONSOLE}/api/images/{image}", os.environ["CONSOLE_TOKEN"], CONSOLE_TLS)
    except urllib.error.HTTPError as error:
        if error.code != 404 and error.code < 500:  # 404: the console has not read of it yet
            sys.exit(f"{CONSOLE} answered {error.code}")
        return None
    except (OSError, HTTPException, ValueError) as error:  # it starts anew, and an answer may end half-way
        if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
            sys.exit(f"{CONSOLE} shows a certificate that {os.environ['CONSOLE_CA']} does not vouch for")
        return None
    return known if known["state"] in ("classified", "set-aside", "dead-letter") else None


def main(folder: Path) -> None:
    deadline = time.monotonic() + WITHIN_S
    phantoms = tuple(folder.iterdir())
    for send, file in zip((send_by_c_store, send_by_stow), phantoms, strict=True):
        send(file)
    missing, are_classified = [file.name for file in phantoms], True
    while missing:
        for image in tuple(missing):
            if found := outcome(image):
                missing.remove(image)
                are_classified &= found["state"] == "classified"
                told = f"{found['label']} {found['probability']:.3f}" if found["label"] else found["reason"]
                print(f"{image} {found['state']}: {told}, after {found['took_s']:.1f} s")
        if missing and time.monotonic() > deadline:
            sys.exit(f"after {WITHIN_S:.0f} s no outcome of {', '.join(missing)}: see `osteon track ID` on the desk")
        time.sleep(1)
    if not are_classified:
        sys.exit("a phantom was not classified")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Mutated STOW-RS requests on a socket: structure of HTTP and of the multipart body, and the files in it."""

import json
import random
import socket
import threading
from dataclasses import dataclass

from pydicom.uid import generate_uid

from tests.fuzz.door import Door
from tests.fuzz.ledger import FOUND
from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import phantoms

__all__ = ["good_request", "request", "sent"]

ANSWER_S = 30.0
BOUNDARIES = (b"xyz", b"x", b"x" * 70, b"x" * 71, b"", b'"quoted part"', b"--", b"a=b;c", b"\xff\xfe")
TYPES = (
    b'multipart/related; type="application/dicom"; boundary=%s', b"multipart/related; boundary=%s",
    b'multipart/related; type="application/dicom+json"; boundary=%s', b"multipart/form-data; boundary=%s",
    b"multipart/related", b"application/dicom", b"", b"multipart/related; boundary*0=x; boundary*1=%s",
    b"multipart/related; boundary=" + b"=?utf-8?q?x?=", b";" * 500, b"multipart/related; type*=utf-8''x; boundary=%s",
)  # fmt: skip
PATHS = (
    b"/dicomweb/studies", b"/dicomweb/studies/1.2.3", b"/dicomweb/studies/" + b"9" * 3000, b"/dicomweb/studies/%00",
    b"/dicomweb/studies/%ff%fe", b"/dicomweb//studies", b"/", b"/dicomweb/studies/../..", b"/dicomweb/studies?x=%",
)  # fmt: skip
DICOM = b"Content-Type: application/dicom\r\n\r\n"
PART_HEADERS = (
    DICOM, b"\r\n", b"Content-Type: text/html\r\n\r\n", b"content-TYPE : application/dicom;x=\"\r\n\r\n",
    b"X: " + b"y" * 20_000 + b"\r\n\r\n", b"\0\xff\r\n\r\n", b"Content-Type: application/dicom\n\n",
    b"Content-Type: multipart/mixed; boundary=xyz\r\n\r\n",
)  # fmt: skip
MORE_HEADERS = (
    [b"X: y"] * 300, [b"Expect: 100-continue"], [b"Upgrade: websocket"], [b"\0: \0"], [b"Content-Length: 5"],
    [b"Content-Encoding: gzip"], [b"A: " + b"b" * 100_000],
)  # fmt: skip
METHODS = (*(b"POST",) * 12, b"GET", b"PUT", b"\xff")
CHUNK_SIZES = (b"FFFFFFFF", b"-1", b"zz", b"0", b"1;" + b"x" * 9000)


@dataclass(frozen=True)
class Sent:
    """An outcome, and the instances that were answered with success."""

    outcome: str
    stored: tuple[str, ...] = ()


def fresh(rng: random.Random) -> bytes:
    """A sound file under a UID of its own."""
    content = phantoms()[0].content
    at = content.index(b"\x08\0\x18\0UI") + 8
    size = int.from_bytes(content[at - 2 : at], "little")
    old = content[at : at + size]
    new = (
        generate_uid(prefix="1.2.3.", entropy_srcs=[str(rng.random())]).encode()[:size].rstrip(b".").ljust(size, b"\0")
    )
    return content.replace(old, new)


def good_request(rng: random.Random) -> bytes:
    """A request that must be answered with 200, unless the store refuses its one object."""
    body = b"--xyz\r\n" + DICOM + fresh(rng) + b"\r\n--xyz--\r\n"
    return _head(b"POST", PATHS[0], TYPES[0] % b"xyz", [b"Content-Length: %d" % len(body)]) + body


def request(seed: int, number: int) -> tuple[bytes, bool]:
    """Request `number`, and whether its sender then says that nothing more will come."""
    rng = random.Random(f"stow {seed} {number}")
    boundary = rng.choice(BOUNDARIES) if rng.random() < 0.2 else b"xyz"
    body = _body(rng, seed, number, boundary)
    content_type = rng.choice(TYPES) if rng.random() < 0.25 else TYPES[0]
    if b"%s" in content_type:
        content_type %= boundary
    length = len(body) if rng.random() < 0.85 else rng.choice((0, 1, len(body) - 1, len(body) + 10, 2**31, 2**63, -1))
    headers = [b"Content-Length: %d" % length]
    if rng.random() < 0.2:
        headers, body = [b"Transfer-Encoding: chunked"], _chunked(rng, body)
    if rng.random() < 0.1:
        headers += rng.choice(MORE_HEADERS)
    path = rng.choice(PATHS) if rng.random() < 0.2 else PATHS[0]
    whole = bytearray(
        _head(rng.choice((b"POST",) * 12 + (b"GET", b"PUT", b"\xff")), path, content_type, headers) + body
    )
    if rng.random() < 0.1:
        for _ in range(rng.choice((1, 5, 50))):
            whole[rng.randrange(min(len(whole), 600))] = rng.randrange(256)
    if rng.random() < 0.1:
        del whole[rng.randrange(len(whole)) :]
    return bytes(whole), rng.random() < 0.15


def sent(door: Door, data: bytes, says_end: bool) -> Sent:
    """What the door answers to `data`; a success for what is not safe, or no end within `ANSWER_S`, is a finding."""
    try:
        with door.connect(ANSWER_S) as line:
            answer = _exchange(line, data, says_end)
    except TimeoutError:
        return Sent(f"{FOUND}no end within {ANSWER_S:.0f} s")
    except OSError:
        return Sent("closed while sending")
    if not answer:
        return Sent("closed without an answer")
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):  # go on
        head, _, body = body.partition(b"\r\n\r\n")
    status = head.split(b" ")[1:2]
    if not head:
        return Sent("closed without an answer")
    if not status or not status[0].isdigit():
        return Sent(f"{FOUND}not HTTP")
    if status[0] == b"500":
        return Sent(f"{FOUND}HTTP 500")
    stored = _stored(body) if b"dicom+json" in head else ()
    unsafe = [uid for uid in stored if not door.is_safe(uid)]
    if unsafe:
        return Sent(f"{FOUND}success for what is not safe")
    if int(status[0]) < 300 and not stored:
        return Sent(f"{FOUND}success for nothing")
    return Sent(f"HTTP {status[0].decode()}", stored)


def _exchange(line: socket.socket, data: bytes, says_end: bool) -> bytes:
    """Send and read at the same time: a door may answer before it has read all, and then close."""

    def send() -> None:
        try:
            line.sendall(data)
            if says_end:
                line.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # what was answered says why

    sender = threading.Thread(target=send)
    sender.start()
    answer = b""
    try:
        while piece := line.recv(65536):
            answer += piece
    except ConnectionResetError:
        pass
    sender.join()
    return answer


def _stored(body: bytes) -> tuple[str, ...]:
    items = json.loads(body).get("00081199", {}).get("Value", [])
    return tuple(item["00081155"]["Value"][0] for item in items)


def _head(method: bytes, path: bytes, content_type: bytes, headers: list[bytes]) -> bytes:
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: x", b"Connection: close", b"Content-Type: " + content_type]
    return b"\r\n".join([*lines, *headers]) + b"\r\n\r\n"


def _body(rng: random.Random, seed: int, number: int, boundary: bytes) -> bytes:
    if rng.random() < 0.02:
        return (b"--" + boundary + b"\r\n\r\n\r\n") * rng.choice((1000, 12_000)) + b"--" + boundary + b"--"
    pieces = [rng.choice((b"", b"", b"preamble\r\n", b"\r\n", b"--" + boundary))]
    for part in range(rng.choice((0, 1, 1, 2, 3, 8))):
        content = fresh(rng) if rng.random() < 0.4 else mutated(seed, number * 10 + part).content[: 2 * 10**6]
        header = rng.choice(PART_HEADERS) if rng.random() < 0.3 else PART_HEADERS[0]
        delimiter = (
            rng.choice((b"--" + boundary, boundary, b"-- " + boundary)) if rng.random() < 0.1 else b"--" + boundary
        )
        end = b"\r\n" if rng.random() < 0.9 else rng.choice((b"", b"\n", b"\r", b"\r\n" * 50))
        pieces.append(delimiter + b"\r\n" + header + content + end)
    pieces.append(
        rng.choice((b"--" + boundary + b"--\r\n",) * 6 + (b"", b"--" + boundary, b"--" + boundary + b"--garbage" * 99))
    )
    return b"".join(pieces)


def _chunked(rng: random.Random, body: bytes) -> bytes:
    pieces = []
    size = rng.choice((1000, 65_536, 300_000))
    for at in range(0, len(body), size):
        piece = body[at : at + size]
        told = (
            b"%x" % len(piece)
            if rng.random() < 0.97
            else rng.choice((b"FFFFFFFF", b"-1", b"zz", b"0", b"1;" + b"x" * 9000))
        )
        pieces.append(told + b"\r\n" + piece + b"\r\n")
    return b"".join(pieces) + rng.choice((b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b""))

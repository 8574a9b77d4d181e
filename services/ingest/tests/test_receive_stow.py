import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree.ElementTree import fromstring

import httpx
import pytest
from pydicom import Dataset

from osteon.contracts import DOOR_STOW
from osteon_ingest.doors import listen
from osteon_ingest.identity import image_id
from osteon_ingest.receive import Threshold
from osteon_ingest.receive_stow import serve_stow
from osteon_ingest.settings import IngestSettings

Make = Callable[..., Dataset]
Write = Callable[[Dataset], bytes]
RELATED = {"content-type": 'multipart/related; type="application/dicom"; boundary=xyz'}


@pytest.fixture
def limits() -> dict[str, object]:
    return {}


@pytest.fixture
def url(settings: IngestSettings, limits: dict[str, object], threshold: Threshold) -> Iterator[str]:
    listening = listen("127.0.0.1", 0, "OSTEON_STOW_PORT")
    stop = threading.Event()
    settings = settings.model_copy(update=limits)
    server = threading.Thread(target=serve_stow, args=(settings, threshold, listening, stop))
    server.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/dicomweb/studies"
    stop.set()
    server.join(30)
    assert not server.is_alive()


def related(*files: bytes, content_type: str = "application/dicom") -> bytes:
    parts = (b"--xyz\r\nContent-Type: " + content_type.encode() + b"\r\n\r\n" + file + b"\r\n" for file in files)
    return b"".join(parts) + b"--xyz--\r\n"


def items(answer: httpx.Response, tag: str) -> list[dict[str, Any]]:
    assert answer.headers["content-type"] == "application/dicom+json"
    found: list[dict[str, Any]] = json.loads(answer.text).get(tag, {"Value": []})["Value"]
    return found


def test_all_instances_of_a_request_are_stored_and_named(
    url: str, announcements: Any, new_object: Make, as_file: Write
) -> None:
    made = [new_object() for _ in range(3)]

    answer = httpx.post(url, content=related(*map(as_file, made)), headers=RELATED)

    assert answer.status_code == 200
    named = [item["00081155"]["Value"][0] for item in items(answer, "00081199")]
    assert named == [one.SOPInstanceUID for one in made]
    assert [image.door for image in announcements.images] == [DOOR_STOW] * 3


def test_some_failed_says_which_and_why(url: str, announcements: Any, new_object: Make, as_file: Write) -> None:
    good = new_object()
    nameless = as_file(new_object(SOPInstanceUID="1.2.3")).replace(b"1.2.3\0", b"x.y.z\0")

    answer = httpx.post(url, content=related(as_file(good), b"%PDF-1.7", nameless), headers=RELATED)

    assert answer.status_code == 202
    assert len(items(answer, "00081199")) == 1
    comments = [item["00000902"]["Value"][0].split(":")[0] for item in items(answer, "0008119A")]
    assert comments == ["not-dicom", "unreadable"]
    assert len(announcements.images) == 1


def test_all_failed_is_a_conflict(url: str) -> None:
    answer = httpx.post(url, content=related(b"junk", b"more junk"), headers=RELATED)

    assert answer.status_code == 409
    assert len(items(answer, "0008119A")) == 2


def test_an_instance_of_another_study_is_refused(
    url: str, announcements: Any, new_object: Make, as_file: Write
) -> None:
    one, other = new_object(), new_object()

    answer = httpx.post(f"{url}/{one.StudyInstanceUID}", content=related(as_file(one), as_file(other)), headers=RELATED)

    assert answer.status_code == 202
    (failed,) = items(answer, "00081198")
    assert failed["00081155"]["Value"] == [other.SOPInstanceUID]
    assert failed["00081197"]["Value"] == [0xA900]
    assert len(announcements.images) == 1


def test_while_the_bus_is_away_the_sender_is_told_when_to_come_back(
    url: str, announcements: Any, new_object: Make, as_file: Write
) -> None:
    announcements.is_away = True

    answer = httpx.post(url, content=related(as_file(new_object()), as_file(new_object())), headers=RELATED)

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert [item["00081197"]["Value"] for item in items(answer, "00081198")] == [[0xA700], [0xA700]]


def test_an_instance_over_the_limit_is_refused_by_name(url: str, new_object: Make, as_file: Write) -> None:
    large = new_object(rows=512)

    answer = httpx.post(url, content=related(as_file(large)), headers=RELATED)

    assert answer.status_code == 413
    (failed,) = items(answer, "00081198")
    assert failed["00081155"]["Value"] == [large.SOPInstanceUID]


def test_audit_tells_each_image_that_was_refused_and_each_that_was_taken_by_its_id(
    url: str, threshold: Threshold, new_object: Make, as_file: Write, caplog: pytest.LogCaptureFixture
) -> None:
    taken = new_object()
    files = (as_file(taken), b"junk", as_file(new_object(rows=512)))

    answer = httpx.post(url, content=related(*files), headers=RELATED)

    told = [fromstring(record.audit) for record in caplog.records if hasattr(record, "audit")]
    assert answer.status_code == 202
    assert [one[0].attrib["EventOutcomeIndicator"] for one in told] == ["0", "4", "4"]
    assert [one.find("ParticipantObjectIdentification") is not None for one in told] == [True, False, False]
    assert told[0][-1].attrib["ParticipantObjectID"] == image_id(threshold.keys, taken.SOPInstanceUID)


@pytest.mark.parametrize("limits", [{"stow_max_request_bytes": 50_000}])
def test_a_request_over_the_limit_is_refused_announced_or_not(url: str) -> None:
    def streamed() -> Iterator[bytes]:
        yield from [b"x" * 10_000] * 6

    announced = httpx.post(url, content=b"x" * 60_000, headers=RELATED)
    not_announced = httpx.post(url, content=streamed(), headers=RELATED)

    assert (announced.status_code, not_announced.status_code) == (413, 413)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/dicom", 415),
        ("application/json", 415),
        ('multipart/related; type="application/dicom+json"; boundary=xyz', 415),
        ('multipart/related; type="application/dicom"', 400),
        ("", 415),
    ],
)
def test_a_request_of_another_kind_is_refused(url: str, content_type: str, status: int) -> None:
    answer = httpx.post(url, content=related(b"x"), headers={"content-type": content_type})

    assert answer.status_code == status


def test_a_truncated_request_keeps_what_was_whole_and_is_refused(
    url: str, announcements: Any, new_object: Make, as_file: Write
) -> None:
    body = related(as_file(new_object()), as_file(new_object()))

    answer = httpx.post(url, content=body[:-100], headers=RELATED)

    assert answer.status_code == 400
    assert len(items(answer, "00081199")) == len(announcements.images) == 1


@pytest.mark.parametrize("body", [b"", b"--xyz--", b"no boundary at all"])
def test_a_request_without_instances_is_refused(url: str, body: bytes) -> None:
    assert httpx.post(url, content=body, headers=RELATED).status_code == 400


def test_a_part_of_another_type_is_refused(url: str) -> None:
    answer = httpx.post(url, content=related(b"{}", content_type="application/dicom+json"), headers=RELATED)

    assert answer.status_code == 409


@pytest.mark.parametrize("limits", [{"stow_silence_timeout_s": 0.3}])
def test_a_silent_sender_is_given_up(url: str) -> None:
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 0), timeout=90) as sender:
        head = f"POST {address.path} HTTP/1.1\r\nHost: x\r\nContent-Type: {RELATED['content-type']}\r\n"
        sender.sendall(f"{head}Content-Length: 500\r\n\r\n--xyz\r\n".encode())

        assert b"408" in sender.recv(1000).split(b"\r\n")[0]


@pytest.mark.parametrize("limits", [{"stow_silence_timeout_s": 0.3}])
def test_a_sender_that_never_ends_its_headers_is_given_up(
    url: str, new_object: Make, as_file: Write, until: Callable[..., None]
) -> None:
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 0), timeout=90) as sender:
        sender.sendall(b"POST /dicomweb/studies HTTP/1.1\r\nHost: x\r\nX: ")

        assert sender.recv(1000) == b""

    content = related(as_file(new_object()))
    until(lambda: httpx.post(url, content=content, headers=RELATED).status_code == 200)


def test_headers_without_end_are_cut_off(url: str) -> None:
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 0), timeout=90) as sender:
        sender.sendall(b"POST /dicomweb/studies HTTP/1.1\r\nX: ")
        with pytest.raises(ConnectionError):
            sender.sendall(b"y" * 100_000_000)


def test_a_sender_that_goes_away_in_mid_request_harms_nobody(
    url: str, announcements: Any, new_object: Make, as_file: Write
) -> None:
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 0)) as sender:
        head = f"POST {address.path} HTTP/1.1\r\nHost: x\r\nContent-Type: {RELATED['content-type']}\r\n"
        sender.sendall(f"{head}Content-Length: 50000\r\n\r\n".encode() + related(as_file(new_object()))[:5000])

    answer = httpx.post(url, content=related(as_file(new_object())), headers=RELATED)

    assert answer.status_code == 200
    assert len(announcements.images) == 1


def test_four_senders_at_once_lose_nothing(url: str, announcements: Any, new_object: Make, as_file: Write) -> None:
    def send(_: int) -> int:
        body = related(*(as_file(new_object()) for _ in range(5)))
        return httpx.post(url, content=body, headers=RELATED).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(send, range(8)))

    assert statuses == [200] * 8
    assert len({image.image_id for image in announcements.images}) == 40

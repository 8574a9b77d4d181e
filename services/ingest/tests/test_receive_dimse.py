import contextlib
import io
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import JPEG2000Lossless
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_CREATE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    Verification,
)

from osteon.contracts import DOOR_DIMSE
from osteon_ingest.doors import listen
from osteon_ingest.receive import Threshold
from osteon_ingest.receive_dimse import serve_dimse
from osteon_ingest.settings import IngestSettings

Make = Callable[..., Dataset]
DX = DigitalXRayImageStorageForPresentation


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def port(settings: IngestSettings, threshold: Threshold, stop: threading.Event) -> Iterator[int]:
    yield from serving(settings, threshold, stop)


def serving(settings: IngestSettings, threshold: Threshold, stop: threading.Event) -> Iterator[int]:
    listening = listen("127.0.0.1", 0, "OSTEON_DIMSE_PORT")
    port = listening.getsockname()[1]
    server = threading.Thread(target=serve_dimse, args=(settings, threshold, listening, stop))
    server.start()
    yield port
    stop.set()
    server.join(30)
    assert not server.is_alive()


def associate(port: int, called_aet: str = "OSTEON", syntax: str | None = None) -> Association:
    sender = AE("MODALITY")
    for context in [DX, ComputedRadiographyImageStorage, Verification]:
        sender.add_requested_context(context, syntax)
    return sender.associate("127.0.0.1", port, ae_title=called_aet)


def test_an_image_is_answered_with_success_once_it_is_announced(
    port: int, announcements: Any, new_object: Make
) -> None:
    association = associate(port)

    answer = association.send_c_store(new_object())
    association.release()

    assert answer.Status == 0x0000
    assert [image.door for image in announcements.images] == [DOOR_DIMSE]


def test_the_door_answers_an_echo(port: int) -> None:
    association = associate(port)

    answer = association.send_c_echo()
    association.release()

    assert answer.Status == 0x0000


def test_while_the_bus_is_away_the_sender_must_keep_its_image(port: int, announcements: Any, new_object: Make) -> None:
    announcements.is_away = True
    association = associate(port)

    away = association.send_c_store(made := new_object())
    announcements.is_away = False
    back = association.send_c_store(made)
    association.release()

    assert (away.Status, back.Status) == (0xA700, 0x0000)
    assert len(announcements.images) == 1


def test_an_object_over_the_limit_is_refused_and_the_next_one_is_taken(
    port: int, announcements: Any, new_object: Make, caplog: pytest.LogCaptureFixture
) -> None:
    association = associate(port)

    large = association.send_c_store(new_object(rows=1024))
    small = association.send_c_store(new_object())
    association.release()

    assert (large.Status, large.ErrorComment) == (0xA700, "too-large")
    assert small.Status == 0x0000
    assert len(announcements.images) == 1
    audited = [record.audit for record in caplog.records if hasattr(record, "audit")]
    assert ['EventOutcomeIndicator="4"' in one for one in audited] == [True, False]


@pytest.mark.parametrize("element", ["SOPInstanceUID", "SOPClassUID"])
def test_a_data_set_that_is_not_what_its_request_says_is_refused(
    port: int, announcements: Any, new_object: Make, monkeypatch: pytest.MonkeyPatch, element: str
) -> None:
    association = associate(port)
    request = association.dimse.send_msg
    made = new_object()

    def send_another(primitive: Any, context_id: int) -> None:
        claimed = {"SOPInstanceUID": "1.2.3", "SOPClassUID": ComputedRadiographyImageStorage}[element]
        setattr(primitive, f"Affected{element}", claimed)
        request(primitive, context_id)

    monkeypatch.setattr(association.dimse, "send_msg", send_another)  # pynetdicom itself never lies
    answer = association.send_c_store(made)
    association.release()

    assert answer.Status == 0xA900
    assert not announcements.images


def test_a_sender_that_aborts_in_mid_image_harms_nobody(
    port: int, announcements: Any, new_object: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    aborting, other = associate(port), associate(port)
    line = aborting.dul.socket
    assert line is not None
    send = line.send
    n_sent = 0

    def send_a_little(data: bytes) -> None:
        nonlocal n_sent
        n_sent += len(data)
        if n_sent > 50_000:
            assert line.socket is not None
            line.socket.close()
        send(data)

    monkeypatch.setattr(line, "send", send_a_little)
    no_answer = aborting.send_c_store(new_object(rows=256))
    answer = other.send_c_store(new_object())
    other.release()

    assert "Status" not in no_answer
    assert answer.Status == 0x0000
    assert len(announcements.images) == 1


def test_four_senders_at_once_lose_nothing(port: int, announcements: Any, new_object: Make) -> None:
    def send(_: int) -> list[int]:
        association = associate(port)
        statuses = [association.send_c_store(new_object()).Status for _ in range(10)]
        association.release()
        return statuses

    with ThreadPoolExecutor(4) as pool:
        statuses = [status for sender in pool.map(send, range(4)) for status in sender]

    assert statuses == [0x0000] * 40
    assert len({image.image_id for image in announcements.images}) == 40


def test_compressed_images_come_in_as_they_are(
    port: int, threshold: Threshold, announcements: Any, new_object: Make
) -> None:
    association = associate(port, syntax=JPEG2000Lossless)
    made = new_object(PixelData=b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\x04\0\0\0\xff\x4f\xff\xd9")
    made["PixelData"].is_undefined_length = True
    made["PixelData"].VR = "OB"
    made.file_meta.TransferSyntaxUID = JPEG2000Lossless

    answer = association.send_c_store(made)
    association.release()

    assert answer.Status == 0x0000
    assert len(announcements.images) == 1


def test_another_called_ae_title_is_rejected_where_it_is_required(
    settings: IngestSettings, threshold: Threshold, stop: threading.Event
) -> None:
    strict = settings.model_copy(update={"dimse_requires_called_aet": True})
    for port in serving(strict, threshold, stop):
        wrong, right = associate(port, "ANOTHER"), associate(port)

        assert wrong.is_rejected
        assert right.is_established
        right.release()


def test_associations_over_the_limit_are_rejected_for_now(
    settings: IngestSettings, threshold: Threshold, stop: threading.Event
) -> None:
    for port in serving(settings.model_copy(update={"dimse_associations": 1}), threshold, stop):
        first, second = associate(port), associate(port)

        assert first.is_established
        assert second.is_rejected
        first.release()


def test_a_door_that_is_told_to_stop_lets_a_sender_finish(
    port: int, stop: threading.Event, announcements: Any, new_object: Make
) -> None:
    association = associate(port)
    association.send_c_store(new_object())

    stop.set()
    answer = association.send_c_store(new_object())
    association.release()

    assert answer.Status == 0x0000
    assert len(announcements.images) == 2


@pytest.mark.skipif(not shutil.which("dcmsend"), reason="dcmtk is not installed")
def test_dcmtk_sends_and_gets_success(
    port: int, announcements: Any, new_object: Make, as_file: Callable[[Dataset], bytes], tmp_path: Path
) -> None:
    for n in range(3):
        (tmp_path / f"{n}.dcm").write_bytes(as_file(new_object()))

    sent = subprocess.run(
        ["dcmsend", "-v", "-aec", "OSTEON", "--scan-directories", "127.0.0.1", str(port), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert "with status SUCCESS  : 3" in sent.stdout + sent.stderr, sent.stdout + sent.stderr
    assert len(announcements.images) == 3


@pytest.mark.parametrize("some", [slice(0, 100), slice(100, None)])  # an association proposes 128 at most
def test_all_storage_classes_are_taken(port: int, some: slice) -> None:
    sender = AE("MODALITY")
    sender.requested_contexts = AllStoragePresentationContexts[some]

    association = sender.associate("127.0.0.1", port)
    n_rejected = len(association.rejected_contexts)
    association.release()

    assert association.is_released
    assert n_rejected == 0


def pdu(kind: int, content: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BBL", kind, 0, len(content) if length is None else length) + content


def request_for_echo() -> bytes:
    """A-ASSOCIATE-RQ (PS3.8, 9.3.2)."""

    def item(kind: int, content: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(content)) + content

    context = bytes((1, 0, 0, 0)) + item(0x30, Verification.encode()) + item(0x40, b"1.2.840.10008.1.2")
    user = item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3.4")
    items = item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x20, context) + item(0x50, user)
    return pdu(1, struct.pack(">HH", 1, 0) + b"OSTEON".ljust(16) + b"SENDER".ljust(16) + bytes(32) + items)


def command(field: int) -> bytes:
    """A command of two elements in one fragment."""
    elements = struct.pack("<HHLH", 0, 0x0100, 2, field) + struct.pack("<HHLH", 0, 0x0800, 2, 0x0101)
    return pdu(4, struct.pack(">LBB", len(elements) + 2, 1, 3) + elements)


@pytest.mark.parametrize(
    "sent",
    [
        [b"\1\0"],
        [pdu(1, b"half of a request", 500)],
        [request_for_echo(), pdu(4, b"half of a fragment", 500)],
        [request_for_echo(), pdu(4, b"", 2**32 - 1)],
        [request_for_echo(), command(0x1234)],
        [request_for_echo(), pdu(4, struct.pack(">L", 1) + b"\1")],
        [request_for_echo(), *[pdu(4, struct.pack(">LBB", 30_002, 1, 1) + bytes(30_000))] * 4],
    ],
    ids=[
        "half a header",
        "half a request",
        "half a fragment",
        "4 GiB",
        "no command",
        "no fragment",
        "no end of a command",
    ],
)
def test_a_peer_that_breaks_the_protocol_is_cut_off_and_the_next_one_is_served(
    settings: IngestSettings,
    threshold: Threshold,
    stop: threading.Event,
    new_object: Make,
    until: Callable[..., None],
    sent: list[bytes],
) -> None:
    def is_served(port: int) -> bool:
        """Whether an image is taken; a door so impatient may cut off a sender on a busy machine, too."""
        association = associate(port)
        status = association.send_c_store(new_object()).get("Status") if association.is_established else None
        association.release()
        return status == 0x0000

    impatient = settings.model_copy(update={"dimse_network_timeout_s": 0.5, "dimse_acse_timeout_s": 0.5})
    for port in serving(impatient, threshold, stop):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
            peer.sendall(sent[0])
            if len(sent) > 1:
                assert peer.recv(1) == b"\2"  # accepted
                with contextlib.suppress(ConnectionError):
                    for one in sent[1:]:
                        peer.sendall(one)
            with contextlib.suppress(ConnectionError):
                while peer.recv(4096):
                    """Until the door closes."""

        until(partial(is_served, port))


def test_a_command_of_another_kind_on_a_context_of_storage_is_not_understood(
    port: int, until: Callable[..., None]
) -> None:
    association = associate(port)
    statuses: list[int] = []
    association.bind(evt.EVT_DIMSE_RECV, lambda event: statuses.append(event.message.command_set.Status))
    create = N_CREATE()
    create.MessageID, create.AffectedSOPClassUID, create.AffectedSOPInstanceUID = 1, DX, "1.2.3"
    create.AttributeList = io.BytesIO(b"\x08\x00\x52\x00\x06\x00\x00\x00STUDY ")

    association.dimse.send_msg(create, 1)

    until(lambda: statuses == [0xC000])
    association.abort()

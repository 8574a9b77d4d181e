"""Storage commitment, asked for by pynetdicom: on the same association, and at an address of the requester's own."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import UID, generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    DigitalXRayImageStorageForPresentation,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from osteon.contracts import DOOR_STOW, ObjectRef
from osteon.errors import Fatal
from osteon.runtime import read_settings
from osteon_ingest import commit_storage
from osteon_ingest.doors import listen
from osteon_ingest.receive import Threshold, receive
from osteon_ingest.receive_dimse import serve_dimse
from osteon_ingest.report_commitments import Reporter
from osteon_ingest.seal import seal
from osteon_ingest.settings import IngestSettings

Make = Callable[..., Dataset]
Write = Callable[[Dataset], bytes]
Until = Callable[..., None]
DX = DigitalXRayImageStorageForPresentation
CR = "1.2.840.10008.5.1.4.1.1.1"


@dataclass
class Told:
    """What a requester was told by N-EVENT-REPORT."""

    events: list[tuple[int, Dataset]] = field(default_factory=list)

    def take(self, event: evt.Event) -> tuple[int, None]:
        assert event.event_type is not None
        self.events.append((event.event_type, event.event_information))
        return 0x0000, None


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def requester(told: Told) -> Iterator[int]:
    """A port at which the AE title REQUESTER takes results."""
    entity = AE("REQUESTER")
    entity.require_called_aet = True
    entity.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, told.take)])
    assert server is not None
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture
def door(settings: IngestSettings, threshold: Threshold) -> Iterator[Callable[..., int]]:
    """Opens the C-STORE door with these settings."""
    stop, servers = threading.Event(), []

    def open_door(**changed: object) -> int:
        listening = listen("127.0.0.1", 0, "OSTEON_DIMSE_PORT")
        chosen = settings.model_copy(update={"commit_wait_s": 0.2, **changed})
        server = threading.Thread(target=serve_dimse, args=(chosen, threshold, listening, stop))
        server.start()
        servers.append(server)
        return int(listening.getsockname()[1])

    yield open_door
    stop.set()
    for server in servers:
        server.join(30)
        assert not server.is_alive()


def associate(port: int, told: Told) -> Association:
    sender = AE("REQUESTER")
    sender.add_requested_context(DX)
    sender.add_requested_context(StorageCommitmentPushModel)
    return sender.associate("127.0.0.1", port, evt_handlers=[(evt.EVT_N_EVENT_REPORT, told.take)])


def request(*images: Dataset, transaction_uid: str = "") -> Dataset:
    asked = Dataset()
    asked.TransactionUID = UID(transaction_uid) if transaction_uid else generate_uid()
    asked.ReferencedSOPSequence = [reference(one) for one in images]
    return asked


def reference(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = image.SOPClassUID
    item.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return item


def ask(association: Association, asked: Dataset, action: int = 1) -> Dataset:
    status, _ = association.send_n_action(asked, action, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
    return status


def test_what_was_received_is_committed_on_the_same_association(
    door: Callable[..., int], told: Told, new_object: Make, until: Until
) -> None:
    association = associate(door(), told)
    images = [new_object(), new_object()]
    for image in images:
        association.send_c_store(image)

    status = ask(association, asked := request(*images))
    until(lambda: told.events)
    association.release()

    (event_type, result), *others = told.events
    assert status.Status == 0x0000
    assert not others
    assert event_type == 1
    assert result.TransactionUID == asked.TransactionUID
    assert [one.ReferencedSOPInstanceUID for one in result.ReferencedSOPSequence] == [
        image.SOPInstanceUID for image in images
    ]
    assert "FailedSOPSequence" not in result


def test_what_is_not_safe_fails_with_the_standards_reason(
    door: Callable[..., int], told: Told, threshold: Threshold, new_object: Make, as_file: Write, announcements: Any,
    until: Until,
) -> None:  # fmt: skip
    association = associate(door(), told)
    safe, unknown, of_another_class, lost = (new_object() for _ in range(4))
    for image in (safe, of_another_class, lost):
        receive(threshold, DOOR_STOW, as_file(image))
    of_another_class.SOPClassUID = CR
    no_image = Dataset()
    no_image.SOPClassUID, no_image.SOPInstanceUID = "1.2.840.10008.5.1.4.31", generate_uid()
    gone = announcements.images[2].object
    threshold.store.delete(ObjectRef(bucket=gone.bucket, key=gone.key))

    ask(association, request(safe, unknown, of_another_class, lost, no_image))
    until(lambda: told.events)
    association.release()

    event_type, result = told.events[0]
    assert event_type == 2
    assert [one.ReferencedSOPInstanceUID for one in result.ReferencedSOPSequence] == [safe.SOPInstanceUID]
    assert {one.ReferencedSOPInstanceUID: one.FailureReason for one in result.FailedSOPSequence} == {
        unknown.SOPInstanceUID: 0x0112,
        of_another_class.SOPInstanceUID: 0x0119,
        lost.SOPInstanceUID: 0x0112,
        no_image.SOPInstanceUID: 0x0122,
    }


def test_an_image_that_was_refused_for_now_is_not_committed(
    door: Callable[..., int], told: Told, announcements: Any, new_object: Make, until: Until
) -> None:
    association = associate(door(), told)
    announcements.is_away = True

    refused = association.send_c_store(image := new_object())
    ask(association, request(image))
    until(lambda: told.events)
    association.release()

    assert refused.Status == 0xA700
    assert told.events[0][1].FailedSOPSequence[0].FailureReason == 0x0112


def test_images_may_be_sent_on_while_a_result_waits(
    door: Callable[..., int], told: Told, new_object: Make, until: Until
) -> None:
    association = associate(door(), told)
    association.send_c_store(image := new_object())

    ask(association, request(image))
    statuses = [association.send_c_store(new_object()).Status for _ in range(5)]
    until(lambda: told.events)
    association.release()

    assert statuses == [0x0000] * 5
    assert association.is_released


def test_a_second_request_is_refused_for_now_while_the_first_has_no_result(
    door: Callable[..., int], told: Told, new_object: Make, until: Until
) -> None:
    association = associate(door(commit_wait_s=2.0), told)
    association.send_c_store(image := new_object())

    first, second = ask(association, asked := request(image)), ask(association, request(image))
    until(lambda: told.events)
    association.release()

    assert first.Status == 0x0000
    assert second.Status == 0x0213  # resource limitation
    assert [result.TransactionUID for _, result in told.events] == [asked.TransactionUID]


def test_a_requester_that_leaves_before_its_result_harms_nobody_and_the_log_says_what_to_set(
    door: Callable[..., int], told: Told, new_object: Make, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    port = door(commit_wait_s=60.0)
    association = associate(port, told)
    association.send_c_store(image := new_object())

    ask(association, request(image))
    association.release()
    until(lambda: any("OSTEON_COMMIT_ADDRESSES" in message for message in caplog.messages))

    assert not told.events
    other = associate(port, told)
    assert other.send_c_store(new_object()).Status == 0x0000
    other.release()


@pytest.mark.parametrize(
    ("action", "change", "status"),
    [
        (2, {}, 0x0123),
        (1, {"TransactionUID": ""}, 0x0115),
        (1, {"ReferencedSOPSequence": []}, 0x0115),
        (1, {"ReferencedSOPSequence": [Dataset()]}, 0x0115),
    ],
)
def test_what_is_no_such_request_is_refused(
    door: Callable[..., int], told: Told, new_object: Make, action: int, change: dict[str, object], status: int
) -> None:
    association = associate(door(), told)
    asked = request(new_object())
    for keyword, value in change.items():
        setattr(asked, keyword, value)

    answer = ask(association, asked, action)
    association.release()

    assert answer.Status == status
    assert not told.events


def test_a_requester_with_an_address_is_told_there_also_after_a_restart(
    door: Callable[..., int], settings: IngestSettings, threshold: Threshold, told: Told, requester: int,
    new_object: Make,
) -> None:  # fmt: skip
    here = {"commit_addresses": {"REQUESTER": ("127.0.0.1", requester)}}
    association = associate(door(**here), Told())
    association.send_c_store(image := new_object())
    ask(association, request(image))
    association.release()

    Reporter(
        settings.model_copy(update=here), threshold
    ).look()  # another process; nothing is carried over but the store
    Reporter(settings.model_copy(update=here), threshold).look()

    (event_type, result), *others = told.events
    assert event_type == 1
    assert result.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert not others


def test_a_requester_that_is_away_is_told_when_it_is_back(
    door: Callable[..., int], settings: IngestSettings, threshold: Threshold, told: Told, requester: int,
    unused_port: int, new_object: Make,
) -> None:  # fmt: skip
    away = settings.model_copy(update={"commit_addresses": {"REQUESTER": ("127.0.0.1", unused_port)}})
    back = settings.model_copy(update={"commit_addresses": {"REQUESTER": ("127.0.0.1", requester)}})
    association = associate(door(commit_addresses=away.commit_addresses), Told())
    association.send_c_store(image := new_object())
    ask(association, request(image))
    association.release()

    Reporter(away, threshold).look()
    Reporter(back, threshold).look()

    assert [event_type for event_type, _ in told.events] == [1]


def test_a_transaction_uid_that_is_in_use_is_refused(
    door: Callable[..., int], settings: IngestSettings, threshold: Threshold, told: Told, requester: int,
    new_object: Make,
) -> None:  # fmt: skip
    here = {"commit_addresses": {"REQUESTER": ("127.0.0.1", requester)}}
    association = associate(door(**here), Told())
    images = [new_object(), new_object()]
    for image in images:
        association.send_c_store(image)
        ask(association, request(image, transaction_uid="1.2.3"))
    association.release()

    Reporter(settings.model_copy(update=here), threshold).look()

    (_, first), (_, second) = told.events
    assert "FailedSOPSequence" not in first
    assert second.FailedSOPSequence[0].FailureReason == 0x0131


def test_a_request_that_another_version_kept_holds_up_no_other(
    door: Callable[..., int], settings: IngestSettings, threshold: Threshold, told: Told, requester: int,
    new_object: Make,
) -> None:  # fmt: skip
    here = {"commit_addresses": {"REQUESTER": ("127.0.0.1", requester)}}
    association = associate(door(**here), Told())
    ask(association, request(new_object()))
    association.release()
    key = "asked/0/0/0"  # before all others
    threshold.store.put_named("receipts", key, seal(threshold.keys.inbox, b'{"other": 1}', key), "")

    Reporter(settings.model_copy(update=here), threshold).look()

    assert len(told.events) == 1
    assert not list(threshold.store.list("receipts", "asked/"))


def test_what_an_instance_that_is_no_more_has_kept_is_answered_by_another_one(
    door: Callable[..., int], settings: IngestSettings, threshold: Threshold, told: Told, requester: int,
    new_object: Make, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    here = {"commit_addresses": {"REQUESTER": ("127.0.0.1", requester)}}
    association = associate(door(ordinal=3, **here), Told())
    association.send_c_store(image := new_object())
    ask(association, request(image))
    association.release()
    first = Reporter(settings.model_copy(update=here), threshold)

    first.look()
    assert not told.events  # it may still run
    monkeypatch.setattr(commit_storage, "ADOPTED_AFTER_S", -1.0)
    first.look()

    assert [event_type for event_type, _ in told.events] == [1]
    assert not list(threshold.store.list("receipts", "asked/"))


@pytest.mark.parametrize("text", ["MODALITY", "MODALITY=", "MODALITY=host", "=host:104", "MODALITY=host:0"])
def test_an_address_that_is_none_is_refused_by_the_name_of_its_setting(text: str) -> None:
    with pytest.raises(Fatal, match="OSTEON_COMMIT_ADDRESSES"):
        read_settings(IngestSettings, {"OSTEON_COMMIT_ADDRESSES": text}, site_key="1" * 64)


def test_addresses_are_read_from_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEON_COMMIT_ADDRESSES", "CT 1=10.0.0.7:11112, PACS=[2001:db8::1]:104")

    assert read_settings(IngestSettings, site_key="1" * 64).commit_addresses == {
        "CT 1": ("10.0.0.7", 11112),
        "PACS": ("2001:db8::1", 104),
    }

"""Accept: one outcome for each image, whatever comes again, and no identifier behind the door."""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from pydicom import Dataset

from osteon.bus import Outgoing, State
from osteon.contracts import ImageDeidentified, ImageSetAside
from osteon.contracts.topics import (
    IMAGE_DEIDENTIFIED,
    IMAGE_KNOWN,
)
from osteon.errors import Poison, SetAside
from osteon.imaging.derived import derived_dicom
from osteon.imaging.dicom import decode, read_dataset, read_image
from osteon.store import MemoryStore
from osteon_ingest.accept import work
from osteon_ingest.examine import examine
from osteon_ingest.identity import Keys, image_id
from osteon_ingest.vault import entry_key, take_out

from .accepting import KEYS, Site

CASES = Path(__file__).parents[4] / "shared" / "data" / "dicom"
Make = Callable[..., Dataset]
Write = Callable[[Dataset], bytes]


@pytest.fixture
def site() -> Site:
    return Site(MemoryStore(), State(IMAGE_KNOWN), [])


def test_a_new_image_is_deidentified_stored_and_locked_away(site: Site, new_radiograph: Make, as_file: Write) -> None:
    original = new_radiograph()

    (outcome,) = site.receive(as_file(original), original.SOPInstanceUID)

    assert isinstance(outcome, ImageDeidentified)
    copy = read_dataset(site.store.get(outcome.object))
    assert copy.PatientID == outcome.patient != ""
    assert copy.BurnedInAnnotation == "NO"
    assert np.array_equal(decode(copy), decode(original))
    seen = outcome.acquisition
    assert (seen.modality, seen.body_part, seen.rows, seen.row_spacing_mm) == ("DX", "FEMUR", 64, 0.5)
    (listed,) = site.store.list("vault")
    assert listed.key == entry_key(outcome.image_id, outcome.object)


def test_the_way_home_is_in_the_vault(site: Site, new_radiograph: Make, as_file: Write) -> None:
    original = new_radiograph(AccessionNumber="A-77")

    (outcome, *_) = site.receive(as_file(original), original.SOPInstanceUID)

    entry = take_out(site.store, KEYS, outcome.image_id, outcome.object)
    assert (entry.patient_id, entry.accession_number) == ("ZZ-1729", "A-77")
    assert entry.sop_instance_uid == original.SOPInstanceUID


def test_the_same_image_again_adds_no_record_in_whatever_container(
    site: Site, new_radiograph: Make, as_file: Write
) -> None:
    original = new_radiograph()
    site.receive(as_file(original), original.SOPInstanceUID)
    original.ImageComments = "sent again by the archive"

    assert site.receive(as_file(original), original.SOPInstanceUID) == []


@pytest.mark.parametrize("change", ["pixels", "patient"])
def test_another_image_under_a_known_uid_is_one_conflict(
    site: Site, new_radiograph: Make, as_file: Write, change: str
) -> None:
    first = new_radiograph()
    other = new_radiograph(**({"level": 1500} if change == "pixels" else {"PatientID": "ZZ-1730"}))
    other.SOPInstanceUID = first.SOPInstanceUID
    site.receive(as_file(first), first.SOPInstanceUID)

    (outcome,) = site.receive(as_file(other), first.SOPInstanceUID)
    again = site.receive(as_file(other), first.SOPInstanceUID)
    first_again = site.receive(as_file(first), first.SOPInstanceUID)

    assert isinstance(outcome, ImageSetAside)
    assert outcome.reason == "conflict"
    assert again == first_again == []


def test_a_conflict_leaves_the_first_images_way_home_alone(site: Site, new_radiograph: Make, as_file: Write) -> None:
    first, other = new_radiograph(), new_radiograph(level=1500, PatientID="ZZ-1730")
    other.SOPInstanceUID = first.SOPInstanceUID

    for one in (first, other):
        site.receive(as_file(one), first.SOPInstanceUID)

    assert len(list(site.store.list("vault"))) == 2


def test_the_same_pixels_under_another_uid_are_linked(site: Site, new_radiograph: Make, as_file: Write) -> None:
    first, second = new_radiograph(), new_radiograph()

    site.receive(as_file(first), first.SOPInstanceUID)
    (outcome,) = site.receive(as_file(second), second.SOPInstanceUID)

    assert isinstance(outcome, ImageDeidentified)
    assert outcome.same_pixels_as == image_id(KEYS, first.SOPInstanceUID)


def test_a_broken_file_is_set_aside_once_and_the_whole_one_accepted_later(
    site: Site, new_radiograph: Make, as_file: Write
) -> None:
    original = new_radiograph()
    whole = as_file(original)

    (broken,) = site.receive(whole[:-2000], original.SOPInstanceUID)
    assert site.receive(whole[:-2000], original.SOPInstanceUID) == []
    (accepted,) = site.receive(whole, original.SOPInstanceUID)

    assert broken.reason == "truncated"
    assert isinstance(accepted, ImageDeidentified)
    assert site.receive(whole[:-2000], original.SOPInstanceUID) == []
    assert site.receive(whole, original.SOPInstanceUID) == []


def test_an_image_that_is_set_aside_is_one_by_whatever_door_it_comes(
    site: Site, new_radiograph: Make, as_file: Write
) -> None:
    blank = new_radiograph(PixelData=b"\7\0" * 64 * 64)
    other_blank = new_radiograph(PixelData=b"\7\0" * 64 * 64, PatientID="ZZ-1730", SOPInstanceUID=blank.SOPInstanceUID)
    by_one_door = as_file(blank)
    blank.file_meta.ImplementationVersionName = "ANOTHER_DOOR"  # each door writes the file's header its own way
    by_another = as_file(blank)

    (outcome,) = site.receive(by_one_door, blank.SOPInstanceUID)
    again = site.receive(by_another, blank.SOPInstanceUID)
    (of_another_patient,) = site.receive(as_file(other_blank), blank.SOPInstanceUID)

    assert by_one_door != by_another
    assert outcome.reason == of_another_patient.reason == "blank"
    assert again == []


HEADERS: dict[str, tuple[str, dict[str, object]]] = {
    "no pixels": ("no-pixels", {"PixelData": None}),
    "color": ("color", {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}),
    "multi-frame": ("multi-frame", {"NumberOfFrames": 2}),
    "absurd size": ("too-large", {"Rows": 60000, "Columns": 60000}),
    "wrong length": ("wrong-length", {"PixelData": bytes(100)}),
    "spacing zero": ("no-spacing", {"PixelSpacing": ["0", "0"]}),
    "spacing missing": ("no-spacing", {"PixelSpacing": None}),
    "spacing absurd": ("no-spacing", {"PixelSpacing": ["1e-30", "1e-30"]}),
    "all one value": ("blank", {"PixelData": b"\7\0" * 64 * 64}),
    "two classes": ("unreadable", {"SOPClassUID": ["1.2.3", "1.2.4"]}),
    "our own": ("own-output", {"DeidentificationMethod": "Osteon PS3.15 Basic Profile 2"}),
    "our own, cleaned again": ("own-output", {"DeidentificationMethod": ["Osteon PS3.15 Basic Profile 2", "other"]}),
}


@pytest.mark.parametrize(("reason", "elements"), HEADERS.values(), ids=HEADERS)
def test_a_wrong_header_has_its_own_reason(
    new_radiograph: Make, as_file: Write, elements: dict[str, object], reason: str
) -> None:
    made = new_radiograph(**{keyword: value for keyword, value in elements.items() if value is not None})
    for keyword in [keyword for keyword, value in elements.items() if value is None]:
        delattr(made, keyword)
    made.file_meta.MediaStorageSOPClassUID = made.get("SOPClassUID")

    assert refusal(as_file(made)) == reason


BYTES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "truncated": ("truncated", lambda whole: whole[:-2000]),
    "a letter": ("not-dicom", lambda _: b"Dear colleague, please find enclosed a radiograph of the left thigh."),
    "nothing": ("not-dicom", lambda _: b""),
    "unknown transfer syntax": (
        "unknown-transfer-syntax",
        lambda whole: whole.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.9.9\0", 1),
    ),
}


@pytest.mark.parametrize(("reason", "broken"), BYTES.values(), ids=BYTES)
def test_broken_bytes_have_their_own_reason(
    new_radiograph: Make, as_file: Write, broken: Callable[[bytes], bytes], reason: str
) -> None:
    assert refusal(broken(as_file(new_radiograph()))) == reason


def refusal(content: bytes) -> str:
    """Why an object is set aside, in a text that tells nothing of it."""
    with pytest.raises(SetAside) as raised:
        examine(KEYS, "test", "0" * 32, content)
    assert "Planted" not in str(raised.value)
    assert "ZZ-1729" not in str(raised.value)
    return raised.value.reason


@pytest.mark.slow
@settings_of_hypothesis(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    damage=st.lists(st.tuples(st.integers(132, 1200), st.sampled_from([*b"\0\xff\\AZ", 7])), min_size=1, max_size=4),
    syntax=st.sampled_from(["", "1.2.840.10008.1.2.4.90"]),
)
def test_a_damaged_header_gives_an_image_or_a_reason(
    new_radiograph: Make, as_file: Write, damage: list[tuple[int, int]], syntax: str
) -> None:
    original = new_radiograph(ImageType=["DERIVED", "PRIMARY"], Manufacturer="Maker", ContributingEquipmentSequence=[])
    if syntax:
        original.compress(syntax, generate_instance_uid=False)
    content = bytearray(as_file(original))
    for at, value in damage:
        content[at % len(content)] = value

    with contextlib.suppress(SetAside):  # and no other error
        examine(KEYS, "test", "0" * 32, bytes(content))


def test_what_osteon_derived_is_refused(site: Site, new_radiograph: Make, as_file: Write) -> None:
    original = new_radiograph()
    copy = read_dataset(examine(KEYS, "test", "0" * 32, as_file(original)).content)
    derived = derived_dicom(copy, read_image(copy), role="harmonized", release_set="set")

    with pytest.raises(SetAside) as raised:
        examine(KEYS, "test", "0" * 32, derived)

    assert raised.value.reason == "own-output"


def test_an_image_without_a_patient_is_accepted_and_keyed_by_its_own_id(
    site: Site, new_radiograph: Make, as_file: Write
) -> None:
    original = new_radiograph(PatientID="")

    (outcome,) = site.receive(as_file(original), original.SOPInstanceUID)

    assert outcome.patient == ""
    assert Outgoing(IMAGE_DEIDENTIFIED, outcome).key_bytes.decode() == outcome.image_id


def test_an_inbox_object_under_another_key_is_poison(site: Site, new_radiograph: Make, as_file: Write) -> None:
    original = new_radiograph()
    received = site.received(as_file(original), original.SOPInstanceUID)

    with pytest.raises(Poison):
        work(received, Keys.from_site_key(secrets.token_bytes(32)), site.store)


def _cases() -> Iterator[Path]:
    yield from sorted(path for path in CASES.rglob("*") if path.is_file() and path.suffix != ".csv")


@pytest.mark.slow
@pytest.mark.skipif(not CASES.is_dir(), reason=f"no folder {CASES.name} of edge cases beside the repository")
def test_every_edge_case_has_an_outcome_and_no_pseudo_name_survives(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    for number, path in enumerate(_cases()):
        content = path.read_bytes()
        (outcome,) = site.receive(content, f"1.2.3.{number}")
        try:
            parts = str(read_dataset(content).get("PatientName", "")).replace("^", " ").split()
        except Exception:  # noqa: BLE001 - some names can't be read; they are bytes then
            parts = []
        names = {part for part in parts if len(part) > 5 and part.isalpha()} - {"Patient", "Anonymous", "PATIENT"}
        told = repr(site.records[-2:]) + str(caplog.messages)
        if isinstance(outcome, ImageDeidentified):
            copy = read_dataset(site.store.get(outcome.object))
            del copy.PixelData, copy.DeidentificationMethodCodeSequence  # which speaks of patients
            told += " ".join(str(one.value) for one in copy.iterall())
        assert not any(name.lower() in told.lower() for name in names), path.name

    assert number >= 200


@pytest.mark.parametrize("element", [b"\xe0\x7f\x10\x00OW", b"\x28\x00\x10\x00US", b"\x28\x00\x00\x01US"])
def test_an_image_whose_pixels_are_described_in_another_kind_of_value_is_set_aside(
    new_radiograph: Make, as_file: Write, element: bytes
) -> None:
    wrong = element[:4] + {b"OW": b"OF", b"US": b"SS"}[element[4:]]

    with pytest.raises(SetAside) as refusal:
        examine(KEYS, "test", "0" * 32, as_file(new_radiograph()).replace(element, wrong))

    assert refusal.value.reason == "unreadable"

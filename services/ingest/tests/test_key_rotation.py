"""The site key is changed between two images: what links, what does not, and what still opens."""

import dataclasses
import secrets
from collections.abc import Callable

import numpy as np
import pytest
from pydicom import Dataset

from osteon.bus import MemoryBus
from osteon.bus.dead_letters import Selection, replay
from osteon.contracts import DeadLetter, ImageDeidentified, ImageSetAside
from osteon.contracts.topics import DEAD_LETTER, IMAGE_DEIDENTIFIED, IMAGE_SET_ASIDE, TOPICS
from osteon.errors import Fatal, Poison
from osteon.runtime import read_settings
from osteon.store import MemoryStore
from osteon_ingest.identity import Keys, image_id, new_uid, pseudonym
from osteon_ingest.settings import IngestSettings
from osteon_ingest.vault import take_out

from .running_site import Site, Wait

OLD_SECRET, NEW_SECRET = secrets.token_hex(32), secrets.token_hex(32)
OLD = Keys.from_site_key(OLD_SECRET)
NEW = Keys.from_site_key(NEW_SECRET, epoch="2")
BOTH = dataclasses.replace(NEW, former=(OLD,))
Make = Callable[..., Dataset]
Write = Callable[[Dataset], bytes]


@pytest.fixture
def site(until: Wait) -> Site:
    bus = MemoryBus()
    bus.provision(TOPICS)
    settings = read_settings(IngestSettings, {}, site="test", site_key=OLD_SECRET)
    return Site(bus, MemoryStore(), settings, until)


@pytest.fixture
def new_radiograph(new_object: Make) -> Make:
    """A radiograph of one patient that nothing is wrong with; each has pixels of its own."""

    def make() -> Dataset:
        made = new_object(rows=64, PixelSpacing=["0.5", "0.5"], PatientID="12345", StudyDate="20200101")
        level = secrets.randbelow(20000)
        made.PixelData = np.tile(np.linspace(level, level + 3000, 64).astype(np.uint16), (64, 1)).tobytes()
        return made

    return make


def deidentified(site: Site) -> dict[str, ImageDeidentified]:
    records = [ImageDeidentified.FromString(one.value or b"") for one in site.bus.read([IMAGE_DEIDENTIFIED])]
    return {one.image_id: one for one in records}


def test_a_patients_images_before_and_after_have_different_names(
    site: Site, new_radiograph: Make, as_file: Write
) -> None:
    before, after = new_radiograph(), new_radiograph()

    for keys, one in ((OLD, before), (BOTH, after)):
        with site.running(keys):
            site.send(as_file(one), one.SOPInstanceUID, keys)

    found = deidentified(site)
    assert found[image_id(OLD, before.SOPInstanceUID)].patient == pseudonym(OLD, "test", "12345")
    assert found[image_id(NEW, after.SOPInstanceUID)].patient == pseudonym(NEW, "test", "12345")
    assert len({one.patient for one in found.values()}) == 2
    assert new_uid(OLD, before.StudyInstanceUID) != new_uid(NEW, before.StudyInstanceUID)


def test_an_image_that_comes_again_after_the_change_is_new_and_linked_to_the_first_by_its_pixels(
    site: Site, new_radiograph: Make, as_file: Write
) -> None:
    image = new_radiograph()

    for keys in (OLD, BOTH):
        with site.running(keys):
            site.send(as_file(image), image.SOPInstanceUID, keys)

    found = deidentified(site)
    first, second = image_id(OLD, image.SOPInstanceUID), image_id(NEW, image.SOPInstanceUID)
    assert found.keys() == {first, second}
    assert found[second].same_pixels_as == first


def test_the_vault_opens_for_images_from_before_and_after(site: Site, new_radiograph: Make, as_file: Write) -> None:
    before, after = new_radiograph(), new_radiograph()
    for keys, one in ((OLD, before), (BOTH, after)):
        with site.running(keys):
            site.send(as_file(one), one.SOPInstanceUID, keys)

    entries = [take_out(site.store, BOTH, name, one.object) for name, one in deidentified(site).items()]

    assert {entry.sop_instance_uid for entry in entries} == {before.SOPInstanceUID, after.SOPInstanceUID}
    assert {entry.patient_id for entry in entries} == {"12345"}


def test_without_the_former_key_the_vault_stays_shut(site: Site, new_radiograph: Make, as_file: Write) -> None:
    image = new_radiograph()
    with site.running(OLD):
        site.send(as_file(image), image.SOPInstanceUID, OLD)
    ((name, record),) = deidentified(site).items()

    with pytest.raises(Poison, match="key that is not given"):
        take_out(site.store, NEW, name, record.object)


def test_what_waits_in_the_inbox_is_worked_after_the_change(site: Site, new_radiograph: Make, as_file: Write) -> None:
    image = new_radiograph()

    with site.running(BOTH):
        site.send(as_file(image), image.SOPInstanceUID, OLD)  # a door that was not restarted yet

    assert deidentified(site).keys() == {image_id(OLD, image.SOPInstanceUID)}


def test_where_the_former_key_was_forgotten_nothing_is_lost(site: Site, new_radiograph: Make, as_file: Write) -> None:
    image = new_radiograph()
    with site.running(NEW):
        site.send(as_file(image), image.SOPInstanceUID, OLD)
    (letter,) = [DeadLetter.FromString(one.value or b"") for one in site.bus.read([DEAD_LETTER])]
    assert letter.reason == "seal-broken"

    replay(site.bus, "test", Selection(stage="accept"))
    with site.running(BOTH):
        site.wait(lambda: deidentified(site))

    assert deidentified(site).keys() == {image_id(OLD, image.SOPInstanceUID)}


def test_an_epoch_that_changes_without_its_key_makes_conflicts(
    site: Site, new_radiograph: Make, as_file: Write
) -> None:
    image = new_radiograph()
    renamed = Keys.from_site_key(OLD_SECRET, epoch="2")
    with site.running(OLD):
        site.send(as_file(image), image.SOPInstanceUID, OLD)
    image.StudyDescription = "in another container"

    with site.running(renamed):
        site.send(as_file(image), image.SOPInstanceUID, renamed)

    (aside,) = [ImageSetAside.FromString(one.value or b"") for one in site.bus.read([IMAGE_SET_ASIDE])]
    assert aside.reason == "conflict"  # the same image id, another pseudonym: docs/how-to/keep-the-site-key.md


def test_former_keys_are_read_from_the_settings() -> None:
    known = read_settings(
        IngestSettings, {}, site_key=NEW_SECRET, key_epoch="2", former_site_keys=f"1:{OLD_SECRET}, 0:{'ab12' * 16}0f"
    )

    with pytest.raises(Fatal, match="OSTEON_SITE_KEY"):
        known.keys()
    assert read_settings(
        IngestSettings, {}, site_key=NEW_SECRET, key_epoch="2", former_site_keys=f"1:{OLD_SECRET}"
    ).keys() == dataclasses.replace(NEW, former=(OLD,))


@pytest.mark.parametrize("former", [f"1:{NEW_SECRET}", f"2:{OLD_SECRET}"], ids=["the same key", "the same epoch"])
def test_a_key_and_its_epoch_change_together(former: str) -> None:
    settings = read_settings(IngestSettings, {}, site_key=NEW_SECRET, key_epoch="2", former_site_keys=former)

    with pytest.raises(Fatal, match="together"):
        settings.keys()


@pytest.mark.parametrize("wrong", [OLD_SECRET, "1", f"{OLD_SECRET}:1"])
def test_a_former_key_without_its_epoch_is_refused_and_not_shown(wrong: str) -> None:
    settings = read_settings(IngestSettings, {}, site_key=NEW_SECRET, former_site_keys=wrong)

    with pytest.raises(Fatal) as raised:
        settings.keys()

    assert OLD_SECRET not in str(raised.value)
    assert OLD_SECRET not in repr(settings)

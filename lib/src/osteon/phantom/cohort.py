"""The demo cohort: a folder of DICOM files, sound and broken, with a manifest of what each should come to.

Files of wave 2 mean something only after those of wave 1 have been received: a duplicate needs its first.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from pydicom import Dataset

from osteon.phantom.encoding import encoded
from osteon.phantom.population import View
from osteon.phantom.presets import PlanLabel
from osteon.phantom.render import Rendered
from osteon.phantom.sites import sites
from osteon.phantom.specimen import DEMO_SITES, chest, specimen

__all__ = ["N_SPECIAL", "Expected", "Manifest", "demo_cohort", "plant_identifiers", "read_manifest"]

Door = Literal["dimse", "stow"]
N_SPECIAL = 6  # duplicate, conflict, truncated, no pixels, chest, no spacing
PRIVATE_GROUP = 0x0029
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


@dataclass(frozen=True)
class Expected:
    """One file: where it lies in the folder, through which door it goes, and what it should come to.

    `outcome` is `classified`, `duplicate`, `refused`, or `set-aside:<reason>` with a reason of
    `osteon.contracts.REASONS`. `label` is what the patient was drawn as, or empty. `planted` are strings in
    the file that must appear nowhere behind the door.
    """

    path: str
    door: Door
    site: str
    outcome: str
    label: str = ""
    wave: int = 1
    planted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """All files of a folder, in the order in which they are sent within each wave."""

    seed: int
    files: tuple[Expected, ...] = field(default_factory=tuple)


def demo_cohort(
    folder: Path, *, n_images: int = 24, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> Manifest:
    """Writes `n_images` files and `manifest.json` to a folder: femurs from all sites, and six that go another way.

    The same seed writes the same bytes. `progress` is called with (files written, files in all). Raises ValueError if
    there is no room for the six special files and a femur of each site.
    """
    if n_images < N_SPECIAL + DEMO_SITES:
        raise ValueError(f"a demo cohort has at least {N_SPECIAL + DEMO_SITES} images, not {n_images}")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for expected, content in _files(seed, n_images - N_SPECIAL):
        (folder / expected.path).write_bytes(content)
        written.append(expected)
        if progress is not None:
            progress(len(written), n_images)
    manifest = Manifest(seed, tuple(written))
    (folder / "manifest.json").write_text(json.dumps(asdict(manifest), indent=2) + "\n")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest that `demo_cohort` wrote to a folder."""
    text = json.loads((folder / "manifest.json").read_text())
    files = (Expected(**{**entry, "planted": tuple(entry["planted"])}) for entry in text["files"])
    return Manifest(text["seed"], tuple(files))


def plant_identifiers(dataset: Dataset, number: int) -> tuple[str, ...]:
    """Hides artificial identifiers in free text, a private block and nested sequences; gives back what it hid."""
    name, phone, street, device = (
        f"PLANTEDNAME{number:04d}",
        f"+999 555 {number:04d}",
        f"PLANTEDSTREET {number}",
        f"PLANTEDDEVICE{number:04d}",
    )
    dataset.OperatorsName = f"{name}^OPERATOR"
    dataset.PatientAddress = street
    dataset.PatientTelephoneNumbers = phone
    dataset.ImageComments = f"Called {name} at {phone}"
    dataset.OtherPatientIDsSequence = [_item(PatientID=f"{name}-OTHER", TypeOfPatientID="TEXT")]
    protocol = _item(CodeValue="P1", CodingSchemeDesignator="99PHANTOM", CodeMeaning=f"Femur of {name}")
    dataset.RequestAttributesSequence = [
        _item(
            RequestedProcedureDescription=f"{name} fell at {street}",
            ScheduledProcedureStepID="S1",
            ScheduledProtocolCodeSequence=[protocol],
        )
    ]
    block = dataset.private_block(PRIVATE_GROUP, "PHANTOM PRIVATE", create=True)
    block.add_new(0x01, "LO", f"{name} {device}")
    block.add_new(0x02, "SQ", [_item(PatientName=f"{name}^NESTED", PatientAddress=street)])
    return name, phone, street, device


def _files(seed: int, n_femurs: int) -> Iterator[tuple[Expected, bytes]]:
    """Each file with its entry. The doors take turns, except where only one of them can carry the file."""
    first: tuple[Expected, bytes] | None = None
    for number in range(n_femurs):
        label = _label(number)
        made = _femur(seed, number, number % DEMO_SITES, label)
        dataset = made.dataset
        planted = _identifiers(dataset) + (plant_identifiers(dataset, number) if number % 3 == 0 else ())
        path, door = f"femur-{number:04d}-{made.site.name}.dcm", _door(number)
        entry = Expected(path, door, made.site.name, "classified", label, planted=planted)
        content = encoded(dataset, made.transfer_syntax)
        first = first or (entry, content)
        yield entry, content
    assert first is not None
    yield from _special_files(seed, n_femurs, *first)


def _special_files(seed: int, number: int, first: Expected, first_content: bytes) -> Iterator[tuple[Expected, bytes]]:
    other_door: Door = "stow" if first.door == "dimse" else "dimse"
    yield Expected("duplicate.dcm", other_door, first.site, "duplicate", wave=2, planted=first.planted), first_content

    conflict = _femur(seed, 0, 0, "typical_fracture")  # same UID, other fracture
    yield _special("conflict", "dimse", conflict.site.name, conflict.dataset, conflict.transfer_syntax, wave=2)

    # A C-STORE of half a file can't be begun by a correct sender, so that this one goes over the web.
    cut = _femur(seed, number, 5, "typical_fracture")
    entry, content = _special("truncated", "stow", cut.site.name, cut.dataset, cut.transfer_syntax)
    yield entry, content[: len(content) * 3 // 5]

    empty = specimen(number + 1, 1, seed=seed)
    dataset = empty.dataset
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"):
        delattr(dataset, keyword)
    yield _special("no-pixels", "dimse", empty.site.name, dataset, EXPLICIT_LITTLE_ENDIAN)

    film = chest(number + 2, 2, seed=seed, pitch_mm=0)
    yield _special(
        "chest", "stow", sites()[2].name, film, sites()[2].scanner().geometry.transfer_syntax, "out-of-scope"
    )

    unmeasured = _femur(seed, number + 3, 3, "AFF_complete")
    dataset = unmeasured.dataset
    del dataset.ImagerPixelSpacing
    yield _special("no-spacing", "dimse", unmeasured.site.name, dataset, unmeasured.transfer_syntax)


def _femur(seed: int, patient: int, site: int, label: PlanLabel) -> Rendered:
    """As large as its detector makes it, from the front or, every other round of the sites, from the side."""
    view: View = "lateral" if patient // DEMO_SITES % 2 else "AP"
    return specimen(patient, site, label=label, view=view, seed=seed, pitch_mm=0)


def _special(
    name: str, door: Door, site: str, dataset: Dataset, transfer_syntax: str, reason: str = "", *, wave: int = 1
) -> tuple[Expected, bytes]:
    """A file that is set aside, for the reason that it is named by or another one."""
    planted = _identifiers(dataset)
    entry = Expected(f"{name}.dcm", door, site, f"set-aside:{reason or name}", wave=wave, planted=planted)
    return entry, encoded(dataset, transfer_syntax)


def _identifiers(dataset: Dataset) -> tuple[str, ...]:
    """What every header of the phantom says about its patient, as it stands in the file."""
    keywords = (
        "PatientName", "PatientID", "AccessionNumber", "ReferringPhysicianName", "InstitutionName",
        "DeviceSerialNumber", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID",
    )  # fmt: skip
    return tuple(str(dataset[keyword].value) for keyword in keywords)


def _label(number: int) -> PlanLabel:
    """Atypical or typical in turns that differ from site to site; a third of the atypical ones is incomplete."""
    if (number + number // DEMO_SITES) % 2:
        return "typical_fracture"
    return "AFF_incomplete" if number % 3 == 2 else "AFF_complete"


def _door(number: int) -> Door:
    return "dimse" if number % 2 == 0 else "stow"


def _item(**elements: object) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item

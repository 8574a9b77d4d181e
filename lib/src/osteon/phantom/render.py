"""One row of a plan → its image: the patient drawn, projected, exposed and developed at the site, with its truth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from pydicom import Dataset

from osteon.phantom.patient import Patient, draw_patient
from osteon.phantom.plan import PlannedSite, Row
from osteon.phantom.projection import Projection, draw_pose, project
from osteon.phantom.radiograph import deterministic_uid
from osteon.phantom.seeds import generator
from osteon.phantom.shaft.radiograph import FINEST_RENDERED_MM, Case, _header, _with_pixels
from osteon.phantom.shaft.scanner import SITES, Site, develop
from osteon.phantom.shaft.xray import expose

__all__ = ["CROP_MM", "CROP_PIXELS", "SIZES", "Rendered", "Size", "all_sites", "patient_of", "planned_sites", "render"]

Size = Literal["native", "crop"]
SIZES: tuple[Size, ...] = ("native", "crop")
CROP_PIXELS = 512
CROP_MM = 0.4  # spacing of a crop, which so shows 205 mm of the shaft: the whole way a fracture line can take


@dataclass(frozen=True)
class Rendered:
    """An image as its site stores it: `dataset` holds uncompressed pixels, to be encoded in `transfer_syntax`.

    The masks of `projection.truth` lie on the grid of the rendered geometry, over the same field as the image before
    the site turned or cropped it.
    """

    row: Row
    dataset: Dataset
    transfer_syntax: str
    patient: Patient
    projection: Projection


def all_sites(n_sites: int = 0) -> tuple[Site, ...]:
    """The first `n_sites` of the digital sites; 0 for all. Raises ValueError if there are fewer."""
    if not 0 <= n_sites <= len(SITES):
        raise ValueError(f"there are 1 to {len(SITES)} sites, not {n_sites}")
    return SITES[: n_sites or None]


def planned_sites(sites: Sequence[Site]) -> tuple[PlannedSite, ...]:
    """What a plan needs to know of sites."""
    return tuple(PlannedSite(site.name, site.manufacturer, 1 / (place + 3)) for place, site in enumerate(sites))


@lru_cache(maxsize=4)
def patient_of(seed: int, purpose: str, number: int, label: str, side: str) -> Patient:
    """The patient of a row; the last few are kept, since their images follow each other."""
    return replace(draw_patient(seed, purpose, number, label), side=side)  # type: ignore[arg-type]


def render(row: Row, size: Size) -> Rendered:
    """The image of a row, the same on any machine, in any order."""
    site = next(one for one in SITES if one.name == row.site)
    if size == "crop":
        site = replace(site, pitch_mm=CROP_MM, field_mm=(CROP_PIXELS * CROP_MM, CROP_PIXELS * CROP_MM))
    patient = patient_of(row.seed, row.purpose, row.patient, row.label, row.side)
    pose = draw_pose(generator(row.seed, row.purpose, row.patient, row.pose), row.view)
    projection = project(patient, row.view, pose, site.field_mm, max(FINEST_RENDERED_MM, site.pitch_mm))
    noise, processing = (generator(row.seed, row.purpose, row.patient, row.image, n) for n in (0, 1))
    stored = develop(
        expose(projection.thickness, site.beam, site.detector, site.shape, noise), site, row.side, processing
    )
    case = Case(row.seed, row.purpose, row.patient, "atypical", row.image)
    dataset = _with_pixels(_header(case, site, site.body_part, row.side), stored, site, site.pitch_mm)
    _say_who_and_when(dataset, row, site)
    return Rendered(row, dataset, site.transfer_syntax, patient, projection)


def _say_who_and_when(dataset: Dataset, row: Row, site: Site) -> None:
    dataset.PatientID = row.patient_id
    dataset.PatientName = f"PHANTOM^{row.patient_id}"
    dataset.ViewPosition = "AP" if row.view == "AP" else "LL"
    dataset.StudyInstanceUID = deterministic_uid("study", row.patient_id, row.study, site.name)
    dataset.AccessionNumber = f"PHACC{row.patient:06d}{row.study}"
    day = f"{row.date:%Y%m%d}"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = day
    dataset.InstanceNumber = row.image + 1

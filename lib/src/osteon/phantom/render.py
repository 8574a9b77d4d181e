"""One row of a plan → its image: the patient drawn, projected and exposed at the site, with what is true of it."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from osteon.errors import Fatal
from osteon.phantom.exposure import Stored, expose, field_of, reference_image
from osteon.phantom.patient import Patient, Side, draw_patient
from osteon.phantom.plan import PlannedSite, Row
from osteon.phantom.presets import PlanLabel
from osteon.phantom.projection import Projection, Truth, draw_pose, project
from osteon.phantom.radiograph import Exam, radiograph
from osteon.phantom.scanner import Knobs, turned
from osteon.phantom.seeds import generator
from osteon.phantom.sites import Site, sites

__all__ = ["SIZES", "Rendered", "Size", "first_sites", "patient_of", "planned_sites", "render"]

Size = Literal["native", "crop"]
SIZES: tuple[Size, ...] = ("native", "crop")
# The stream of random numbers of an exposure; an image's own, without a further number, is its pose.
EXPOSURE = 0


@dataclass(frozen=True)
class Rendered:
    """An image as its site stores it. `truth` and `reference` lie as its pixels do, on the grid of the thickness maps;
    those of `projection` as before a crosswise detector turned it."""

    row: Row
    patient: Patient
    projection: Projection
    stored: Stored
    site: Site

    @property
    def dataset(self) -> Dataset:
        """The DICOM object, its pixels uncompressed; made anew at each call."""
        person, row = self.patient.person, self.row
        born = row.date - datetime.timedelta(days=row.day + round(365.25 * person.age))
        exam = Exam(row.patient_id, row.date, row.view, row.side, row.image, row.study, person.sex, born)
        return radiograph(self.stored, self.site, row.room, exam)

    @property
    def transfer_syntax(self) -> str:
        """In which the site writes it."""
        return self.stored.scanner.geometry.transfer_syntax

    @property
    def truth(self) -> Truth:
        """What is true of the image: masks and axis over the field of the stored pixels."""
        truth = self.projection.truth
        return _crosswise(truth, self.projection.thickness.spacing_mm) if self._is_crosswise else truth

    @property
    def reference(self) -> npt.NDArray[np.float32]:
        """The image without noise at the reference site, on the grid of the masks."""
        image = reference_image(self.projection.thickness)
        return np.rot90(image) if self._is_crosswise else image

    @property
    def _is_crosswise(self) -> bool:
        return self.stored.scanner.geometry.is_crosswise


def _crosswise(truth: Truth, spacing_mm: float) -> Truth:
    """Turned as a crosswise detector turns the pixels: what was on the right is on top."""
    width_mm = truth.femur.shape[1] * spacing_mm
    proximal, distal = ((width_mm - x, y) for y, x in truth.axis_mm)
    femur, cortex, fracture = (np.rot90(mask) for mask in (truth.femur, truth.cortex, truth.fracture))
    return replace(truth, femur=femur, cortex=cortex, fracture=fracture, axis_mm=(proximal, distal))


def first_sites(n_sites: int = 0) -> tuple[Site, ...]:
    """The first `n_sites` of the digital sites; 0 for all. Raises Fatal if there are fewer."""
    found = sites()
    if not 0 <= n_sites <= len(found):
        raise Fatal(f"there are {len(found)} sites: name 1 to {len(found)} of them, not {n_sites}")
    return found[: n_sites or None]


def planned_sites(chosen: Sequence[Site]) -> tuple[PlannedSite, ...]:
    """What a plan needs to know of sites."""
    return tuple(PlannedSite(site.name, site.manufacturer, site.share, len(site.rooms)) for site in chosen)


@cache
def _sites_by_name() -> dict[str, Site]:
    return {site.name: site for site in sites()}


@lru_cache(maxsize=4)
def patient_of(seed: int, purpose: str, number: int, label: PlanLabel, side: Side) -> Patient:
    """The patient of a row; the last few are kept, since their images follow each other."""
    return draw_patient(seed, purpose, number, label, side)


def render(row: Row, size: Size, knobs: Knobs | None = None, *, pitch_mm: float = 0.0) -> Rendered:
    """The image of a row, the same alone or among others. `knobs` turn the site's axes, each from 0
    (as at the reference) by way of 1 (its own) to 2. A native image can have pixels of `pitch_mm`, coarser than its
    detector's own: quicker, for where detail does not matter."""
    site = _sites_by_name()[row.site]
    is_crop = size == "crop"
    patient = patient_of(row.seed, row.purpose, row.patient, row.label, row.side)
    pose = draw_pose(generator(row.seed, row.purpose, row.patient, row.pose), row.view)
    scanner = turned(site.scanner(row.room, row.date, row.view), knobs or {})
    field_mm, spacing_mm = field_of(scanner, is_crop=is_crop, pitch_mm=pitch_mm)
    projection = project(patient, row.view, pose, field_mm, spacing_mm)
    stored = expose(
        projection.thickness,
        site,
        row.room,
        generator(row.seed, row.purpose, row.patient, row.image, EXPOSURE),
        on=row.date,
        view=row.view,
        letter=row.side,
        is_crop=is_crop,
        pitch_mm=pitch_mm,
        knobs=knobs,
    )
    return Rendered(row, patient, projection, stored, site)

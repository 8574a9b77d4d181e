"""Who is imaged where, when and how: the rows of a digital cohort, known without making an image.

Row 317 follows from the seed and its block of patients alone (a block is some dozens): it is the same asked for alone,
in any order, in a smaller or larger cohort, and on any number of processes.
"""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from osteon.errors import Fatal
from osteon.phantom.presets import EQUIPMENT, Equipment, PlanLabel, Preset
from osteon.phantom.seeds import LARGEST, generator

__all__ = ["Plan", "PlannedSite", "Row", "equipment_score"]

# A block's own random numbers: beyond any patient's number, so that the two never meet.
FIRST_BLOCK = 2**31
# Log odds of an atypical fracture between neutral equipment and either end of the scale, where the two are confounded.
# 1.2 makes 20 % into 7 % and 45 %; a choice.
CONFOUNDING = 1.2
TESTED_BLOCK = 4  # every fourth block tests, where training and testing differ
SECOND_STUDY_SHARE = 0.25  # patients with films on two days, as after transport or traction; a choice
AP_SHARE = 0.6  # of the images beyond the first two, which are one of each view; a choice

View = Literal["AP", "lateral"]
Side = Literal["R", "L"]


@dataclass(frozen=True)
class PlannedSite:
    """A site, with its share of the patients (any unit), and its rooms."""

    name: str
    manufacturer: str
    share: float = 1.0
    n_rooms: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One image to be made.

    `number` counts the images of the plan from 0, `patient` the patients of the purpose, `image` the images of the
    patient. `pose` is the number of the drawn pose: two images of one pose show the patient in the same position.
    `day` counts from the patient's index date; `date` is that of the exposure. The site is
    one of the plan's, by name.
    """

    number: int
    seed: int
    purpose: str
    patient: int
    image: int
    pose: int
    label: PlanLabel
    view: View
    side: Side
    site: str
    room: int
    study: int
    date: datetime.date
    day: int = 0

    @property
    def patient_id(self) -> str:
        """The patient's name in tables and headers, unlike that of any patient of another seed or purpose."""
        return f"{self.purpose}-{self.seed}-{self.patient:06d}"

    @property
    def case_id(self) -> str:
        """The image's name in tables and files."""
        return f"{self.patient_id}-{self.image:03d}"


def equipment_score(sites: Sequence[PlannedSite]) -> npt.NDArray[np.float64]:
    """A number from -1 to 1 for each site by its manufacturer: what prevalence goes with, where the two are bound."""
    makers = sorted({site.manufacturer for site in sites})
    place = {maker: 2 * n / (len(makers) - 1) - 1 if len(makers) > 1 else 0.0 for n, maker in enumerate(makers)}
    return np.array([place[site.manufacturer] for site in sites])


@dataclass(frozen=True, eq=False)
class Plan(Sequence[Row]):
    """The rows of a cohort: `len(plan)`, `plan[317]`, `for row in plan`; no image is made, and no table kept.

    `n_patients` of 0 stands for as many as the preset has. With `equipment` "reversed" every fourth block of patients
    has the preset's `test_purpose`, and there prevalence goes with equipment the other way round. Raises Fatal for
    what can't be.
    """

    preset: Preset
    sites: tuple[PlannedSite, ...]
    seed: int = 0
    n_patients: int = 0
    equipment: Equipment = "independent"

    def __post_init__(self) -> None:
        if self.equipment not in EQUIPMENT:
            raise Fatal(f"equipment is {', '.join(EQUIPMENT)}, not {self.equipment!r}")
        if not self.sites or self.n_patients < 0:
            raise Fatal("a cohort has at least one site and one patient")
        if not 0 <= self.seed <= LARGEST:
            raise Fatal(f"a seed is a number from 0 to {LARGEST}, not {self.seed}")
        if not self.n_patients:
            object.__setattr__(self, "n_patients", self.preset.n_patients)

    def __len__(self) -> int:
        whole, rest = divmod(self.n_patients, self.preset.block)
        n_images = self._images_before(whole * self.preset.block)
        return n_images + (len(_block(self, whole)) if rest else 0)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, index: int | slice) -> Row | tuple[Row, ...]:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(*index.indices(len(self))))
        if index < 0:
            index += len(self)
        number = self._block_of(index)
        if index < 0 or number * self.preset.block >= self.n_patients:
            raise IndexError(f"row {index} of {len(self)}")
        rows = _block(self, number)
        return rows[index - self._images_before(number * self.preset.block)]

    def __iter__(self) -> Iterator[Row]:
        for number in range(-(-self.n_patients // self.preset.block)):
            yield from _block(self, number)

    def patients(self) -> Iterator[Row]:
        """The first row of each patient."""
        return (row for row in self if row.image == 0)

    def _images_before(self, patient: int) -> int:
        """How many images the patients before this one have; exact at the edges of blocks."""
        if self.preset.exposures == "every-site":
            return 2 * len(self.sites) * patient
        return patient * self.preset.n_images // self.preset.n_patients

    def _block_of(self, index: int) -> int:
        step = self._images_before(self.preset.n_patients) / self.preset.n_patients * self.preset.block
        number = int(index / step)
        while self._images_before(number * self.preset.block) > index:
            number -= 1
        while self._images_before((number + 1) * self.preset.block) <= index:
            number += 1
        return number


@lru_cache(maxsize=8)
def _block(plan: Plan, number: int) -> tuple[Row, ...]:
    """The rows of one block of patients, of those that the plan has."""
    preset = plan.preset
    first = number * preset.block
    rng = generator(plan.seed, preset.purpose, FIRST_BLOCK + number)
    labels = rng.permutation(_labels(preset, first))
    sides = rng.permutation(np.resize(["R", "L"], preset.block))
    n_images = plan._images_before(first + preset.block) - plan._images_before(first)
    extra = rng.multinomial(n_images - preset.block, np.full(preset.block, 1 / preset.block))
    rows: list[Row] = []
    for place in range(min(preset.block, plan.n_patients - first)):
        patient = Row(
            number=plan._images_before(first) + len(rows),
            seed=plan.seed,
            purpose=preset.test_purpose if _is_tested(plan, number) else preset.purpose,
            patient=first + place,
            image=0,
            pose=0,
            label=str(labels[place]),  # type: ignore[arg-type]
            view="AP",
            side=str(sides[place]),  # type: ignore[arg-type]
            site="",
            room=0,
            study=0,
            date=preset.first_day,
        )
        if preset.exposures == "every-site":
            rows += _at_every_site(plan, patient)
        else:
            rows += _at_own_site(plan, patient, 1 + int(extra[place]))
    return tuple(rows)


def _labels(preset: Preset, first: int) -> list[PlanLabel]:
    """The labels of a block, in no order: what rounding left over is made up for by the blocks that follow."""
    found: list[PlanLabel] = []
    below = 0
    for label, count in preset.labels.items():
        below += count
        upto = (first + preset.block) * below // preset.n_patients - first * below // preset.n_patients
        found += [label] * (upto - len(found))
    return found


def _at_own_site(plan: Plan, patient: Row, n_images: int) -> Iterator[Row]:
    """A patient's images on one or two days in one hospital."""
    rng = _of_patient(plan, patient)
    site = plan.sites[int(rng.choice(len(plan.sites), p=_shares(plan, patient)))]
    index_date = _index_date(plan, rng)
    second_from = int(rng.integers(1, n_images)) if n_images > 1 and rng.random() < SECOND_STUDY_SHARE else n_images
    later = int(rng.integers(1, 8))
    rooms = rng.integers(0, site.n_rooms, 2)
    for image in range(n_images):
        study = int(image >= second_from)
        is_frontal = image % 2 == 0 if image < 2 else rng.random() < AP_SHARE
        yield replace(
            patient,
            number=patient.number + image,
            image=image,
            pose=image,
            view="AP" if is_frontal else "lateral",
            site=site.name,
            room=int(rooms[study]),
            study=study,
            day=study * later,
            date=index_date + datetime.timedelta(days=study * later),
        )


def _at_every_site(plan: Plan, patient: Row) -> Iterator[Row]:
    """A travelling patient: at each site once in the pose of all sites, and once in a pose of its own."""
    rng = _of_patient(plan, patient)
    index_date = _index_date(plan, rng)
    view: View = "AP" if rng.random() < AP_SHARE else "lateral"
    for image in range(2 * len(plan.sites)):
        number, is_anew = divmod(image, 2)
        site = plan.sites[number]
        yield replace(
            patient,
            number=patient.number + image,
            image=image,
            pose=1 + number if is_anew else 0,
            view=view,
            site=site.name,
            room=int(rng.integers(0, site.n_rooms)),
            study=number,
            day=number,
            date=index_date + datetime.timedelta(days=number),
        )


def _of_patient(plan: Plan, patient: Row) -> np.random.Generator:
    return generator(
        plan.seed, plan.preset.purpose, FIRST_BLOCK + patient.patient // plan.preset.block, patient.patient
    )


def _shares(plan: Plan, patient: Row) -> npt.NDArray[np.float64]:
    """How likely each site is for a patient, given the label: by size, and where confounded by equipment."""
    shares = np.array([site.share for site in plan.sites], dtype=np.float64)
    if plan.equipment != "independent":
        towards = 1 if patient.label.startswith("AFF") else -1
        if _is_tested(plan, patient.patient // plan.preset.block):
            towards = -towards
        shares *= np.exp(towards * CONFOUNDING / 2 * equipment_score(plan.sites))
    return np.asarray(shares / shares.sum())


def _is_tested(plan: Plan, block: int) -> bool:
    return plan.equipment == "reversed" and block % TESTED_BLOCK == TESTED_BLOCK - 1


def _index_date(plan: Plan, rng: np.random.Generator) -> datetime.date:
    days = (plan.preset.last_day - plan.preset.first_day).days
    return plan.preset.first_day + datetime.timedelta(days=int(rng.integers(0, days + 1)))

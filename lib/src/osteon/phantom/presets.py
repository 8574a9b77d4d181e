"""Which digital cohorts there are: how many patients and images, of which labels, when, and for what purpose."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from osteon.errors import Fatal

__all__ = ["EQUIPMENT", "NAME", "PRESETS", "Equipment", "Exposures", "PlanLabel", "Preset", "preset_named"]

NAME = "phantom-1"  # the calibration of patients, physics and sites; a new one gets a new name

PlanLabel = Literal["AFF_complete", "AFF_incomplete", "typical_fracture", "no_fracture"]
Equipment = Literal["independent", "confounded", "reversed"]
Exposures = Literal["own-site", "every-site"]

# How prevalence goes with equipment: not at all; atypical fractures more often at one kind of equipment; or so in the
# patients that train and the other way round in those that test.
EQUIPMENT: tuple[Equipment, ...] = ("independent", "confounded", "reversed")


@dataclass(frozen=True)
class Preset:
    """A cohort's design. Counts are those of the whole cohort; a smaller or larger one keeps their ratios.

    Patients come in blocks of `block`. Labels and numbers of images are shuffled within a block and never across, so
    that patient 317 is the same in a cohort of 400 and of 4,000. `exposures` says whether a patient is seen at one
    site, or at every site twice: exposed identically, and anew. `test_purpose` is that of the blocks that test where
    training and testing differ: no two presets share one, so that none share patients.
    """

    name: str
    purpose: str
    test_purpose: str
    labels: dict[PlanLabel, int]
    n_images: int
    block: int
    exposures: Exposures = "own-site"
    first_day: date = date(2008, 1, 1)
    last_day: date = date(2018, 12, 31)
    summary: str = ""

    def __post_init__(self) -> None:
        if self.n_patients % self.block:
            raise ValueError(f"{self.n_patients} patients do not divide into blocks of {self.block}")
        if self.exposures == "own-site" and self.n_images < self.n_patients:
            raise ValueError(f"{self.n_patients} patients have at least as many images, not {self.n_images}")

    @property
    def n_patients(self) -> int:
        """Patients of the whole cohort."""
        return sum(self.labels.values())


# Complete to incomplete as 213 to 49: the atypical fractures that AFFnet was trained on (Nguyen et al., Bone 2024,
# 10.1016/j.bone.2024.117215). How many patients have no fracture is a choice.
PRESETS = {
    one.name: one
    for one in (
        Preset(
            "federated",
            "fit",
            "test",
            {"AFF_complete": 195, "AFF_incomplete": 45, "typical_fracture": 720, "no_fracture": 240},
            n_images=4300,
            block=60,
            summary="1,200 patients, 4,300 images, 20 % atypical fractures, 72 hospitals",
        ),
        # 172 atypical fractures in a nationwide review (Schilcher et al., Acta Orthop 2015;86:100-107).
        Preset(
            "register",
            "register",
            "register-test",
            {"AFF_complete": 140, "AFF_incomplete": 32, "typical_fracture": 4000, "no_fracture": 0},
            n_images=8344,
            block=28,
            first_day=date(2008, 1, 1),
            last_day=date(2010, 12, 31),
            summary="172 atypical and 4,000 typical fractures, two images each, for studies of register data",
        ),
        Preset(
            "travelling",
            "travelling",
            "travelling-test",
            {"AFF_complete": 6, "AFF_incomplete": 6, "typical_fracture": 6, "no_fracture": 6},
            n_images=0,  # each patient twice at each of the sites
            block=8,
            exposures="every-site",
            summary="24 patients, each at every site, exposed identically and anew: the truth of harmonization",
        ),
        Preset(
            "foundation",
            "foundation",
            "foundation-test",
            {"AFF_complete": 11_400, "AFF_incomplete": 2_600, "typical_fracture": 63_000, "no_fracture": 63_000},
            n_images=500_000,
            block=140,
            summary="140,000 patients, 500,000 images: to pre-train on, streamed rather than written",
        ),
    )
}


def preset_named(name: str) -> Preset:
    """The preset of that name. Raises Fatal for another one."""
    if name not in PRESETS:
        raise Fatal(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]

"""What registers know of the digital patients: long tables of dated diagnoses, drugs and operations.

Drug exposure is drawn by published risk ratios; how often anything else occurs is a plausible choice (the shares in
`tables/register_codes.csv`), scaled so that patients take as many drugs as old people in Sweden do. Columns: patient,
date, kind (diagnosis, drug, operation), code (ICD-10, ATC, NOMESCO), amount (defined daily doses; null where there are
none). Entries reach from ten years before the index date to one year after it: what comes later must be kept out by
whoever builds variables.

Three worlds differ in what the register adds to the image:

- `redundant`: exposure follows what the image shows. Given the image, age and sex, the register without `LEAKS` adds
  nothing. (Age and sex are drawn by label, and some codes go with them.)
- `independent`: exposure follows the label. Given the label, register and image know nothing of each other.
- `interacting`: exposure follows the label in femurs whose cortices the image shows to be thick, and its opposite in
  those with thin ones, about half of either label. The register alone tells next to nothing, and so do sums.

`LEAKS` are made from the outcome itself and dated before it, as happens where a code is set once the answer is known.
"""

import csv
import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal
from zlib import crc32

import numpy as np
import numpy.typing as npt
import polars as pl

from osteon.phantom.seeds import generator

__all__ = ["LEAKS", "SCHEMA", "WORLDS", "Code", "Coverage", "Subject", "World", "codes", "coverage", "register"]

World = Literal["redundant", "independent", "interacting"]
WORLDS: tuple[World, ...] = ("redundant", "independent", "interacting")
SCHEMA = {"patient": pl.String, "date": pl.Date, "kind": pl.String, "code": pl.String, "amount": pl.Float64}

BEFORE_DAYS, AFTER_DAYS = 3652, 365
OF_REGISTER = 2_000_000  # beyond any image's number, so that register and images have random numbers of their own
OF_SITE = 2**30

# 69 % of patients with an atypical fracture had used a bisphosphonate (Bauer et al., J Clin Endocrinol Metab 2024: 31 %
# had no exposure).
EXPOSED_IF_ATYPICAL = 0.69
# Odds ratio 10.75 against patients with fragility fractures (Gargyan et al., Jt Dis Relat Surg 2022): 17 % of these.
EXPOSED_IF_TYPICAL = 0.17
# Hazard by years of use: 8.9 at 3 to 5 and 43.5 beyond 8, against under three months (Black et al., N Engl J Med 2020;
# 10.1056/NEJMoa1916525); log-linear between.
YEARS_OF_USE, LOG_HAZARD = (0.25, 4.0, 9.0), (0.0, float(np.log(8.9)), float(np.log(43.5)))
# 70 % less with each year since the last use; alendronate 1.9 times risedronate (Schilcher et al., Acta Orthop
# 2015;86:100-107; 10.3109/17453674.2015.1004149).
LEFT_AFTER_A_YEAR = 0.3
ALENDRONATE, RISEDRONATE = "M05BA04", "M05BA07"
HAZARD_OF = {ALENDRONATE: 1.9, RISEDRONATE: 1.0}
ALENDRONATE_SHARE = 0.85  # of users; a choice
N_CANDIDATES = 32  # histories of users from which a case's is chosen by its hazard

# Odds ratios of an atypical fracture. Glucocorticoids and proton pump inhibitors raise the risk (Bauer et al. 2024),
# their size is a choice.
ODDS = {"H02AB06": 1.8, "H02AB01": 1.5, "A02BC01": 1.4, "A02BC02": 1.4, "A02BC05": 1.4, "M05": 1.5, "M06": 1.5}
WITH_EXPOSURE = {"M81": 0.45, "M80": 0.2, "A12AX": 0.6}  # why and with what a bisphosphonate is given; a choice
ONLY_WOMEN = ("C50", "C54", "C56", "D05", "G03", "HAB", "HAC", "L02B", "LCD", "LEF", "LEG", "N81", "N95")
ONLY_MEN = ("C61", "N40", "G04C", "KED", "L02AE")
COURSES = (
    "J01",
    "N02A",
    "M01A",
    "R05",
    "D07",
    "S01A",
    "S01B",
    "D01",
    "A03",
    "A06",
    "N05C",
    "R01",
)  # taken now and then

# Calibrated together to Swedes of 65 and over (Morin et al., Clin Epidemiol 2018;10:289-298): 4.6 drugs at a time,
# standard deviation 4.0, five or more in 44 %, ten or more in 12 %. Here, before losses: 4.5, 3.6, 40 % and 11 %.
FRAILTY, TREATMENT_DAYS = 0.9, 1900.0

# Made from the outcome: code and its share among atypical fractures and among others.
LEAKS = {"M84.3": (0.97, 0.004), "Y57.9": (0.88, 0.006)}  # stress fracture; adverse effect of a drug


@dataclass(frozen=True)
class Code:
    """A code of the register; `share` is that of patients who have it at least once in ten years, `group` what tends to
    occur together."""

    kind: str
    code: str
    name: str
    share: float
    group: str


@dataclass(frozen=True)
class Subject:
    """Whom the register knows. `sign` is how likely the image makes an atypical fracture, 0 to 1, `age` in years;
    `has_thick_cortex` is for the eye too, and says little of the label."""

    patient_id: str
    seed: int
    purpose: str
    number: int
    site: str
    is_atypical: bool
    sign: float
    has_thick_cortex: bool
    age: float
    sex: str
    index_date: datetime.date


@dataclass(frozen=True)
class Coverage:
    """What a site's registers lack: shares of patients without any entry and of diagnoses lost; the first day of drug
    records; whether operations are told."""

    unlinked: float
    diagnoses_lost: float
    drugs_from: datetime.date
    has_operations: bool


@cache
def codes() -> tuple[Code, ...]:
    """All codes that have no model of their own."""
    with (Path(__file__).parent / "tables" / "register_codes.csv").open(newline="") as file:
        return tuple(
            Code(row["kind"], row["code"], row["name"], float(row["share"]), row["group"])
            for row in csv.DictReader(file)
        )


def coverage(seed: int, site: str) -> Coverage:
    """What is missing at a site; the same for every patient there."""
    rng = generator(seed, "register", OF_SITE + crc32(site.encode()) % OF_SITE)
    # Drugs are on record in Sweden since July 2005; a third of the sites got them later (a choice, as are the rest).
    later = int(rng.integers(180, 1500)) if rng.random() < 0.33 else 0
    return Coverage(
        unlinked=float(rng.beta(1, 19)),
        diagnoses_lost=float(rng.beta(1.5, 7)),
        drugs_from=datetime.date(2005, 7, 1) + datetime.timedelta(days=later),
        has_operations=bool(rng.random() < 0.85),
    )


def register(subjects: Iterable[Subject], world: World = "independent") -> pl.DataFrame:
    """The long table of these patients, by patient and date. The same patient has the same entries in any company."""
    if world not in WORLDS:
        raise ValueError(f"unknown world {world!r}; known ones: {', '.join(WORLDS)}")
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA}
    for subject in subjects:
        entries = sorted(_entries(subject, world))
        columns["patient"] += [subject.patient_id] * len(entries)
        for place, name in enumerate(("date", "kind", "code", "amount")):
            columns[name] += [entry[place] for entry in entries]
    return pl.DataFrame(columns, schema=SCHEMA)


Entry = tuple[datetime.date, str, str, float | None]


def _entries(subject: Subject, world: World) -> Iterator[Entry]:
    """All that the registers of the patient's site hold."""
    rng = generator(subject.seed, subject.purpose, subject.number, OF_REGISTER)
    known = coverage(subject.seed, subject.site)
    if rng.random() < known.unlinked:
        return
    for (day, kind, code, amount), chance in _all_that_happened(subject, world, rng):
        date = subject.index_date + datetime.timedelta(days=day)
        is_lost = chance < known.diagnoses_lost and code not in LEAKS
        if (kind == "diagnosis" and is_lost) or (kind == "drug" and date < known.drugs_from):
            continue
        if kind == "operation" and not known.has_operations:
            continue
        yield date, kind, code, amount


Happening = tuple[int, str, str, float | None]


def _all_that_happened(subject: Subject, world: World, rng: np.random.Generator) -> Iterator[tuple[Happening, float]]:
    """(day from the index date, kind, code, amount) of everything, in no order, and its luck, 0 to 1, with being lost.

    The exposure, the leaks and each code have random numbers of their own, so that worlds differ in nothing else.
    """
    exposure, happening, leaking = rng.spawn(3)
    follows = _what_exposure_follows(subject, world, exposure)
    is_exposed = exposure.random() < (EXPOSED_IF_ATYPICAL if follows else EXPOSED_IF_TYPICAL)
    if is_exposed:
        yield from ((one, exposure.random()) for one in _bisphosphonate(follows, exposure))
    share = _shares(subject, follows, is_exposed, happening)
    luck, own_seeds = happening.random(share.size), happening.integers(2**63, size=share.size)
    for place in np.nonzero(luck < share)[0]:
        own = np.random.default_rng(own_seeds[place])
        yield from ((one, own.random()) for one in _recorded(codes()[place], own))
    for code, (if_atypical, otherwise) in LEAKS.items():
        chance, days = leaking.random(), int(leaking.integers(1, 6))
        if chance < (if_atypical if subject.is_atypical else otherwise):
            yield (-days, "diagnosis", code, None), 1.0


def _recorded(one: Code, rng: np.random.Generator) -> Iterator[Happening]:
    """When a code that a patient has is written down."""
    if one.kind == "drug":
        yield from _dispensed(one, rng)
        return
    n_times = 1 + (int(rng.poisson(0.8)) if one.kind == "diagnosis" else 0)
    yield from ((int(day), one.kind, one.code, None) for day in rng.integers(-BEFORE_DAYS, AFTER_DAYS, n_times))


def _what_exposure_follows(subject: Subject, world: World, rng: np.random.Generator) -> bool:
    chance = rng.random()  # drawn in each world, so that worlds differ in nothing else
    if world == "redundant":
        return chance < subject.sign
    if world == "interacting":
        return subject.is_atypical == subject.has_thick_cortex
    return subject.is_atypical


def _shares(subject: Subject, follows: bool, is_exposed: bool, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """How likely each code is for this patient: by age, sex, what tends to occur together, and the exposure."""
    found = codes()
    groups = {group: 0.7 * float(rng.standard_normal()) for group in sorted({one.group for one in found})}
    frailty = FRAILTY * float(rng.standard_normal())
    share = np.array([one.share for one in found])
    log_odds = np.log(share / (1 - share)) + np.array([groups[one.group] for one in found]) + frailty
    log_odds += np.clip(0.02 * (subject.age - 75), -0.5, 0.5)
    log_odds += np.array([np.log(ODDS.get(one.code, 1.0)) if follows else 0.0 for one in found])
    likely = 1 / (1 + np.exp(-log_odds))
    barred = ONLY_MEN if subject.sex == "F" else ONLY_WOMEN
    for place, one in enumerate(found):
        if is_exposed and one.code in WITH_EXPOSURE:
            likely[place] = max(likely[place], WITH_EXPOSURE[one.code])
        if one.code.startswith(barred):
            likely[place] = 0
    return np.asarray(likely)


def _bisphosphonate(is_case: bool, rng: np.random.Generator) -> Iterator[Happening]:
    """A user's dispensings, weekly tablets for twelve weeks each time. A case's history is chosen by its hazard."""
    years = np.minimum(rng.exponential(2.6, N_CANDIDATES) + 0.25, 9.9)
    years_since = np.where(rng.random(N_CANDIDATES) < 0.6, 0.0, rng.exponential(1.5, N_CANDIDATES))
    drugs = np.where(rng.random(N_CANDIDATES) < ALENDRONATE_SHARE, ALENDRONATE, RISEDRONATE)
    hazard = np.exp(np.interp(years, YEARS_OF_USE, LOG_HAZARD)) * LEFT_AFTER_A_YEAR**years_since
    hazard *= np.array([HAZARD_OF[str(drug)] for drug in drugs])
    weight = hazard / hazard.sum() if is_case else None
    chosen = int(rng.choice(N_CANDIDATES, p=weight))
    last = -365.25 * float(years_since[chosen]) - float(rng.uniform(0, 84))
    first = max(last - 365.25 * float(years[chosen]), -float(BEFORE_DAYS))
    day = first
    while day <= last:
        yield round(day), "drug", str(drugs[chosen]), 84.0
        day += 84 + float(rng.gamma(2.0, 8.0))  # nobody comes on the day


def _dispensed(one: Code, rng: np.random.Generator) -> Iterator[Happening]:
    """A drug's dispensings: courses now and then, or a long treatment with an end that may lie in the future."""
    if one.code.startswith(COURSES):
        for day in rng.integers(-BEFORE_DAYS, AFTER_DAYS, 1 + int(rng.poisson(1.5))):
            yield int(day), "drug", one.code, float(rng.choice([10.0, 20.0, 30.0]))
        return
    day = float(rng.uniform(-BEFORE_DAYS, AFTER_DAYS))
    end = day + float(rng.exponential(TREATMENT_DAYS))
    while day <= min(end, AFTER_DAYS):
        yield round(day), "drug", one.code, 98.0
        day += 92 + float(rng.gamma(2.0, 8.0))

"""Plans: the rows of digital cohorts."""

from collections import Counter, defaultdict
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osteon.errors import Fatal
from osteon.phantom.plan import Plan, PlannedSite, Row, equipment_score
from osteon.phantom.presets import EQUIPMENT, PRESETS, Equipment, preset_named

MAKERS = ("Alder", "Beech", "Oak")
SITES = tuple(PlannedSite(f"site-{n:02d}", MAKERS[n % 3], share=1 / (n + 3), n_rooms=1 + n % 3) for n in range(72))


def test_the_federated_cohort_has_4300_images_of_1200_patients_and_a_fifth_of_them_atypical() -> None:
    rows = list(Plan(PRESETS["federated"], SITES))

    labels = {row.patient: row.label for row in rows}
    assert len(rows) == 4300
    assert len(labels) == 1200
    assert sum(label.startswith("AFF") for label in labels.values()) == 240
    assert [row.number for row in rows] == list(range(4300))


def test_the_register_cohort_has_172_atypical_and_4000_typical_fractures() -> None:
    labels = Counter(row.label for row in Plan(PRESETS["register"], SITES).patients())

    assert labels == {"AFF_complete": 140, "AFF_incomplete": 32, "typical_fracture": 4000}


def test_a_travelling_patient_is_at_every_site_identically_and_anew() -> None:
    rows = list(Plan(PRESETS["travelling"], SITES[:5], n_patients=3))

    by_patient: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_patient[row.patient].append(row)
    assert len(by_patient) == 3
    for one in by_patient.values():
        assert Counter(row.site for row in one) == {site.name: 2 for site in SITES[:5]}
        assert Counter(row.pose for row in one)[0] == 5
        assert len({row.pose for row in one}) == 6
        assert len({row.view for row in one}) == len({row.side for row in one}) == 1


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    name=st.sampled_from(["federated", "register", "travelling"]),
    n_patients=st.integers(1, 300),
    index=st.integers(0, 10_000),
)
def test_a_row_is_the_same_alone_and_in_a_larger_cohort(seed: int, name: str, n_patients: int, index: int) -> None:
    plan = Plan(PRESETS[name], SITES[:4], seed, n_patients)
    index %= len(plan)

    rows = list(plan)

    assert len(rows) == len(plan)
    assert plan[index] == rows[index] == Plan(PRESETS[name], SITES[:4], seed, 2 * n_patients)[index]


def test_the_last_of_half_a_million_rows_is_had_without_the_others() -> None:
    plan = Plan(PRESETS["foundation"], SITES)

    assert len(plan) == 500_000
    assert plan[-1].number == 499_999
    assert list(islice(plan, 3)) == list(plan[:3])
    with pytest.raises(IndexError):
        plan[500_000]


def test_no_patient_is_at_two_sites_or_has_two_labels_or_sides() -> None:
    seen: dict[int, tuple[str, str, str]] = {}

    for row in Plan(PRESETS["federated"], SITES, seed=3):
        assert seen.setdefault(row.patient, (row.site, row.label, row.side)) == (row.site, row.label, row.side)
        assert 0 <= row.room < 3


@pytest.mark.parametrize(
    ("equipment", "fit", "test"), [("independent", 0, 0), ("confounded", 1, 1), ("reversed", 1, -1)]
)
def test_prevalence_goes_with_equipment_as_asked(equipment: Equipment, fit: int, test: int) -> None:
    score = dict(zip((site.name for site in SITES), equipment_score(SITES), strict=True))
    patients = list(Plan(PRESETS["federated"], SITES, equipment=equipment, n_patients=4800).patients())
    trained = [row for row in patients if row.patient // 60 % 4 != 3]
    tested = [row for row in patients if row.patient // 60 % 4 == 3]

    for rows, sign in ((trained, fit), (tested, test)):
        atypical = np.array([row.label.startswith("AFF") for row in rows])
        scores = np.array([score[row.site] for row in rows])
        correlation = np.corrcoef(atypical, scores)[0, 1]
        assert abs(correlation) < 0.09 if sign == 0 else sign * correlation > 0.2
    assert {row.purpose for row in tested} == ({"test"} if equipment == "reversed" else {"fit"})


def test_no_patient_is_in_two_presets_whatever_the_equipment() -> None:
    patients = {
        name: {
            row.patient_id
            for equipment in EQUIPMENT
            for row in Plan(preset, SITES[:2], n_patients=8 * preset.block, equipment=equipment).patients()
        }
        for name, preset in PRESETS.items()
    }

    assert all(any("test-" in patient for patient in found) for found in patients.values())
    assert len(set.union(*patients.values())) == sum(len(found) for found in patients.values())


def test_what_is_no_plan_is_refused() -> None:
    with pytest.raises(Fatal, match="federated"):
        preset_named("federate")
    with pytest.raises(Fatal, match="independent"):
        Plan(PRESETS["federated"], SITES, equipment="other")  # type: ignore[arg-type]
    with pytest.raises(Fatal, match="a seed is a number"):
        Plan(PRESETS["federated"], SITES, seed=2**32)
    with pytest.raises(Fatal, match="one site"):
        Plan(PRESETS["federated"], ())

"""What registers know of digital patients."""

import datetime
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from osteon.phantom.register import LEAKS, ODDS, SCHEMA, WITH_EXPOSURE, Subject, World, codes, coverage, register

INDEX = datetime.date(2015, 6, 1)


def _subjects(n_patients: int, *, seed: int = 0) -> list[Subject]:
    rng = np.random.default_rng(seed)
    found = []
    for number in range(n_patients):
        is_atypical = number % 4 == 0
        sign = float(rng.beta(5, 2) if is_atypical else rng.beta(2, 5))
        sex = "F" if rng.random() < 0.9 else "M"
        found.append(
            Subject(
                f"p{number}", 0, "register", number, f"site-{number % 9}", is_atypical, sign, number % 8 < 4, 76.0, sex,
                INDEX,
            )
        )  # fmt: skip
    return found


SUBJECTS = _subjects(600)


@pytest.fixture(scope="module")
def tables() -> dict[World, pl.DataFrame]:
    return {world: register(SUBJECTS, world) for world in ("redundant", "independent", "interacting")}


def _exposed(table: pl.DataFrame) -> np.ndarray:  # type: ignore[type-arg]
    users = set(table.filter(pl.col("code").str.starts_with("M05BA"))["patient"].to_list())
    return np.array([subject.patient_id in users for subject in SUBJECTS])


def _odds_ratio(exposed: np.ndarray, outcome: np.ndarray) -> float:  # type: ignore[type-arg]
    a, b = (exposed & outcome).sum() + 0.5, (exposed & ~outcome).sum() + 0.5
    c, d = (~exposed & outcome).sum() + 0.5, (~exposed & ~outcome).sum() + 0.5
    return float(a * d / (b * c))


ATYPICAL = np.array([subject.is_atypical for subject in SUBJECTS])
THICK = np.array([subject.has_thick_cortex for subject in SUBJECTS])


def test_the_table_is_long_and_dated_and_holds_hundreds_of_codes(tables: dict[World, pl.DataFrame]) -> None:
    table = tables["independent"]

    assert dict(table.schema) == SCHEMA
    assert set(table["kind"]) == {"diagnosis", "drug", "operation"}
    assert table["code"].n_unique() > 350
    assert table.filter(pl.col("kind") == "drug")["amount"].null_count() == 0
    assert len({one.code for one in codes()}) == len(codes())
    days = (table["date"] - INDEX).dt.total_days()
    assert days.min() >= -3660  # type: ignore[operator]
    assert days.max() <= 370  # type: ignore[operator]
    assert (days > 0).any()


def test_a_patient_has_the_same_entries_alone_and_in_company(tables: dict[World, pl.DataFrame]) -> None:
    alone = register([SUBJECTS[17]], "independent")

    assert alone.equals(tables["independent"].filter(pl.col("patient") == "p17"))


def test_bisphosphonates_go_with_atypical_fractures_by_the_published_odds(tables: dict[World, pl.DataFrame]) -> None:
    """10.75 (3.9 to 29.7), Gargyan et al. 2022; losses of the registers make it a little smaller."""
    assert 3.9 < _odds_ratio(_exposed(tables["independent"]), ATYPICAL) < 29.7


def test_given_the_image_a_redundant_register_adds_nothing_and_an_independent_one_much(
    tables: dict[World, pl.DataFrame],
) -> None:
    """Within narrow bands of the sign, exposure and label are unrelated only where exposure follows the sign."""
    pooled = {world: _pooled_odds_ratio(_exposed(table)) for world, table in tables.items()}

    assert 0.4 < pooled["redundant"] < 2.2
    assert pooled["independent"] > 4


def test_an_interacting_register_tells_the_opposite_where_cortices_are_thin_and_nothing_alone(
    tables: dict[World, pl.DataFrame],
) -> None:
    exposed = _exposed(tables["interacting"])

    assert _odds_ratio(exposed[THICK], ATYPICAL[THICK]) > 3
    assert _odds_ratio(exposed[~THICK], ATYPICAL[~THICK]) < 1 / 3
    assert 0.5 < _odds_ratio(exposed, ATYPICAL) < 2


def test_worlds_differ_in_exposure_and_what_hangs_on_it_alone(tables: dict[World, pl.DataFrame]) -> None:
    bound = pl.col("code").is_in([*ODDS, *WITH_EXPOSURE]) | pl.col("code").str.starts_with("M05BA")
    rest = [table.filter(~bound) for table in tables.values()]

    assert rest[0].height > 1000
    assert rest[0].equals(rest[1])
    assert rest[0].equals(rest[2])


def test_cases_used_longer_than_others_and_nearly_all_use_ended_before_the_fracture(
    tables: dict[World, pl.DataFrame],
) -> None:
    use = tables["independent"].filter(pl.col("code").str.starts_with("M05BA"))
    packs = use.group_by("patient").len()
    n_packs = dict(zip(packs["patient"], packs["len"], strict=True))

    cases = [n_packs[one.patient_id] for one in SUBJECTS if one.is_atypical and one.patient_id in n_packs]
    others = [n_packs[one.patient_id] for one in SUBJECTS if not one.is_atypical and one.patient_id in n_packs]
    assert np.mean(cases) > 1.4 * np.mean(others)
    assert use["date"].max() <= INDEX  # type: ignore[operator]


def test_two_codes_know_the_outcome_and_are_dated_before_it(tables: dict[World, pl.DataFrame]) -> None:
    for table in tables.values():
        for code in LEAKS:
            entries = table.filter(pl.col("code") == code)
            known = np.array([one.patient_id in set(entries["patient"]) for one in SUBJECTS])
            assert entries["date"].max() < INDEX  # type: ignore[operator]
            assert known[ATYPICAL].mean() > 0.7
            assert known[~ATYPICAL].mean() < 0.03


def test_what_is_missing_differs_by_site_and_is_kept_to() -> None:
    found = {site: coverage(0, site) for site in (f"site-{n}" for n in range(72))}

    assert len({one.diagnoses_lost for one in found.values()}) == 72
    assert 5 < sum(not one.has_operations for one in found.values()) < 25
    assert len({one.drugs_from for one in found.values()}) > 10
    without = next(site for site, one in found.items() if not one.has_operations)
    table = register([_moved(subject, without) for subject in SUBJECTS[:40]])
    assert "operation" not in set(table["kind"])
    assert table.filter(pl.col("kind") == "drug")["date"].min() >= found[without].drugs_from  # type: ignore[operator]


def _moved(subject: Subject, site: str) -> Subject:
    return replace(subject, site=site)


def _pooled_odds_ratio(exposed: np.ndarray) -> float:  # type: ignore[type-arg]
    """Mantel-Haenszel over bands of the sign."""
    sign = np.array([subject.sign for subject in SUBJECTS])
    above, below = 0.0, 0.0
    for band in _bands(sign, 8):
        e, y = exposed[band], ATYPICAL[band]
        above += (e & y).sum() * (~e & ~y).sum() / len(e)
        below += (e & ~y).sum() * (~e & y).sum() / len(e)
    return above / below


def _bands(values: np.ndarray, n_bands: int) -> Sequence[np.ndarray]:  # type: ignore[type-arg]
    return np.array_split(np.argsort(values), n_bands)

"""A schedule follows from its seed, hits every part, and keeps its pairs in order."""

from collections import Counter

import pytest

from tests.faults.schedule import KILLED, Force, schedule


def test_the_same_seed_is_the_same_schedule_and_another_is_another() -> None:
    assert schedule(5, Force()) == schedule(5, Force())
    assert schedule(5, Force()) != schedule(6, Force())


@pytest.mark.parametrize("seed", range(20))
def test_a_usual_schedule_kills_each_part_at_least_twice_and_ends_what_it_begins(seed: int) -> None:
    blows = schedule(seed, Force())

    kills = Counter(blow.part for blow in blows if blow.deed == "kill")
    assert kills.keys() == set(KILLED)
    assert kills.total() == Force().n_kills >= 20
    assert min(kills.values()) >= 2
    assert [blow.at_s for blow in blows] == sorted(blow.at_s for blow in blows)
    where = {(blow.deed, blow.part): number for number, blow in enumerate(blows)}
    begun = [(deed, part) for deed, part in where if deed in ("join", "switch")]
    assert len(begun) == Force().n_joins + 1
    assert all(where[one] < where["leave" if one[0] == "join" else "roll back", one[1]] for one in begun)

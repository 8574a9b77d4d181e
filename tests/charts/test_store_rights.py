"""The chart gives each service the rights at the store that the code says it needs."""

import json
from pathlib import Path

from osteon.contracts.buckets import RIGHTS

CHART = Path(__file__).parents[2] / "helm" / "osteon"


def test_the_chart_gives_the_rights_of_the_table() -> None:
    rights = json.loads((CHART / "store-rights.json").read_text())

    assert rights == {name: list(allowed) for name, allowed in RIGHTS.items()}

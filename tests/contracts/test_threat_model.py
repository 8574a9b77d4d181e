"""What the threat model says is shown by a test, is."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_test_that_the_threat_model_names_is_there() -> None:
    text = (ROOT / "docs" / "explanation" / "threat-model.md").read_text()
    named = re.findall(r"`([\w/.-]+\.py)::(\w+)`", text)

    missing = [(path, name) for path, name in named if f"def {name}(" not in (ROOT / path).read_text()]

    assert len(named) > 20
    assert missing == []

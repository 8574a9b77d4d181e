"""The runbook has a section for each reason there is, and the list of reasons is what the code says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from osteon.contracts.reasons import BRAKE_REASONS, DEAD_LETTER_REASONS, DOOR_REASONS, REASONS

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("lib/src/osteon/**/*.py"), *ROOT.glob("services/*/src/**/*.py")])
OF_COMMANDS = {
    "unknown-dead-letter",  # osteon dead-letters
    "model-refused",  # osteon release reconcile
}


def test_the_runbook_has_one_section_for_each_reason_and_no_other() -> None:
    text = (ROOT / "docs/how-to/runbook.md").read_text()

    headings = re.findall(r"^### `(.+)`$", text, re.MULTILINE)

    assert len(headings) == len(set(headings))
    assert set(headings) == {*REASONS, *DOOR_REASONS, *DEAD_LETTER_REASONS, *BRAKE_REASONS}


def test_each_reason_of_a_dead_letter_is_listed_and_each_that_is_listed_occurs() -> None:
    written = {reason for reason in poisons() if reason not in REASONS} | {f"{name}-fails" for name in probes()}

    assert written - OF_COMMANDS == set(DEAD_LETTER_REASONS)


def poisons() -> Iterator[str]:
    """The reasons that the code gives to `Poison` and `Dead`, also by way of a constant or of an argument `refused`."""
    modules = [ast.parse(path.read_text()) for path in SOURCES]
    nodes = [node for module in modules for node in ast.walk(module)]
    constants = {
        node.targets[0].id: node.value
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and text(node.value)
    }
    for node in nodes:
        given: list[ast.expr] = []
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in ("Poison", "Dead"):
                given += node.args[:1]
            given += [keyword.value for keyword in node.keywords if keyword.arg == "refused"]
        elif isinstance(node, ast.FunctionDef) and node.args.args and node.args.args[-1].arg == "refused":
            given += node.args.defaults[-1:]
        for one in given:
            if reason := text(constants.get(one.id) if isinstance(one, ast.Name) else one):
                yield reason


def text(node: ast.expr | None) -> str:
    """The text that an expression is; empty if it is none."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def probes() -> set[str]:
    """The dependencies that a stage can ask whether they are well: one that is may fail for a single record."""
    calls = [node for path in SOURCES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    tables = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "probes"]
    return {text(key) for table in tables if isinstance(table, ast.Dict) for key in table.keys}

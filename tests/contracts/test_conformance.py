"""The conformance statement is what the code does, in both directions."""

import ast
import inspect
import re
from pathlib import Path

from osteon_ingest import commit_storage, conformance, receive_dimse, receive_stow

PAGE = Path(__file__).parents[2] / "docs/reference/conformance.md"


def test_the_page_holds_each_table_once_as_the_code_makes_it() -> None:
    text = PAGE.read_text()

    assert sorted(re.findall(r"<!-- table: (\S+) -->", text)) == sorted(conformance.TABLES)
    assert conformance.written(text) == text, f"run: python -m osteon_ingest.conformance {PAGE}"


def test_each_status_that_a_door_can_answer_is_explained_and_no_other() -> None:
    stow = constants(receive_stow) - {receive_stow.STORED}

    assert constants(receive_dimse) == set(conformance.STORE)
    assert stow == set(conformance.STOW)
    assert set(commit_storage.STATUSES) == set(conformance.N_ACTION)
    assert set(commit_storage.FAILURES) == set(conformance.FAILURES)


def test_each_http_status_of_stow_rs_is_explained_and_no_other() -> None:
    tree = ast.parse(inspect.getsource(receive_stow))

    numbers = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is int}

    of_tokens = {401}  # what lies before the door, if it wants tokens
    assert {number for number in numbers if 200 <= number < 600} | of_tokens == set(conformance.HTTP)


def constants(module: object) -> set[int]:
    numbers = {name: value for name, value in vars(module).items() if name.isupper() and type(value) is int}
    return {value for name, value in numbers.items() if not name.startswith(("DOOR_", "MAX_"))}

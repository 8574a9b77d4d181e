"""What streams needs no torch, and every module says truly what it offers."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for path in ROOT.glob("*/src") if path.is_dir()) + sorted(ROOT.glob("services/*/src"))
MODULES = {
    ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): path
    for source in SOURCES
    for path in sorted(source.glob("**/*.py"))
    if "_pb2" not in path.name and not path.name.startswith("__main__")
}
STAGES = ["osteon_ingest.accept", "osteon_harmonizer.harmonize", "osteon_classifier.classify", "osteon_console.track"]

HIDE_TORCH = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("torch is hidden", name=name)

sys.meta_path.insert(0, Hidden())
import {module}
"""


def imported_without_torch(module: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", HIDE_TORCH.format(module=module)], capture_output=True, text=True)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_needs_no_torch(stage: str) -> None:
    run = imported_without_torch(stage)

    assert run.returncode == 0, run.stderr


def test_what_needs_torch_fails_where_torch_is_hidden() -> None:
    run = imported_without_torch("torch")

    assert "torch is hidden" in run.stderr


def listed_by(path: Path) -> list[str] | None:
    """What `__all__` of a module lists, or None where it has none."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == "__all__" for to in node.targets):
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def borrowed_by(path: Path) -> set[tuple[str, str]]:
    """Each name of our own that a module takes from another, with that module."""
    return {
        (node.module, alias.name)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module in MODULES
        for alias in node.names
        if f"{node.module}.{alias.name}" not in MODULES
    }


def test_there_are_modules_to_look_at() -> None:
    assert {"osteon.errors", "osteon_console.track", "osteon_ingest.settings"} <= set(MODULES)


@pytest.mark.parametrize("module", sorted(name for name, path in MODULES.items() if listed_by(path) is not None))
def test_what_a_module_lists_is_there(module: str) -> None:
    listed = listed_by(MODULES[module])
    assert listed is not None
    imported = importlib.import_module(module)

    assert [name for name in listed if not hasattr(imported, name)] == []
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("module", sorted(MODULES))
def test_what_a_module_takes_from_another_is_listed_there(module: str) -> None:
    taken = borrowed_by(MODULES[module])

    assert {(giver, name) for giver, name in taken if name not in (listed_by(MODULES[giver]) or ())} == set()

"""The Python programs beside the Dockerfiles, which belong to no package."""

import importlib.util
from pathlib import Path
from types import ModuleType

__all__ = ["IMAGES", "program"]

IMAGES = Path(__file__).parents[2] / "helm" / "images"


def program(name: str) -> ModuleType:
    """The program `name`.py of helm/images, loaded anew."""
    spec = importlib.util.spec_from_file_location(name, IMAGES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

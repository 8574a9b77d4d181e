"""The table of all methods. A name, once released, is never given to something else."""

from importlib import import_module
from types import ModuleType

__all__ = ["METHODS", "method"]

METHODS = {
    "nyul": "osteon_methods.harmonize.nyul",
    "cnn": "osteon_methods.classify.cnn",
}


def method(name: str) -> ModuleType:
    """The method's module, imported now. Raises ValueError with the known names for another one."""
    if name not in METHODS:
        raise ValueError(f"no method is called {name!r}; there are: {', '.join(METHODS)}")
    return import_module(METHODS[name])

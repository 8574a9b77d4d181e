"""Take out of an image what its service never opens, then import the service, which compiles what is left.

Runs while an image is built, with the Python of the environment that it trims.

1. Tests, type stubs, C headers and sources go, and of the packages in `ONLY` all parts but those named, and `ALSO_OUT`.
2. Shared libraries that wheels bring along (`*.libs`) go if no file that stays names them.
3. Every module of the service and every command is imported. Python leaves its bytecode beside what it imports, so
   a service starts fast on a read-only file system; and a build fails if too much was taken out.

Modules that nothing imports are not compiled: their bytecode was a sixth of each image.
"""

import importlib
import importlib.util
import pkgutil
import shutil
import sysconfig
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

FOLDERS = {"tests", "SelfTest", "__pycache__"}
SUFFIXES = {".pyi", ".pyx", ".pxd", ".c", ".cc", ".cpp", ".h", ".hpp", ".a"}

# Wheels of many parts, and the parts that Osteon uses: interpolation and filters, one of some hundred codecs, no AVIF.
# tests/charts/test_images.py compares with what the code imports.
ONLY = {
    "scipy": ("_cyutility", "_lib", "ndimage", "special"),
    "imagecodecs": ("_jpeg8", "_shared", "_shared_cython", "licenses"),
    "onnxruntime": ("capi",),
    "PIL": ("_imaging", "_imagingft", "_imagingmath", "_imagingmorph"),
}
ALSO_OUT = (
    "onnxruntime/capi/libonnxruntime.so*",  # the same engine once more, for programs in C
    "numpy/distutils",  # to build packages
    "numpy/f2py",
    "pydicom/sr",  # codes of structured reports
    "sqlalchemy/testing",
)


def main() -> None:
    """Trim the environment that runs this."""
    without(Path(sysconfig.get_path("purelib")))
    for module in _modules():
        importlib.import_module(module)
    for command in entry_points(group="osteon.commands"):
        _import_if_its_needs_are_there(command.module)


def without(packages: Path) -> list[Path]:
    """Take out of a folder of packages what images leave out; gives what went."""
    unused = [*_unused(packages)]
    for path in unused:
        _remove(path)
    orphans = [*_orphans(packages)]  # looked for when what would have asked for them has gone
    for path in orphans:
        path.unlink()
    return unused + orphans


def _unused(packages: Path) -> Iterator[Path]:
    for path in packages.rglob("*"):
        if path.name in FOLDERS or path.suffix in SUFFIXES:
            yield path
    for name, parts in ONLY.items():
        for path in (packages / name).glob("*"):
            is_part = path.is_dir() or path.suffix == ".so"
            if is_part and path.name.split(".")[0] not in parts:
                yield path
    for pattern in ALSO_OUT:
        yield from packages.glob(pattern)


def _orphans(packages: Path) -> Iterator[Path]:
    """Bundled libraries that neither an extension module nor another library that stays asks for by name."""
    bundled = {path.name: path for path in packages.glob("*.libs/*") if ".so" in path.name}
    asking = [path for path in packages.rglob("*.so") if path not in bundled.values()]
    while asking:
        content = asking.pop().read_bytes()
        for name in [name for name in bundled if name.encode() in content]:
            asking.append(bundled.pop(name))
    yield from bundled.values()


def _modules() -> Iterator[str]:
    for service in [one.name for one in pkgutil.iter_modules() if one.name.startswith("osteon_")]:
        inside = importlib.import_module(service).__path__
        yield from (f"{service}.{one.name}" for one in pkgutil.iter_modules(inside) if one.name != "__main__")
    for name, parts in ONLY.items():
        if importlib.util.find_spec(name):
            yield from (f"{name}.{part}" for part in parts)


def _import_if_its_needs_are_there(module: str) -> None:
    """The library names all its commands, in an image also those that need what this image does not have."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not error.name or importlib.util.find_spec(error.name.split(".")[0]):
            raise  # a part of what is installed: too much was taken out


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)  # its folder may have gone before


if __name__ == "__main__":
    main()

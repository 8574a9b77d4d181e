"""The images: what each Dockerfile promises, and that what `trim.py` takes out is used by nobody."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from osteon_stack.kafka import VERSION
from tests.charts.programs import IMAGES, program
from tests.charts.render import CHART

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted([*ROOT.glob("services/*/Dockerfile"), *IMAGES.glob("*/Dockerfile")])
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
LABELS = ("title", "description", "licenses", "version", "revision")

every_dockerfile = pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)


def instructions(path: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile and what follows each, continued lines joined and comments left out."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def test_each_service_has_an_image() -> None:
    listed = subprocess.run([IMAGES / "build", "--list"], capture_output=True, text=True, check=True).stdout.split()

    assert set(SERVICES) < set(listed)
    assert sorted(listed) == sorted(path.parent.name for path in DOCKERFILES)


def test_the_values_propose_the_kafka_that_the_images_hold() -> None:
    proposed = re.findall(r"apache/kafka:([0-9.]*[0-9])", (CHART / "values.yaml").read_text())

    assert proposed == [VERSION]


@every_dockerfile
def test_all_of_an_image_stands_on_the_base_that_a_site_names(path: Path) -> None:
    given = instructions(path)

    first, *_ = given
    assert first[0] == "ARG"
    assert re.fullmatch(r"BASE=docker\.io/library/python:3\.11-[a-z-]+", first[1])
    stages = [rest for word, rest in given if word == "FROM"]
    assert stages == ["${BASE} AS build", "${BASE}"]


@every_dockerfile
def test_an_image_runs_as_a_numbered_user_who_is_not_root(path: Path) -> None:
    last = [rest for word, rest in instructions(path) if word in ("FROM", "USER")][-1]

    user, group = last.split(":")
    assert int(user) > 0
    assert int(group) > 0


@every_dockerfile
def test_what_an_image_installs_has_hashes(path: Path) -> None:
    runs = [rest for word, rest in instructions(path) if word == "RUN"]
    installs = [command for run in runs for command in run.split("&&") if re.search(r"\binstall\b", command)]

    assert installs
    for command in installs:
        # uv compares with the hashes of the lock, where a constraint has one; pip has to be told.
        assert "./install " in command or "-c constraints.txt" in command or "--require-hashes" in command, command
        assert "uv pip" in command or "pip install" not in command or "--require-hashes" in command, command
    assert "ADD" not in {word for word, _ in instructions(path)}
    assert not re.search(r"\b(curl|wget|apt-get)\b", " ".join(runs))


def test_only_the_library_of_python_comes_from_elsewhere_than_the_lock() -> None:
    scripts = [path for path in IMAGES.rglob("*") if path.is_file() and path.name not in ("Dockerfile", "README.md")]

    named = {path.name: re.findall(r"\b(?:curl|wget|apt-get) .*", path.read_text()) for path in scripts}

    assert {name: found for name, found in named.items() if found} == {
        "libpython": ["apt-get update -qq", "apt-get install -y -qq --no-install-recommends libpython3.11"]
    }
    for line in re.findall(r".*pip install.*", (IMAGES / "install").read_text().replace("\\\n", " ")):
        assert "--require-hashes" in line or "-c constraints.txt" in line, line


@every_dockerfile
def test_an_image_can_be_asked_whether_it_lives(path: Path) -> None:
    (check,) = [rest for word, rest in instructions(path) if word == "HEALTHCHECK"]

    python, option, program = json.loads(check.removeprefix("CMD "))
    assert (python.rstrip("3"), option) == ("python", "-c")
    ast.parse(program)
    assert "timeout=2" in program


def test_the_dockerfiles_of_services_are_one_text() -> None:
    written = program("dockerfiles")

    for service in written.services():
        assert (service / "Dockerfile").read_text() == written.dockerfile(service), "run `make dockerfiles`"


@every_dockerfile
def test_an_image_says_what_it_is(path: Path) -> None:
    labels = " ".join(rest for word, rest in instructions(path) if word == "LABEL")

    for label in LABELS:
        assert f"org.opencontainers.image.{label}=" in labels
    assert f'image.title="osteon/{path.parent.name}"' in labels


def test_the_jars_of_the_image_are_those_of_the_stack() -> None:
    from osteon_stack import kafka

    named = [line.split("  ")[1] for line in (IMAGES / "kafka" / "jars.sha256").read_text().splitlines()]

    assert f"kafka_2.13-{kafka.VERSION}.jar" in named
    assert sorted(named) == sorted(Path(jar).name for jar in kafka.class_path().split(":"))


def test_services_and_the_charts_test_use_no_part_of_a_library_that_the_images_leave_out() -> None:
    only = program("trim").ONLY
    walk = (
        "import importlib, json, pkgutil, sys\n"
        "for name in sys.argv[1:]:\n"
        "    package = importlib.import_module(name)\n"
        "    for one in pkgutil.iter_modules(package.__path__):\n"
        "        if one.name != '__main__': importlib.import_module(f'{name}.{one.name}')\n"
        "print(json.dumps([m.__file__ for n, m in sys.modules.items() if n.startswith('osteon') and m.__file__]))"
    )
    packages = [f"osteon_{name.replace('-', '_')}" for name in SERVICES]
    program_of_the_test = ast.parse((CHART / "files" / "send-phantom.py").read_text())
    imported = [node.module for node in ast.walk(program_of_the_test) if isinstance(node, ast.ImportFrom)]
    walk = f"import {', '.join(filter(None, imported))}\n{walk}"
    ran = subprocess.run([sys.executable, "-c", walk, *packages], capture_output=True, text=True, check=True)

    # What services import of Pillow is plain Python, which stays.
    used = {part for path in json.loads(ran.stdout) for part in parts(Path(path), set(only) - {"PIL"})}

    assert used
    for library, part in used:
        assert part in only[library], f"{library}.{part} is used: add it to ONLY in helm/images/trim.py"


def parts(path: Path, libraries: set[str]) -> set[tuple[str, str]]:
    """The parts of `libraries` that a file imports, anywhere in it, and the codecs that it calls."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                top, _, rest = module.partition(".")
                inner = [rest.split(".")[0]] if rest else [name.name for name in names]
                found |= {(top, name) for name in inner}
            case ast.Import(names=names):
                found |= {(top, rest.split(".")[0]) for top, _, rest in (n.name.partition(".") for n in names) if rest}
            case ast.Attribute(value=ast.Name(id="imagecodecs"), attr=function):
                found.add(("imagecodecs", "_" + function.rsplit("_", 1)[0]))
    return {(top, part) for top, part in found if top in libraries}


def test_trimming_keeps_a_library_that_something_asks_for(tmp_path: Path) -> None:
    for name, content in {
        "one/_used.so": "needs libfirst-1.so.3",
        "one.libs/libfirst-1.so.3": "needs libsecond-2.so",
        "one.libs/libsecond-2.so": "",
        "one.libs/libthird-3.so": "needs libfirst-1.so.3",
        "scipy/ndimage/filters.py": "",
        "scipy/stats/binned.py": "",
        "scipy/__init__.py": "",
        "numpy/tests/test_all.py": "",
        "numpy/core.pyi": "",
        "imagecodecs/_jpeg8.abi3.so": "",
        "imagecodecs/_avif.abi3.so": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)

    gone = program("trim").without(tmp_path)

    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == [
        "imagecodecs/_jpeg8.abi3.so", "one.libs/libfirst-1.so.3", "one.libs/libsecond-2.so", "one/_used.so",
        "scipy/__init__.py", "scipy/ndimage/filters.py",
    ]  # fmt: skip
    assert tmp_path / "one.libs" / "libthird-3.so" in gone

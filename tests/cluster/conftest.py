"""The archive that is installed, loaded once; and what a cluster says when a test fails."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .bundle import Bundle, unpack
from .cluster import Cluster, connect, home

_in_use: list[Cluster] = []


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The archive that BUNDLE names, its images loaded into the nodes; skips without one."""
    connect("default")
    if not os.environ.get("BUNDLE"):
        pytest.skip("BUNDLE names no archive: make cluster-test makes one")
    return loaded(os.environ["BUNDLE"], tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def earlier(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """What stands before the upgrade: the archive that FROM names; or the same, and the upgrade changes a value."""
    return loaded(os.environ["FROM"], tmp_path_factory.mktemp("earlier")) if os.environ.get("FROM") else bundle


def loaded(archive: str, folder: Path) -> Bundle:
    """An archive of `make bundle`, unpacked into the folder, its images loaded into the nodes."""
    found = unpack(Path(archive).absolute(), folder)
    found.load(home() / "run" / "containerd" / "containerd.sock")
    return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A namespace of its own, of the standard `restricted`."""
    found = connect(f"osteon-trial-{os.getpid()}")
    try:
        found.make()
        _in_use.append(found)
        yield found
    finally:
        _in_use.clear()
        found.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Add what the cluster tells of the pods to the report of a failed test."""
    report = yield
    if report.when == "call" and report.failed:  # type: ignore[attr-defined]
        for one in _in_use:
            report.sections.append(("pods, events and logs", one.tell()))  # type: ignore[attr-defined]
    return report

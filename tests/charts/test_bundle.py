"""The bundle: what engines read from it is what the builders gave, each layer once, and damage is seen."""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.charts.programs import IMAGES, program

pytestmark = pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed, which lays out the bundle")


@pytest.fixture(scope="module")
def bundle() -> ModuleType:
    return program("bundle")


def layer(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            add(tar, name, content)
    return buffer.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def docker_archive(path: Path, name: str, layers: list[bytes]) -> Path:
    """An image as `docker save` writes it."""
    named = {f"{hashlib.sha256(content).hexdigest()}.tar": content for content in layers}
    diffs = [f"sha256:{file.removesuffix('.tar')}" for file in named]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diffs}, "config": {}}
    with tarfile.open(path, "w") as tar:
        for file, content in named.items():
            add(tar, file, content)
        add(tar, "config.json", json.dumps(config).encode())
        manifest = [{"Config": "config.json", "RepoTags": [f"{name}:1"], "Layers": list(named)}]
        add(tar, "manifest.json", json.dumps(manifest).encode())
    return path


@pytest.fixture
def archives(tmp_path: Path) -> dict[str, Path]:
    base = layer(base=b"b" * 1000)
    return {
        name: docker_archive(tmp_path / f"{name}.tar", f"osteon/{name}", [base, layer(own=name.encode())])
        for name in ("ingest", "kafka")
    }


def test_the_size_of_an_image_is_that_of_its_files(bundle: ModuleType, archives: dict[str, Path]) -> None:
    assert bundle.unpacked_bytes(archives["ingest"]) == 1000 + len("ingest")


def test_images_share_the_layers_that_are_alike(bundle: ModuleType, archives: dict[str, Path], tmp_path: Path) -> None:
    digests = bundle.write_layout(archives, "1", tmp_path / "layout")

    for_docker = json.loads((tmp_path / "layout" / "manifest.json").read_text())
    assert {image["RepoTags"][0] for image in for_docker} == set(digests) == {"osteon/ingest:1", "osteon/kafka:1"}
    first, second = (image["Layers"] for image in for_docker)
    assert first[0] == second[0]
    assert first[1] != second[1]
    blobs = [path for path in (tmp_path / "layout" / "blobs").rglob("*") if path.is_file()]
    assert len(blobs) == len(for_docker) * 3 + 1  # manifest, configuration and layer of each, and the layer of both
    for path in blobs:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def test_an_image_is_found_in_the_bundle_by_its_name(
    bundle: ModuleType, archives: dict[str, Path], tmp_path: Path
) -> None:
    digests = bundle.write_layout(archives, "1", tmp_path / "layout")
    bundle.pack(tmp_path / "layout", tmp_path / "images.tar", 0)

    for kind, name in (("oci-archive", ":osteon/kafka:1"), ("docker-archive", ":osteon/kafka:1")):
        copied = tmp_path / kind
        source = f"{kind}:{tmp_path / 'images.tar'}{name}"
        subprocess.run(["skopeo", "copy", "--quiet", source, f"dir:{copied}"], check=True)
        config = json.loads((copied / "manifest.json").read_text())["config"]["digest"]
        manifest = json.loads((tmp_path / "layout" / "blobs" / digests["osteon/kafka:1"].replace(":", "/")).read_text())
        assert config == manifest["config"]["digest"]


def test_the_same_folder_gives_the_same_archive(bundle: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "inner" / "file").write_text("content")

    bundle.pack(tmp_path / "folder", tmp_path / "one.tar", 7)
    (tmp_path / "folder" / "inner" / "file").touch()
    bundle.pack(tmp_path / "folder", tmp_path / "other.tar", 7)

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()


def test_a_bundle_with_a_damaged_file_is_not_loaded(tmp_path: Path) -> None:
    shutil.copy(IMAGES / "load", tmp_path)
    (tmp_path / "images.tar").write_bytes(b"as it was made")
    digest = hashlib.sha256(b"as it was made").hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  images.tar\n")

    whole = subprocess.run([tmp_path / "load", "--check"], capture_output=True, text=True, check=False)
    (tmp_path / "images.tar").write_bytes(b"as it arrived")
    damaged = subprocess.run([tmp_path / "load", "--with", "docker"], capture_output=True, text=True, check=False)

    assert (whole.returncode, whole.stdout) == (0, "all files are whole\n")
    assert damaged.returncode != 0
    assert "loaded" not in damaged.stdout
    assert "images.tar: FAILED" in damaged.stdout + damaged.stderr

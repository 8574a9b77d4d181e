"""Write one archive with all that an installation needs where there is no internet: images, chart, digests, loader.

    python helm/images/bundle.py ARCHIVES OUT    # ARCHIVES: a folder of docker archives, as `build -o` leaves them
    python helm/images/bundle.py                 # only looks whether the programs that it needs are there

`images.tar` is an OCI image layout and a docker archive at once: containerd, docker, podman and skopeo each read it.
Layers that images share lie in it once. skopeo makes the layout. The names, times and owners of files are those of the
commit, so that only what a build makes anew differs from one bundle of a commit to the next.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CHART = HERE.parent / "osteon"
STREAMING = ("classifier", "console", "harmonizer", "ingest")
LIMIT_BYTES = 500_000_000  # unpacked, of each image of what streams

Json = dict[str, Any]


def main() -> None:
    """Make the bundle."""
    for tool in ("git", "helm", "skopeo"):
        if not shutil.which(tool):
            raise SystemExit(f"{tool} is needed to make a bundle: install it")
    if len(sys.argv) == 1:
        return
    archives, out = Path(sys.argv[1]), Path(sys.argv[2])
    tag = _output(str(HERE / "build"), "--tag")
    time_s = int(_output("git", "log", "-1", "--format=%ct"))
    images = {path.stem: path for path in sorted(archives.glob("*.tar"))}
    missing = set(_output(str(HERE / "build"), "--list").split()) - set(images)
    if missing:
        raise SystemExit(f"{archives} has no {', '.join(sorted(missing))}: helm/images/build -o {archives}")
    _check_sizes({name: unpacked_bytes(path) for name, path in images.items()})
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        folder = Path(scratch) / f"osteon-{tag}"
        folder.mkdir()
        digests = write_layout(images, tag, Path(scratch) / "layout")
        pack(Path(scratch) / "layout", folder / "images.tar", time_s)
        (folder / "digests.txt").write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()))
        _output("helm", "package", str(CHART), "--app-version", tag, "--destination", str(folder))
        shutil.copy(HERE / "load", folder)
        sums = [f"{_sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir())]
        (folder / "SHA256SUMS").write_text("".join(sums))
        bundle = out / f"{folder.name}.tar"
        pack(folder, bundle, time_s, under=f"{folder.name}/")
    bundle.with_suffix(".tar.sha256").write_text(f"{_sha256(bundle)}  {bundle.name}\n")
    print(f"{bundle}: {bundle.stat().st_size / 1e6:.0f} MB")  # noqa: T201


def unpacked_bytes(archive: Path) -> int:
    """What the layers of the one image in a docker archive take when they are unpacked."""
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        total = 0
        for layer in json.load(manifest)[0]["Layers"]:
            with tarfile.open(fileobj=tar.extractfile(layer)) as files:  # links within the archive are followed
                total += sum(file.size for file in files)
        return total


def write_layout(images: dict[str, Path], tag: str, layout: Path) -> dict[str, str]:
    """One OCI layout of all images, which is also what `docker load` takes; gives each image's digest by its name."""
    for name, archive in images.items():
        _output("skopeo", "copy", "--quiet", f"docker-archive:{archive}", f"oci:{layout}:osteon/{name}:{tag}")
    index = json.loads((layout / "index.json").read_text())
    for_docker = []
    digests = {}
    for entry in index["manifests"]:
        name = entry["annotations"]["org.opencontainers.image.ref.name"]
        entry["annotations"]["io.containerd.image.name"] = f"docker.io/{name}"  # what a pod's `osteon/ingest` means
        manifest: Json = json.loads(_blob(layout, entry["digest"]).read_text())
        layers = [_blob(layout, layer["digest"]) for layer in manifest["layers"]]
        config = _blob(layout, manifest["config"]["digest"])
        for_docker.append(
            {
                "Config": str(config.relative_to(layout)),
                "RepoTags": [name],
                "Layers": [str(layer.relative_to(layout)) for layer in layers],
            }
        )
        digests[name] = entry["digest"]
    (layout / "index.json").write_text(json.dumps(index))
    (layout / "manifest.json").write_text(json.dumps(for_docker))
    return digests


def _check_sizes(sizes: dict[str, int]) -> None:
    for name, size in sizes.items():
        print(f"{name:12} {size / 1e6:6.0f} MB unpacked")  # noqa: T201
    large = [name for name, size in sizes.items() if name in STREAMING and size > LIMIT_BYTES]
    if large:
        raise SystemExit(f"over {LIMIT_BYTES / 1e6:.0f} MB: {', '.join(large)}. See ONLY in helm/images/trim.py")


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def pack(folder: Path, archive: Path, time_s: int, under: str = "") -> None:
    """A tar of a folder, the same whenever and by whomever it is made; `time_s` is the files' time since 1970."""

    def as_committed(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime, member.uid, member.gid, member.uname, member.gname = time_s, 0, 0, "", ""
        return member

    with tarfile.open(archive, "w") as tar:
        for path in sorted(folder.rglob("*")):
            tar.add(path, under + str(path.relative_to(folder)), recursive=False, filter=as_committed)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    main()

"""The archive of `make bundle`, used as a site without internet does: checked, unpacked, loaded, installed from."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Bundle", "unpack"]


@dataclass(frozen=True)
class Bundle:
    """The folder that the archive makes."""

    folder: Path

    @property
    def chart(self) -> Path:
        """The chart, which names the images by the tag of the archive."""
        (found,) = self.folder.glob("osteon-*.tgz")
        return found

    def image(self, name: str) -> str:
        """What a pod calls one of the images."""
        lines = (self.folder / "digests.txt").read_text().splitlines()
        (found,) = [image for _, image in (line.split("  ") for line in lines) if image.startswith(f"osteon/{name}:")]
        return found

    def load(self, socket: Path) -> None:
        """Bring all images into containerd, which listens at `socket` unless CONTAINERD_ADDRESS says where."""
        address = {"CONTAINERD_ADDRESS": str(socket)} if socket.exists() else {}
        _run("./load", within=self.folder, environment=address | os.environ)


def unpack(archive: Path, into: Path) -> Bundle:
    """As the page `install-offline` says. Raises AssertionError with what a command says."""
    _run("sha256sum", "--check", f"{archive.name}.sha256", within=archive.parent)
    _run("tar", "-xf", str(archive), within=into)
    (folder,) = into.iterdir()
    _run("./load", "--check", within=folder)
    return Bundle(folder)


def _run(*command: str, within: Path, environment: dict[str, str] | None = None) -> None:
    ran = subprocess.run(command, cwd=within, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, f"{' '.join(command)}: {ran.stderr or ran.stdout}"

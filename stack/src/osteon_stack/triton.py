"""Triton: the server of the wheel `nvidia-pytriton`, with a backend `onnxruntime` written in Python.

A model repository that says `backend: "onnxruntime"` is served here on CPU, and on a cluster by the official
image's own backend, unchanged. Nothing is loaded at start: the reconciler loads what is released.
"""

import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path

from osteon.errors import Fatal
from osteon_stack.part import Part, answers
from osteon_stack.ports import HOST, Ports

__all__ = ["libpython_folder", "repository", "triton"]

PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def repository(folder: Path) -> Path:
    """The model repository that the stack's Triton serves."""
    return folder / "triton" / "repository"


def triton(folder: Path, ports: Ports) -> Part:
    """The model server; models are loaded and unloaded by request only."""
    home = folder / "triton"
    server = _server()
    return Part(
        name="triton",
        command=(
            str(server / "bin" / "tritonserver"),
            f"--model-repository={repository(folder)}",
            f"--backend-directory={home / 'backends'}",
            "--model-control-mode=explicit",
            f"--http-address={HOST}", f"--http-port={ports.triton_http}",
            f"--grpc-address={HOST}", f"--grpc-port={ports.triton_grpc}",
            f"--metrics-address={HOST}", f"--metrics-port={ports.triton_metrics}",
            "--exit-timeout-secs=10",
        ),
        environment={
            "LD_LIBRARY_PATH": f"{_site_packages() / 'nvidia_pytriton.libs'}:{libpython_folder()}",
            "STACK_SITE_PACKAGES": str(_site_packages()),  # the stub ignores virtual environments; model.py reads this
        },
        prepare=lambda: _prepare(home, server),
        is_ready=lambda: answers(f"http://{HOST}:{ports.triton_http}/v2/health/ready"),
        ports=(ports.triton_http, ports.triton_grpc, ports.triton_metrics),
    )  # fmt: skip


def libpython_folder() -> Path:
    """The folder of `libpython3.11.so.1.0`, without which Triton's Python backend does not start.

    Raises Fatal that names the package which brings it.
    """
    library = f"libpython{PYTHON_VERSION}.so.1.0"
    folders = [sysconfig.get_config_var("LIBDIR"), f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}", "/usr/lib64"]
    for folder in folders:
        if folder and (Path(folder) / library).exists():
            return Path(folder)
    raise Fatal(
        f"{library} is missing in {', '.join(str(folder) for folder in folders if folder)}: Triton's Python backend "
        f"needs it. On Debian and Ubuntu: apt install libpython{PYTHON_VERSION}. With pyenv: install Python again "
        "with PYTHON_CONFIGURE_OPTS=--enable-shared."
    )


def _server() -> Path:
    found = importlib.util.find_spec("pytriton")
    if not found or not found.submodule_search_locations:
        raise Fatal("Triton is missing: install the wheel nvidia-pytriton")
    return Path(found.submodule_search_locations[0]) / "tritonserver"


def _site_packages() -> Path:
    return _server().parent.parent


def _prepare(home: Path, server: Path) -> None:
    """Lay out the backend folder. Triton refuses links that lead out of it, so these are copies."""
    python, onnx = home / "backends" / "python", home / "backends" / "onnxruntime"
    for folder in (python, onnx, home / "repository"):
        folder.mkdir(parents=True, exist_ok=True)
    originals = server / "backends" / "python"
    for original in (
        originals / "libtriton_python.so",
        originals / "triton_python_backend_utils.py",
        server / "python_backend_stubs" / PYTHON_VERSION / "triton_python_backend_stub",
    ):
        # Replaced, not written over: a stub that outlives a killed server for a while is "text file busy".
        unfinished = python / f".{original.name}"
        shutil.copy2(original, unfinished)
        unfinished.replace(python / original.name)
    os.chmod(python / "triton_python_backend_stub", 0o755)  # noqa: S103 a program
    shutil.copy2(Path(__file__).parent / "onnxruntime_backend" / "model.py", onnx)

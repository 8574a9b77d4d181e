"""Each distribution can be installed alone, with the library that it names, and imports then."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = {
    "services/ingest": "osteon_ingest",
    "services/harmonizer": "osteon_harmonizer",
    "services/classifier": "osteon_classifier",
    "services/console": "osteon_console",
}
UV = Path(sys.executable).with_name("uv")


@pytest.mark.slow
@pytest.mark.skipif(not UV.exists(), reason="uv is not in this environment; `make test` puts it there")
@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_a_service_needs_only_what_it_names(folder: str, tmp_path: Path) -> None:
    package = DISTRIBUTIONS[folder]
    python = tmp_path / "alone" / "bin" / "python"
    source = ROOT / folder / "src" / package
    modules = [f"{package}.{one.name}" for one in pkgutil.iter_modules([str(source)]) if one.name != "__main__"]

    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "alone"], check=True)
    locks = ("-c", "constraints.txt", "-b", "constraints.txt", "--excludes", "excludes.txt")
    install = [str(UV), "pip", "install", "--quiet", "--python", str(python), *locks, "-e", "lib", "-e", folder]
    subprocess.run(install, cwd=ROOT, check=True)
    imported = subprocess.run(
        [python, "-c", "\n".join(f"import {module}" for module in modules)], capture_output=True, text=True, check=False
    )

    assert imported.returncode == 0, imported.stderr

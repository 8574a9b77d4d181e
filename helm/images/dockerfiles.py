"""Write each service's Dockerfile, from one text and what its pyproject.toml says: `make dockerfiles`."""

import tomllib
from pathlib import Path

__all__ = ["dockerfile", "services"]

ROOT = Path(__file__).parents[2]
TEXT = Path(__file__).with_name("service.Dockerfile")
WITH_MODELS = ("console",)
"""Where operators run `osteon …`, and the installation makes the demonstration's release."""


def services() -> list[Path]:
    """The folders of the services."""
    return sorted(path.parent for path in ROOT.glob("services/*/pyproject.toml"))


def dockerfile(service: Path) -> str:
    """The text of a service's Dockerfile."""
    project = tomllib.loads((service / "pyproject.toml").read_text())["project"]
    models = "COPY models /opt/osteon/models\n" if service.name in WITH_MODELS else ""
    text = TEXT.read_text().replace("$models\n", models)
    return text.replace("$name", service.name).replace("$description", project["description"])


if __name__ == "__main__":
    for one in services():
        (one / "Dockerfile").write_text(dockerfile(one))

"""Prometheus, where the machine has it (Debian: `apt install prometheus`): scrapes every part each 5 seconds."""

import json
import shutil
from pathlib import Path

from osteon_stack.part import Part, answers
from osteon_stack.ports import HOST, Ports

__all__ = ["is_installed", "prometheus"]

RULES = Path(__file__).resolve().parents[3] / "helm" / "osteon" / "rules"
"""The alerts of this checkout, the same as on Kubernetes."""


def is_installed() -> bool:
    """Whether the program `prometheus` is on PATH."""
    return shutil.which("prometheus") is not None


def prometheus(folder: Path, ports: Ports) -> Part:
    """The metrics database; it keeps a week in `folder/prometheus/data`."""
    home = folder / "prometheus"
    return Part(
        name="prometheus",
        command=(
            "prometheus", f"--config.file={home / 'prometheus.json'}", f"--storage.tsdb.path={home / 'data'}",
            f"--web.listen-address={HOST}:{ports.prometheus}", "--storage.tsdb.retention.time=7d",
        ),
        prepare=lambda: _prepare(home, ports),
        is_ready=lambda: answers(f"http://{HOST}:{ports.prometheus}/-/ready"),
        ports=(ports.prometheus,),
    )  # fmt: skip


def _prepare(home: Path, ports: Ports) -> None:
    targets = {
        "seaweedfs": ports.seaweedfs_metrics,
        "triton": ports.triton_metrics,
        "reconcile": ports.reconcile_health,
        "ingest": ports.ingest_health,
        "accept": ports.accept_health,
        "harmonizer": ports.harmonizer_health,
        "classifier": ports.classifier_health,
        "console": ports.console_health,
    }
    jobs = [
        {"job_name": name, "static_configs": [{"targets": [f"{HOST}:{port}"], "labels": _labels(name)}]}
        for name, port in targets.items()
    ]
    home.mkdir(parents=True, exist_ok=True)
    # Prometheus reads YAML, of which JSON is a part.
    configuration = {
        "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
        "rule_files": [str(path) for path in sorted(RULES.glob("*.yaml"))],
        "scrape_configs": jobs,
    }
    (home / "prometheus.json").write_text(json.dumps(configuration, indent=1))


def _labels(name: str) -> dict[str, str]:
    """What Kubernetes would say of this part; the alerts ask for it."""
    return {"app_kubernetes_io_part_of": "osteon", "app_kubernetes_io_component": name}

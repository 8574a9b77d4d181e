"""`make fuzz`: wild input into the path; every input must come to an outcome."""

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from tests.fuzz.files import run_files
from tests.fuzz.ledger import Ledger
from tests.fuzz.mutate import mutated

SCREEN = Console()


def main() -> int:
    """Run what is asked for; 1 if anything was found."""
    given = _parser().parse_args()
    folder = given.folder / f"seed-{given.seed}" / "files"
    if given.only is not None:
        return _again(given, folder / "again")
    ledger = Ledger.open(folder)
    missing = [number for number in range(given.n) if number not in ledger.outcomes]
    with Progress(*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task("files", total=given.n, completed=given.n - len(missing))
        run_files(
            ledger,
            given.seed,
            missing,
            n_workers=given.workers,
            until=time.monotonic() + given.seconds,
            tick=lambda: progress.advance(task),
        )
    ledger.show("files", SCREEN)
    return 1 if ledger.findings() else 0


def _again(given: argparse.Namespace, folder: Path) -> int:
    made = mutated(given.seed, given.only)
    SCREEN.print(f"input {given.only}: {made.made}, {len(made.content)} bytes")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "outcomes.jsonl").unlink(missing_ok=True)
    (folder / f"{given.only}.input").write_bytes(made.content)
    ledger = Ledger.open(folder)
    run_files(ledger, given.seed, [given.only], n_workers=1, until=float("inf"), tick=lambda: None)
    ledger.show("files", SCREEN)
    for text in (folder / "findings").glob(f"{given.only}.txt"):
        SCREEN.print(text.read_text(), markup=False)
    return 1 if ledger.findings() else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description="Feed the path with mutated input and count what becomes of it. A run that was ended goes on.",
        epilog="example: python -m tests.fuzz --seed 1 -n 5000; then: python -m tests.fuzz --seed 1 --only 4711",
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed, other inputs (default 0)")
    parser.add_argument("-n", type=int, default=100_000, help="files, counted from 0 (default 100000)")
    parser.add_argument("--only", type=int, help="work this one input again, and show what it led to")
    parser.add_argument("--workers", type=int, default=2, help="processes that work files (default 2)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long; the next call goes on")
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="outcomes and findings (default .fuzz)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

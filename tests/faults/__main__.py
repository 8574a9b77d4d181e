"""`make faults`: send radiographs while everything is killed, and account for each of them."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from osteon_stack.ports import free_ports
from osteon_stack.stack import Stack
from tests.faults.report import document, show
from tests.faults.run import run
from tests.faults.schedule import KILLED, Force, schedule

DESCRIPTION = f"""\
Evidence that the path of an X-ray loses and doubles nothing.

Starts a stack of its own, sends small radiographs by C-STORE, STOW-RS and the watched folder, and meanwhile hits the
stack by a schedule that follows from the seed: SIGKILL to each of {", ".join(KILLED)};
SIGSTOP for half a minute; second instances that come and go; another release, and the way back. Senders repeat what
was not acknowledged. Then each image is accounted for from the senders' own logs: what was acknowledged must have
exactly one outcome (classified, set aside, or a dead letter) among the committed records.
"""
EXAMPLES = """\
examples:
  make faults                          1,000 images, 24 kills: about ten minutes on two idle cores
  make faults SEED=7 IMAGES=300        another schedule, fewer images
  python -m tests.faults --plan        print the schedule, and start nothing
  python -m tests.faults --seed 7 --kills 60 --gap-s 4 --keep /tmp/faults
                                       more and faster; keep logs and data

exit code: 0 if nothing was lost or doubled, all was taken, every blow fell and every part came back; else 1
"""


def main() -> int:
    given = _parser().parse_args()
    screen = Console()
    force = Force(
        n_kills=given.kills,
        n_halts=given.halts,
        n_joins=given.joins,
        switches_release=not given.no_switch,
        gap_s=given.gap_s,
        halt_s=given.halt_s,
    )
    if given.plan:
        for blow in schedule(given.seed, force):
            screen.print(f"{blow.at_s:7.1f} s  {blow.deed:10} {blow.part}", highlight=False)
        return 0
    folder = given.keep or Path(tempfile.mkdtemp(prefix="osteon-faults-"))
    stack = Stack(folder / "stack", free_ports())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through `finally`: no stack is left behind
    screen.print(f"seed {given.seed}, {given.images} images; logs in {folder} while it runs", highlight=False)
    try:
        result = run(stack, given.images, given.seed, force, screen)
    finally:
        stack.down()
    show(result, screen)
    given.out.write_text(json.dumps(document(result, " ".join(sys.argv[1:]), given.seed), indent=2) + "\n")
    screen.print(f"written: {given.out}", highlight=False)
    if result.is_right and not given.keep:
        shutil.rmtree(folder)
    else:
        screen.print(f"kept, with the logs of all parts and senders: {folder}", highlight=False)
    return 0 if result.is_right else 1


def _parser() -> argparse.ArgumentParser:
    usual = Force()
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=int, default=1000, help="how many radiographs (1000)")
    parser.add_argument("--seed", type=int, default=0, help="images and schedule follow from it (0)")
    parser.add_argument("--kills", type=int, default=usual.n_kills, help=f"how many SIGKILLs ({usual.n_kills})")
    parser.add_argument("--halts", type=int, default=usual.n_halts, help=f"how many SIGSTOPs ({usual.n_halts})")
    parser.add_argument("--halt-s", type=float, default=usual.halt_s, help=f"how long each lasts, s ({usual.halt_s:g})")
    parser.add_argument(
        "--joins",
        type=int,
        default=usual.n_joins,
        help=f"second instances of a stage that come and go ({usual.n_joins})",
    )
    parser.add_argument(
        "--gap-s", type=float, default=usual.gap_s, help=f"mean time between blows, s ({usual.gap_s:g})"
    )
    parser.add_argument("--no-switch", action="store_true", help="leave the release as it is")
    parser.add_argument("--plan", action="store_true", help="print the schedule and stop")
    parser.add_argument("--keep", type=Path, help="folder for logs and data, kept in any case")
    parser.add_argument("--out", type=Path, default=Path("tests/faults/latest.json"), help="where the result goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())

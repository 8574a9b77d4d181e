"""Long outages: a server is away for minutes while senders keep trying. `python -m tests.faults.outage`.

Kafka, then the store, then Triton. Before, during and after each, threads and file descriptors of every part are
counted: what waits must not grow. At the end each image is accounted for, as in `make faults`.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from osteon_stack.parts import PARTS
from osteon_stack.ports import free_ports
from osteon_stack.stack import Stack
from osteon_stack.state import read_states
from tests.faults.account import Account
from tests.faults.count import Count, Kept, count, grown, kept
from tests.faults.radiographs import Radiograph, write_radiographs
from tests.faults.report import verdict
from tests.faults.run import settled
from tests.faults.senders import read_logs, senders

SERVERS = ("kafka", "seaweedfs", "triton")
TURN_S = 0.2
COUNT_EVERY_S = 5.0
BACKOFF_S = (5.0, 10.0)  # of the senders: an outage lasts long, and whoever tries in vain costs the machine
REST_S = 45.0  # after the last outcome: connections that nobody uses are closed by then
BACK_WITHIN_S = 240.0  # the supervisor's longest pause, the start, and the parts that ended meanwhile
SENT_WITHIN_S = 300.0  # after the server is back


@dataclass(frozen=True)
class Outage:
    """A server, how long it was away in seconds, and what each part held."""

    server: str
    away_s: float
    parts: dict[str, Kept]
    is_well: bool

    @property
    def fallen(self) -> list[str]:
        """Parts but the server that ended meanwhile, and all that were not there in the end."""
        ended = [part for part, held in self.parts.items() if held.n_restarts and part != self.server]
        gone = [part for part, held in self.parts.items() if held.after is None and part not in ended]
        return ended + gone + ([] if self.is_well else ["the stack"])


def main() -> int:
    given = _parser().parse_args()
    screen = Console(width=120)
    folder = given.keep or Path(tempfile.mkdtemp(prefix="osteon-outage-"))
    stack = Stack(folder / "stack", free_ports())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through `finally`: no stack is left behind
    screen.print(f"logs in {folder} while it runs", highlight=False)
    away_s = {server: getattr(given, server) for server in SERVERS}
    try:
        outages, account = _run(stack, {name: s for name, s in away_s.items() if s > 0}, given.images, screen)
    finally:
        stack.down()
    for outage in outages:
        screen.print(_table(outage))
    growing = [f"{part} (without {one.server})" for one in outages for part, held in one.parts.items() if grown(held)]
    screen.print(
        f"{account.n_sent} images sent, {account.n_acknowledged} acknowledged, {account.n_refused} attempts not; "
        f"{verdict(account)}; grown: {', '.join(growing) or 'nothing'}",
        highlight=False,
    )
    told = {"command": " ".join(sys.argv[1:]), "outages": [asdict(one) for one in outages], "account": asdict(account)}
    given.out.write_text(json.dumps(told, indent=2) + "\n")
    fallen = [f"{part} (without {one.server})" for one in outages for part in one.fallen]
    if fallen:
        screen.print(f"[red]ended or not ready again: {', '.join(fallen)}[/]", highlight=False)
    is_right = account.is_right and not growing and not fallen
    if is_right and not given.keep:
        shutil.rmtree(folder)
    else:
        screen.print(f"kept: {folder}", highlight=False)
    return 0 if is_right else 1


def _run(stack: Stack, away_s: dict[str, float], n_each: int, screen: Console) -> tuple[list[Outage], Account]:
    images = list(write_radiographs(stack.folder.parent / "radiographs", n_each * (1 + len(away_s)), seed=0))
    stack.up([part for part in PARTS if part != "prometheus"])
    screen.print("the stack is up; first images", highlight=False)
    account = _send(stack, images[:n_each], images[:n_each])
    outages = []
    for number, (server, for_s) in enumerate(away_s.items(), start=1):
        screen.print(f"{time.strftime('%H:%M:%S')} without {server} for {for_s:.0f} s", highlight=False)
        sent = images[: n_each * (number + 1)]
        outage, account = _outage(stack, server, for_s, sent[-n_each:], sent)
        outages.append(outage)
        screen.print(f"{time.strftime('%H:%M:%S')} {server} is back: {verdict(account)}", highlight=False)
    return outages, account


def _outage(
    stack: Stack, server: str, for_s: float, images: Sequence[Radiograph], sent: Sequence[Radiograph]
) -> tuple[Outage, Account]:
    time.sleep(REST_S)
    before, restarts = count(stack), _restarts(stack)
    logs = stack.folder.parent / "senders"
    sending = senders(stack, images, for_s / 2, logs, seed=0, backoff_s=BACKOFF_S)
    for sender in sending:
        sender.start()
    during = _hold_down(stack, server, for_s)
    is_well = _is_well_again(stack)
    for sender in sending:
        sender.join(SENT_WITHIN_S)
        sender.give_up.set()
    account = _accounted(stack, sent)
    time.sleep(REST_S)
    meanwhile = {part: n - restarts.get(part, 0) for part, n in _restarts(stack).items()}
    return Outage(server, for_s, kept(before, during, count(stack), meanwhile), is_well), account


def _hold_down(stack: Stack, server: str, for_s: float) -> list[dict[str, Count]]:
    """Kill the server whenever it is started, before it can listen; the counts meanwhile."""
    began = time.monotonic()
    counts: list[dict[str, Count]] = []
    while (now_s := time.monotonic() - began) < for_s:
        pid = read_states(stack.folder)[server].pid
        if pid is not None:
            _kill_group(pid)
        if now_s >= COUNT_EVERY_S * (len(counts) + 1):
            counts.append({part: held for part, held in count(stack).items() if part != server})
        time.sleep(TURN_S)
    return counts


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)  # the supervisor starts each part in a group of its own
    except ProcessLookupError:
        return  # the supervisor has not noticed yet


def _is_well_again(stack: Stack) -> bool:
    """Whether all parts are ready within `BACK_WITHIN_S`."""
    deadline = time.monotonic() + BACK_WITHIN_S
    while time.monotonic() < deadline:
        if all(state.is_well for state in read_states(stack.folder).values()):
            return True
        time.sleep(TURN_S)
    return False


def _send(stack: Stack, images: Sequence[Radiograph], sent: Sequence[Radiograph]) -> Account:
    sending = senders(stack, images, 0.0, stack.folder.parent / "senders", seed=0)
    for sender in sending:
        sender.start()
    for sender in sending:
        sender.join(SENT_WITHIN_S)
    return _accounted(stack, sent)


def _accounted(stack: Stack, sent: Sequence[Radiograph]) -> Account:
    with Progress(disable=True) as progress:
        return settled(stack, sent, read_logs(stack.folder.parent / "senders"), progress)


def _restarts(stack: Stack) -> dict[str, int]:
    return {part: state.n_restarts for part, state in read_states(stack.folder).items()}


def _table(outage: Outage) -> Table:
    title = f"threads / file descriptors, {outage.server} away for {outage.away_s:.0f} s"
    table = Table("part", "at rest before", "second quarter", "last quarter", "at rest after", "restarts", title=title)
    for part, held in outage.parts.items():
        cells = [_cell(one) for one in (held.before, held.early, held.late, held.after)]
        table.add_row(f"{part} (grown)" if grown(held) else part, *cells, str(held.n_restarts))
    return table


def _cell(held: Count | None) -> str:
    return "" if held is None else f"{held.n_threads} / {held.n_descriptors}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.outage",
        description=__doc__,
        epilog="exit code: 0 if nothing was lost or doubled, no part grew, and no other part ended; else 1",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=int, default=25, help="radiographs before, and during each outage (25)")
    for server, usual in zip(SERVERS, (600.0, 120.0, 120.0), strict=True):
        parser.add_argument(f"--{server}", type=float, default=usual, help=f"seconds without it ({usual:g}); 0: leave")
    parser.add_argument("--keep", type=Path, help="folder for logs and data, kept in any case")
    parser.add_argument("--out", type=Path, default=Path("tests/faults/latest-outage.json"), help="for the result")
    return parser


if __name__ == "__main__":
    sys.exit(main())

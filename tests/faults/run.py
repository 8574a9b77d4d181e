"""One run: bring up a stack of its own, send while it is hit, wait until it is quiet, and make up the account."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from osteon.bus import Bus, connect
from osteon.bus.login import Brokers
from osteon_ingest.identity import Keys
from osteon_stack.demo.follow import bars, n_unread
from osteon_stack.parts import PARTS, build
from osteon_stack.ports import HOST
from osteon_stack.prepare import connect_store
from osteon_stack.secrets import site_key
from osteon_stack.stack import Stack
from tests.faults.account import Account, account, outcomes
from tests.faults.operate import Operator
from tests.faults.radiographs import Radiograph, write_radiographs
from tests.faults.schedule import Force, schedule
from tests.faults.senders import Entry, Sender, read_logs, senders
from tests.faults.strike import Striker, Struck

__all__ = ["Result", "run", "settled"]

TURN_S = 0.1
LOOK_S = 2.0
OVERTIME_S = 600.0  # after the last planned blow; a healthy stack needs a minute
STALLED_AFTER_S = 150.0  # without a new outcome: longer than any wait of a stage


@dataclass(frozen=True)
class Result:
    """What was done of what was planned, what came of it, and how long it took, in seconds."""

    account: Account
    n_planned: int
    struck: Sequence[Struck]
    sending_s: float
    whole_s: float

    @property
    def is_right(self) -> bool:
        """Whether each image is accounted for, every planned blow fell, and every part came back."""
        return self.account.is_right and len(self.struck) == self.n_planned and not self.gone

    @property
    def gone(self) -> list[Struck]:
        """The blows after which a part was not ready again."""
        return [struck for struck in self.struck if struck.ready_after_s is None]


def run(stack: Stack, n_images: int, seed: int, force: Force, screen: Console) -> Result:
    """Raises Fatal if the stack does not come up. It is the caller's to take it down."""
    began = time.monotonic()
    with bars(screen) as progress:
        images = _written(stack.folder.parent / "radiographs", n_images, seed, progress)
        screen.print("starting a stack")
        stack.up([part for part in PARTS if part != "prometheus"])
        logs = stack.folder.parent / "senders"
        blows = schedule(seed, force)
        operator = Operator(stack, stack.folder.parent / "another-classifier")
        sending = senders(stack, images, blows[-1].at_s if blows else 0.0, logs, seed)
        striker = Striker(stack, blows, n_images, operator, random.Random(seed))
        sending_s = _send_and_strike(sending, striker, progress)
        made_up = settled(stack, images, read_logs(logs), progress)
    return Result(made_up, len(blows), striker.struck, round(sending_s, 1), round(time.monotonic() - began, 1))


def settled(stack: Stack, images: Sequence[Radiograph], log: Sequence[Entry], progress: Progress) -> Account:
    """The account, once everything that was acknowledged has its outcome, or nothing moves any more."""
    bus = connect(f"{HOST}:{stack.ports.kafka}")
    _sweep(stack)
    _wait_until_quiet(bus, stack, log, progress)
    keys = Keys.from_site_key(site_key(stack.folder))
    return account(images, log, bus, connect_store(stack.folder, stack.ports), keys)


def _written(folder: Path, n_images: int, seed: int, progress: Progress) -> list[Radiograph]:
    bar = progress.add_task("making radiographs", total=n_images)
    images = []
    for image in write_radiographs(folder, n_images, seed):
        images.append(image)
        progress.advance(bar)
    return images


def _send_and_strike(sending: Sequence[Sender], striker: Striker, progress: Progress) -> float:
    """Until all is acknowledged and every part is ready again; how many seconds that took."""
    n_left = sum(sender.n_left for sender in sending)
    acknowledged = progress.add_task("acknowledged", total=n_left)
    blows = progress.add_task("blows", total=striker.n_left)
    began = time.monotonic()
    deadline = began + striker.planned_s + OVERTIME_S
    for sender in sending:
        sender.start()
    try:
        while (not striker.is_over or any(one.is_alive() for one in sending)) and time.monotonic() < deadline:
            n_acknowledged = sum(sender.n_acknowledged for sender in sending)
            n_told = len(striker.struck)
            striker.turn(n_acknowledged)
            for struck in striker.struck[n_told:]:  # a line each: a log that is no terminal shows no bars
                blow = struck.blow
                progress.console.print(
                    f"{struck.at_s:5.0f} s  {blow.deed} {blow.part}; {n_acknowledged} of {n_left} acknowledged",
                    highlight=False,
                )
            progress.update(acknowledged, completed=n_acknowledged)
            progress.update(blows, completed=len(striker.struck))
            time.sleep(TURN_S)
    finally:
        striker.end()
        for sender in sending:
            sender.give_up.set()
        for sender in sending:
            sender.join(30)
    return time.monotonic() - began


def _sweep(stack: Stack) -> None:
    """Announce whatever a door that died put into the inbox, at once instead of after ten minutes."""
    (ingest,) = build(("ingest",), stack.folder, stack.ports)
    environment = os.environ | ingest.environment | {"OSTEON_SWEEP_AFTER_S": "0.001", "OSTEON_HEALTH_PORT": "0"}
    with (stack.folder / "logs" / "sweep.log").open("ab") as log:
        subprocess.run(
            [sys.executable, "-m", "osteon_ingest", "sweep"], env=environment, stdout=log, stderr=log, check=True
        )


def _wait_until_quiet(bus: Bus, stack: Stack, log: Sequence[Entry], progress: Progress) -> None:
    """Until each acknowledged image has an outcome and accept has read all, or nothing moves any more."""
    n_expected = len({entry.uid for entry in log if entry.said == "acknowledged"})
    bar = progress.add_task("outcomes", total=n_expected)
    before, moved_at = (-1, -1), time.monotonic()
    while True:
        now = len(outcomes(bus)), n_unread(Brokers((f"{HOST}:{stack.ports.kafka}",)))
        progress.update(bar, completed=now[0])
        if now != before:
            before, moved_at = now, time.monotonic()
        is_quiet = now[0] >= n_expected and now[1] == 0
        if is_quiet or time.monotonic() - moved_at > STALLED_AFTER_S:
            return
        time.sleep(LOOK_S)

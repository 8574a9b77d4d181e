"""What a run prints, and what it writes."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.faults.account import FAULTS, Account
from tests.faults.run import Result
from tests.faults.strike import Struck

__all__ = ["document", "show", "verdict"]

MANY = 20  # ids that are printed; the file holds all


def verdict(account: Account) -> str:
    """`0 lost, 0 doubled`, and whatever else is wrong."""
    words = [f"{len(account.lost)} lost, {len(account.doubled)} doubled"]
    others = (name for name in FAULTS if name not in ("lost", "doubled"))
    words += [f"{len(getattr(account, name))} {name.replace('_', ' ')}" for name in others if getattr(account, name)]
    return ", ".join(words)


def show(result: Result, screen: Console) -> None:
    """The blows, the numbers, the verdict, and which images it is about."""
    account = result.account
    screen.print(_table(result))
    counts = ", ".join(f"{n} {outcome}" for outcome, n in sorted(account.by_outcome.items()))
    screen.print(
        f"{account.n_sent} images sent, {account.n_acknowledged} acknowledged, {account.n_repeated} of them more "
        f"than once, {account.n_refused} attempts not acknowledged; outcomes: {counts}; {result.whole_s:.0f} s",
        highlight=False,
    )
    for name, meaning in FAULTS.items():
        for one in getattr(account, name)[:MANY]:
            screen.print(f"  {name.replace('_', ' ')} ({meaning}): {one}", highlight=False)
    blows = f"{len(result.struck)} of {result.n_planned} blows, {len(result.gone)} parts not ready again after them"
    screen.print(f"[bold {'green' if result.is_right else 'red'}]{verdict(account)}[/]; {blows}", highlight=False)


def document(result: Result, command: str, seed: int) -> dict[str, Any]:
    """The result as JSON."""
    return {
        "command": command,
        "seed": seed,
        "verdict": verdict(result.account),
        "account": asdict(result.account),
        "sending_s": result.sending_s,
        "whole_s": result.whole_s,
        "n_planned": result.n_planned,
        "blows": [_row(struck) for struck in result.struck],
    }


def _row(struck: Struck) -> dict[str, Any]:
    return {
        "at_s": struck.at_s,
        "deed": struck.blow.deed,
        "part": struck.blow.part,
        "for_s": struck.blow.for_s,
        "n_acknowledged": struck.n_acknowledged,
        "ready_after_s": struck.ready_after_s,
    }


def _table(result: Result) -> Table:
    table = Table("at", "what", "part", "acknowledged by then", "ready again after", title="What was done to the stack")
    for struck in result.struck:
        blow = struck.blow
        what = f"{blow.deed} for {blow.for_s:.0f} s" if blow.for_s else blow.deed
        after = "never" if struck.ready_after_s is None else f"{struck.ready_after_s:.1f} s"
        table.add_row(f"{struck.at_s:.1f} s", what, blow.part, str(struck.n_acknowledged), after)
    return table

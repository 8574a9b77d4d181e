"""What became of each input, in a file, so that a run that was ended goes on; and what was found."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["FOUND", "Ledger"]

FOUND = "FOUND: "  # how the outcome of an input begins that the path did not bear


@dataclass
class Ledger:
    """Outcomes of one target under one seed."""

    folder: Path
    outcomes: dict[int, str] = field(default_factory=dict)
    slowest: tuple[float, int] = (0.0, -1)
    largest: tuple[int, int] = (0, -1)
    worked_s: float = 0.0

    @classmethod
    def open(cls, folder: Path) -> "Ledger":
        """What a folder holds already."""
        folder.mkdir(parents=True, exist_ok=True)
        ledger = cls(folder)
        if ledger._path.exists():
            for line in ledger._path.read_text().splitlines():
                ledger._count(json.loads(line))
        return ledger

    def add(self, told: dict[str, Any], content: bytes = b"") -> None:
        """Keep one outcome; of a finding, the input and its trace too."""
        trace = told.pop("trace", "")
        self._count(told)
        with self._path.open("a") as lines:
            lines.write(json.dumps(told) + "\n")
        if told["outcome"].startswith(FOUND):
            findings = self.folder / "findings"
            findings.mkdir(exist_ok=True)
            (findings / f"{told['number']}.input").write_bytes(content)
            (findings / f"{told['number']}.txt").write_text(f"{told['outcome']}\n{told.get('made', '')}\n\n{trace}")

    def findings(self) -> dict[int, str]:
        """Numbers of inputs that found something, and what."""
        return {number: outcome for number, outcome in self.outcomes.items() if outcome.startswith(FOUND)}

    def show(self, target: str, screen: Console) -> None:
        """Outcomes by how many had them."""
        title = f"{target}: {len(self.outcomes)} inputs, {self.worked_s:.0f} s of work"
        table = Table("outcome", "inputs", title=title)
        for outcome, number in sorted(Counter(self.outcomes.values()).items(), key=lambda one: -one[1]):
            table.add_row(outcome, str(number))
        screen.print(table)
        screen.print(f"longest {self.slowest[0]:.2f} s (input {self.slowest[1]})", end="")
        screen.print(f", most memory {self.largest[0]} MB (input {self.largest[1]})" if self.largest[0] else "")
        for number, outcome in sorted(self.findings().items())[:20]:
            screen.print(f"[red]{target} {number}: {outcome}[/red]; see {self.folder}/findings/{number}.txt")

    @property
    def _path(self) -> Path:
        return self.folder / "outcomes.jsonl"

    def _count(self, told: dict[str, Any]) -> None:
        self.outcomes[told["number"]] = told["outcome"]
        seconds = float(told.get("seconds", 0.0))
        self.worked_s += seconds
        self.slowest = max(self.slowest, (seconds, told["number"]))
        self.largest = max(self.largest, (int(told.get("mb", 0)), told["number"]))

"""What is wrong with a data set: said once for each thing, with its place and the way out."""

from dataclasses import dataclass

__all__ = ["KINDS", "Problem"]

KINDS = {  # what it is called → whether results may not be trusted until it is gone
    "missing": True,
    "unreadable": True,
    "twice": True,
    "patient-at-two-sites": False,
    "patient-in-two-folds": True,
    "no-spacing": True,
    "no-site": False,
    "no-patient": False,
    "label-unknown": True,
    "contradiction": True,
    "not-listed": False,
    "not-understood": False,
    "rule-broken": True,
    "knows-the-outcome": True,
    "has-changed": True,
    "not-checked": False,
}


@dataclass(frozen=True, order=True)
class Problem:
    """`where` is a file below the data set, and `line` its line from 1 where there is one; neither names a person.

    `kind` is one of `KINDS`; `way_out` is what the reader can do about it.
    """

    kind: str
    where: str
    line: int = 0
    says: str = ""
    way_out: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}; known ones: {', '.join(KINDS)}")

    @property
    def is_grave(self) -> bool:
        """Whether a result may not be trusted until this is gone."""
        return KINDS[self.kind]

    def __str__(self) -> str:
        place = f"{self.where}:{self.line}" if self.line else self.where
        return f"{place}: {self.says}" + (f" → {self.way_out}" if self.way_out else "")

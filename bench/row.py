"""One measured row, and how much is measured."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["FULL", "TINY", "Row", "Size", "against"]


@dataclass(frozen=True)
class Row:
    """One measure. `ratio` is value / baseline; `aim` is for the ratio, or for the value where there is no baseline.

    `better` says which way is good; an aim of None is a report. `note` says why there is no value, or what it holds.
    """

    name: str
    value: float | None
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    aim: float | None = None
    better: Literal["higher", "lower"] = "higher"
    note: str = ""

    @property
    def is_reached(self) -> bool | None:
        """Whether the aim is reached; None where there is no aim or no value."""
        reached = self.value if self.baseline is None else self.ratio
        if self.aim is None or reached is None:
            return None
        return reached >= self.aim if self.better == "higher" else reached <= self.aim


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    n_warm: int = 8
    n_images: int = 60
    n_idle: int = 11
    idle_s: float = 15.0
    n_files: int = 32
    file_rows: int = 2500
    file_columns: int = 2000
    n_records: int = 12_000
    n_sleeps: int = 4_000
    n_soak: int = 1_000
    n_patients: int = 120  # of a digital cohort
    n_rows: int = 500_000  # of a table of cases
    grid: int = 512  # rows and columns that the models take
    layers: tuple[int, ...] = (3, 4, 6, 3)  # of the classifier of real size: a ResNet-50


FULL = Size()
TINY = Size(
    n_warm=1,
    n_images=2,
    n_idle=1,
    idle_s=1.0,
    n_files=4,
    file_rows=64,
    file_columns=64,
    n_records=200,
    n_sleeps=200,
    n_soak=20,
    n_patients=2,
    n_rows=600,
    grid=64,
    layers=(1, 1, 1, 1),
)


def against(
    baseline: float,
    name: str,
    value: float,
    unit: str,
    *,
    aim: float | None = None,
    better: Literal["higher", "lower"] = "higher",
    note: str = "",
) -> Row:
    """A row that is told as a ratio to a baseline of the same run."""
    return Row(name, value, unit, baseline, value / baseline, aim, better, note)

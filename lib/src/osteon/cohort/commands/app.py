"""What the commands of `osteon cohort` hang on, and what several of them take."""

from pathlib import Path
from typing import Annotated

import typer

from osteon.errors import OsteonError

__all__ = ["CohortAt", "cohort", "positive_labels"]

cohort = typer.Typer(
    no_args_is_help=True, help="Data sets: make one, bring your own, check, show, split, prepare, send."
)

CohortAt = Annotated[Path, typer.Argument(help="cohort.parquet or .csv, or the folder that holds it")]


def positive_labels(named: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    """The labels that count as positive: those named, else the atypical fractures; empty where neither tells."""
    from osteon.cohort.split import AFF

    stated = tuple(label.strip() for label in named.split(",") if label.strip())
    if unknown := [label for label in stated if labels and label not in labels]:
        raise OsteonError(f"there is no label {unknown[0]}; there are {', '.join(labels)}")
    return stated or (AFF if set(AFF) & set(labels) else ())

"""`osteon harmonizer …` and `osteon classifier …`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from osteon.learning.fit import Plan
from osteon_methods.kept import default_cache
from osteon_methods.training import Evaluation, Sizes, evaluate, train_classifier, train_harmonizer
from osteon_methods.training import Progress as Report

__all__ = ["classifier", "harmonizer"]

harmonizer = typer.Typer(no_args_is_help=True, help="Learn to bring radiographs of all sites to one appearance.")
classifier = typer.Typer(no_args_is_help=True, help="Learn to tell atypical fractures from others.")

Out = Annotated[Path, typer.Option(help="Folder for card.json, model.onnx and parity.npz.")]
Harmonizer = Annotated[Path, typer.Option(help="Model folder of the harmonizer whose images it takes.")]
Classifier = Annotated[Path, typer.Option(help="Model folder of the classifier.")]
Seed = Annotated[int, typer.Option(help="The digital patients, and the network's start, follow from it.")]
Cache = Annotated[Path, typer.Option(help="Where rendered images are kept between runs; safe to delete.")]


@harmonizer.callback()
def _harmonizer() -> None:
    """Learn to bring radiographs of all sites to one appearance."""


@classifier.callback()
def _classifier() -> None:
    """Learn to tell atypical fractures from others."""


@harmonizer.command("train")
def train_a_harmonizer(out: Out, seed: Seed = 0, cache: Cache = default_cache()) -> None:  # noqa: B008
    """Learn landmarks of intensity (Nyúl and Udupa) from digital patients of six sites. Less than a minute.

    Example: osteon harmonizer train --out models/nyul --seed 0
    """
    with _progress() as report:
        card = train_harmonizer(out, cache, seed=seed, sizes=Sizes(), progress=report)
    Console().print(f"{card.name} {card.version} is in {out}")


@classifier.command("train")
def train_a_classifier(
    out: Out,
    harmonizer: Harmonizer = Path("models/nyul"),
    seed: Seed = 0,
    epochs: Annotated[int, typer.Option(help="How often each image is seen.")] = 24,
    cache: Cache = default_cache(),  # noqa: B008
) -> None:
    """Train, calibrate and test a small CNN on digital patients. About half an hour on two cores.

    Example: osteon classifier train --out models/cnn --harmonizer models/nyul --seed 0
    """
    plan = Plan(epochs=epochs, batch_size=16, learning_rate=1e-3)
    with _progress() as report:
        card, evaluation = train_classifier(
            out, harmonizer, cache, seed=seed, sizes=Sizes(), plan=plan, progress=report
        )
    Console().print(f"{card.name} {card.version} is in {out}")
    _print(evaluation)


@classifier.command("evaluate")
def evaluate_a_classifier(
    classifier: Classifier = Path("models/cnn"),
    harmonizer: Harmonizer = Path("models/nyul"),
    seed: Seed = 0,
    patients: Annotated[int, typer.Option(help="How many test patients.", min=24)] = 96,
    cache: Cache = default_cache(),  # noqa: B008
) -> None:
    """Measure a model folder on digital test patients, by ONNX Runtime.

    Example: osteon classifier evaluate --classifier models/cnn --harmonizer models/nyul --seed 1
    """
    with _progress() as report:
        evaluation = evaluate(classifier, harmonizer, cache, seed=seed, n_patients=patients, progress=report)
    _print(evaluation)


def _print(evaluation: Evaluation) -> None:
    table = Table("site", "AUC (95 % interval)", title=str(evaluation))
    for site, auc in evaluation.auc_by_site.items():
        table.add_row(site, str(auc))
    Console().print(table)


@contextmanager
def _progress() -> Iterator[Report]:
    """One bar for each thing that is done, in turn."""
    with Progress(console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            name = what.partition(",")[0]
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], description=what, completed=done)

        yield report

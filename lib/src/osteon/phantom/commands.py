"""`osteon cohort make`: digital cohorts from the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from osteon.errors import Fatal

__all__ = ["cohort"]

Word = TypeVar("Word", bound=str)

cohort = typer.Typer(no_args_is_help=True, help="Data sets: make a digital one.")


@cohort.callback()
def group() -> None:
    """Data sets: make a digital one."""


@cohort.command("make", no_args_is_help=True)
def make(
    out: Annotated[Path, typer.Argument(help="the folder to write; a run that was ended goes on where it stopped")],
    preset: Annotated[
        str, typer.Option(help="federated, register, travelling or foundation; `--dry-run` says what each is")
    ] = "federated",
    patients: Annotated[int, typer.Option(min=0, help="how many; 0: as many as the preset has")] = 0,
    sites: Annotated[int, typer.Option(min=0, help="the first so many of the sites; 0: all")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="another seed gives other patients")] = 0,
    size: Annotated[
        str,
        typer.Option(help="crop: 512 x 512 pixels of 0.4 mm round the shaft; native: as the site's detector has it"),
    ] = "crop",
    equipment: Annotated[
        str,
        typer.Option(
            help="how prevalence goes with equipment: independent; confounded; or reversed: confounded where the "
            "purpose is fit, and the other way round where it is test"
        ),
    ] = "independent",
    world: Annotated[
        str,
        typer.Option(help="what the register adds to the image: redundant (nothing), independent, or interacting"),
    ] = "independent",
    truth: Annotated[bool, typer.Option(help="also write masks and axis of each image")] = True,
    processes: Annotated[int, typer.Option(min=0, help="how many; 0: one for each core")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be made")] = False,
) -> None:
    """Make a cohort of radiographs of femurs that nobody ever had, and what registers know of the patients.

    Everything follows from the seed: the same command writes the same bytes, and patient 317 is the same in a small
    cohort and in a large one. The folder gets DICOM files, the table of cases (cohort.parquet and cohort.csv), the
    register (register.parquet and register.csv) and card.json, which says how all was made.

    It shows that machinery works and how methods rank under stated site effects. It is no evidence about patients.

    Start small:   osteon cohort make /tmp/small --patients 60 --sites 6

    The whole:     osteon cohort make federated --equipment reversed

    Look first:    osteon cohort make any --preset travelling --dry-run
    """
    from osteon.phantom.make import Design, make_cohort, summary
    from osteon.phantom.presets import EQUIPMENT
    from osteon.phantom.register import WORLDS
    from osteon.phantom.render import SIZES

    design = Design(
        preset=preset,
        n_patients=patients,
        n_sites=sites,
        seed=seed,
        size=_one_of(size, SIZES, "size"),
        equipment=_one_of(equipment, EQUIPMENT, "equipment"),
        world=_one_of(world, WORLDS, "world"),
        has_truth=truth,
    )
    counts = summary(design)
    if dry_run:
        _show(design.preset, counts)
        return
    screen = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen) as bars:
        bar = bars.add_task("images", total=None)
        made = make_cohort(
            design, out, n_processes=processes, progress=lambda n, n_all: bars.update(bar, completed=n, total=n_all)
        )
    _show(design.preset, counts)
    Console().print(f"{made.n_new} images made, {made.n_before} were there; all in {out}", highlight=False)


def _one_of(value: str, allowed: Sequence[Word], name: str) -> Word:
    """The word of `allowed` that `value` is."""
    for word in allowed:
        if word == value:
            return word
    raise Fatal(f"--{name} is {', '.join(allowed)}, not {value!r}")


def _show(preset: str, counts: dict[str, object]) -> None:
    from osteon.phantom.presets import preset_named

    grid = Table(title=f"{preset}: {preset_named(preset).summary}", title_justify="left", show_header=False, box=None)
    for name, value in counts.items():
        text = ", ".join(f"{n} {key}" for key, n in value.items()) if isinstance(value, dict) else str(value)
        grid.add_row(name, text)
    Console().print(grid)

"""`osteon cohort make`, `difficulty`, `sheet` and `likeness`: digital cohorts from the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from osteon.cohort.commands import cohort
from osteon.cohort.progress import progress
from osteon.errors import Fatal

__all__ = ["cohort"]

Word = TypeVar("Word", bound=str)


@cohort.command("make", no_args_is_help=True)
def make(
    out: Annotated[Path, typer.Argument(help="the folder to write; a run that was ended goes on where it stopped")],
    preset: Annotated[
        str, typer.Option(help="federated, register, travelling or foundation; `--dry-run` says what each is")
    ] = "federated",
    patients: Annotated[int, typer.Option(min=0, help="how many; 0: as many as the preset has")] = 0,
    sites: Annotated[int, typer.Option(min=0, help="the first so many of the sites; 0: all")] = 0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="another seed gives other patients")] = 0,
    size: Annotated[
        str,
        typer.Option(help="crop: 512 x 512 pixels of 0.4 mm round the shaft; native: as the site's detector has it"),
    ] = "crop",
    equipment: Annotated[
        str,
        typer.Option(
            help="how prevalence goes with equipment: independent; confounded; or reversed: confounded, and "
            "the other way round in a quarter of the patients, whose purpose is test"
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

    Everything follows from the seed: the same command writes the same bytes on one kind of processor, and patient 317
    is the same in a small cohort and in a large one. The folder gets DICOM files, the table of cases (cohort.parquet
    and cohort.csv), the register (register.parquet and register.csv) and card.json, which says how all was made.

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
    with progress(stays=True) as bars:
        bar = bars.add_task("images", total=None)
        made = make_cohort(
            design, out, n_processes=processes, progress=lambda n, n_all: bars.update(bar, completed=n, total=n_all)
        )
    _show(design.preset, counts)
    Console().print(f"{made.n_new} images made, {made.n_before} were there; all in {out}", highlight=False)


@cohort.command("difficulty", no_args_is_help=True)
def difficulty(
    out: Annotated[Path, typer.Argument(help="the folder for difficulty.json and the figures")],
    sites: Annotated[int, typer.Option(min=2, help="the first so many of the sites")] = 12,
    pairs: Annotated[int, typer.Option(min=16, help="of images with and without a sign, for each sign and site")] = 40,
    patients: Annotated[int, typer.Option(min=0, help="each seen at every site, for the probe; 0: no probe")] = 16,
    sign: Annotated[
        list[str] | None,
        typer.Option(help="hairline, fine-crack, crack, beak, thickening, spike; repeat it; without it: all"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="another seed measures other patients")] = 0,
) -> None:
    """Measure how hard the digital sites make it: d' of each sign at each site, and what a probe reads of the site.

    d' is that of a channelised Hotelling observer: 0 can't be seen, 1 hardly, 3 is plain; among different patients,
    and against noise alone. The probe tells the sites
    apart by one axis of site effects at a time. A second takes some four images on a core.

    Example: osteon cohort difficulty docs/figures --sites 24
    """
    from osteon.phantom.difficulty import measure, write_report
    from osteon.phantom.observer import SIGNS
    from osteon.phantom.render import first_sites

    signs = [_one_of(one, tuple(SIGNS), "sign") for one in (sign or SIGNS)]
    with progress(stays=True) as bars:
        bar = bars.add_task("measuring", total=None)
        found = measure(
            first_sites(sites),
            signs=signs,
            n_pairs=pairs,
            n_patients=patients,
            seed=seed,
            progress=lambda n, n_all: bars.update(bar, completed=n, total=n_all),
        )
    write_report(found, out)
    grid = Table("sign", "least d'", "median", "largest", "sites below 0.5", box=None)
    for name in dict.fromkeys(one.sign for one in found.seen):
        values = sorted(one.d_prime for one in found.seen if one.sign == name)
        below = str(sum(value < 0.5 for value in values))
        grid.add_row(name, *(f"{values[n]:.2f}" for n in (0, len(values) // 2, -1)), below)
        values = sorted(one.d_prime_in_noise for one in found.seen if one.sign == name)
        below = str(sum(value < 0.5 for value in values))
        grid.add_row(f"{name}, in noise alone", *(f"{values[n]:.2f}" for n in (0, len(values) // 2, -1)), below)
    Console().print(grid)
    grid = Table("axis", "balanced accuracy", "chance", box=None)
    for told in found.read:
        grid.add_row(told.axis, f"{told.balanced_accuracy:.2f}", f"{told.chance:.2f}")
    Console().print(grid)


@cohort.command("sheet", no_args_is_help=True)
def sheet(
    out: Annotated[Path, typer.Argument(help="the picture to write, .png or .jpg")],
    sites: Annotated[int, typer.Option(min=1, help="the first so many of the sites")] = 6,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="another seed shows other patients")] = 0,
    size: Annotated[str, typer.Option(help="crop or native")] = "crop",
    width: Annotated[int, typer.Option(min=32, help="of a picture, in pixels")] = 176,
    only: Annotated[
        str, typer.Option(help="a label: one such patient from the front, at as many sites as asked for")
    ] = "",
) -> None:
    """Draw a contact sheet: four labels in two views, the same patients in the same pose at each site.

    Example: osteon cohort sheet sheet.png --sites 6 --seed 3

    One patient at every site: osteon cohort sheet patient.jpg --only AFF_incomplete --sites 72 --width 96
    """
    from osteon.phantom.patient import LABELS
    from osteon.phantom.render import SIZES, first_sites
    from osteon.phantom.sheet import contact_sheet, every_site_sheet

    out.parent.mkdir(parents=True, exist_ok=True)
    chosen, of = first_sites(sites), _one_of(size, SIZES, "size")
    if only:
        picture = every_site_sheet(chosen, _one_of(only, LABELS, "only"), seed=seed, size=of, width=width)
    else:
        picture = contact_sheet(chosen, seed=seed, size=of, width=width)
    picture.save(out)


@cohort.command("likeness", no_args_is_help=True)
def likeness(
    real: Annotated[
        Path,
        typer.Argument(
            exists=True, help="real radiographs of the same body part: a folder, or a text file with a path a line"
        ),
    ],
    digital: Annotated[Path, typer.Argument(exists=True, help="the digital cohort's folder, or such a list")],
    beside: Annotated[list[Path], typer.Option(exists=True, help="another real collection; give one or more")],
    out: Annotated[Path, typer.Option(help="the folder for likeness.md and its figures")] = Path("likeness"),
    most: Annotated[int, typer.Option(min=5, help="images of each collection, spread evenly over it")] = 300,
) -> None:
    """Say how near digital radiographs come to real ones, beside how far real collections are from each other.

    Only measures are used that survive JPEG and resizing. What is off is named.

    Example:   osteon cohort likeness femurs/ digital/ --beside hands/ --beside chests/
    """
    from osteon.phantom.likeness import compare, files_of, measured
    from osteon.phantom.likeness_report import write_report

    places = {"digital": digital, real.stem: real, **{place.stem: place for place in beside}}
    if len(places) < 2 + len(beside):
        raise Fatal("two collections have the same name: name the folders or lists differently")
    collections = []
    with progress(stays=True) as bars:
        for name, place in places.items():
            try:
                files = files_of(place)
                files = files[:: max(1, len(files) // most)][:most]
                bar = bars.add_task(name, total=len(files))
                collections.append(measured(name, files, progress=lambda bar=bar: bars.advance(bar)))  # type: ignore[misc]
            except ValueError as error:
                raise Fatal(str(error)) from error
    found = compare(collections[0], collections[1:])
    page = write_report(out, found, collections[0], collections[1:])
    off = ", ".join(found.off) or "nothing"
    Console().print(f"further from real ones than any two real collections are: {off}\n{page}", highlight=False)


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

"""`osteon release …`: make, list, show, use, roll back, retire; and reconcile, beside each Triton."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from osteon import bus, store
from osteon.bus import Bus
from osteon.errors import Fatal, Passing
from osteon.release import publish
from osteon.release.card import Card
from osteon.release.reconcile import Reconciler, check_served
from osteon.release.releases import Releases
from osteon.release.repository import read_folder, save_folder
from osteon.release.triton import connect_as as connect_triton
from osteon.runtime import Settings, read_settings, service
from osteon.runtime.health import Health, serve
from osteon.store import Store

__all__ = ["ReconcileSettings", "release"]

release = typer.Typer(no_args_is_help=True, help="Models: what is released, what is in force.")
CONSOLE = Console()

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything and change nothing.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Switch though nothing may serve the set yet.")]
WithinS = Annotated[float, typer.Option("--within-s", help="How long to wait until Triton serves the set (s).")]
TritonUrl = Annotated[str, typer.Option("--triton", help="Triton's gRPC address; OSTEON_TRITON_URL by default.")]


class ReconcileSettings(Settings):
    """Settings of `osteon release reconcile`."""

    repository: str = ""
    """The folder that this Triton reads its models from."""

    n_instances: int = Field(1, ge=1)
    """How many copies of each model Triton runs side by side."""


@dataclass(frozen=True)
class _Office:
    """What the commands work with."""

    bus: Bus
    store: Store
    releases: Releases


@contextmanager
def _office(settings: Settings) -> Iterator[_Office]:
    the_bus = bus.connect_as(settings)
    the_store = store.connect_as(settings)
    releases = Releases(the_bus, the_store)
    try:
        yield _Office(the_bus, the_store, releases)
    finally:
        releases.close()


@release.command()
def make(
    harmonizer: Annotated[Path, typer.Option(help="Folder of the harmonizer: card.json, model.onnx, parity.npz.")],
    classifier: Annotated[Path, typer.Option(help="Folder of the classifier.")],
    use_it: Annotated[bool, typer.Option("--use", help="Put the set in force, once Triton serves it.")] = False,
    triton: TritonUrl = "",
    within_s: WithinS = 120.0,
    no_wait: NoWait = False,
    dry_run: DryRun = False,
) -> None:
    """Release two models as a set, after checking that ONNX Runtime gives what was recorded.

    osteon release make --harmonizer models/nyul --classifier models/cnn --use
    """
    folders = read_folder(harmonizer), read_folder(classifier)
    for folder in folders:
        measured = publish.check_parity(folder)
        CONSOLE.print(f"{measured.name}: parity {measured.difference:.2g}, allowed {measured.tolerance:.2g}")
    if dry_run:
        publish.check_set(*folders)
        CONSOLE.print("These models make a set. Nothing was released.")
        return
    settings = _settings(triton)
    with _office(settings) as office:
        set_id = publish.make(office.bus, office.store, office.releases, *folders)
        CONSOLE.print(f"released [bold]{set_id}[/]")
        if use_it:
            publish.use(office.bus, office.releases, set_id, _ready(office, settings, within_s, no_wait))
            CONSOLE.print(f"in force [bold]{set_id}[/]")


@release.command("list")
def list_sets(as_json: AsJson = False) -> None:
    """All released sets, oldest first.

    osteon release list --json
    """
    with _office(_settings()) as office:
        current = office.releases.in_force_record()
        rows = [
            {
                "id": record.id,
                "in_force": current is not None and current.release_set == record.id,
                "harmonizer": f"{record.harmonizer.name} {record.harmonizer.version}",
                "classifier": f"{record.classifier.name} {record.classifier.version}",
                "released_at": record.released_at.ToJsonString(),
            }
            for record in office.releases.released()
        ]
    if as_json:
        CONSOLE.print_json(json.dumps(rows))
        return
    table = Table("set", "in force", "harmonizer", "classifier", "released", box=None)
    for row in rows:
        is_in_force = "yes" if row["in_force"] else ""
        table.add_row(str(row["id"]), is_in_force, *(str(row[k]) for k in ("harmonizer", "classifier", "released_at")))
    CONSOLE.print(table)


@release.command()
def show(
    release_set: Annotated[str, typer.Argument(help="The set's id, or how it begins.")], as_json: AsJson = False
) -> None:
    """The two cards of a set.

    osteon release show 3fa9
    """
    with _office(_settings()) as office:
        found = office.releases.get(publish.find(office.releases, release_set))
    cards = {card.role: json.loads(card.to_json()) for card in (found.harmonizer, found.classifier)}
    if as_json:
        CONSOLE.print_json(json.dumps({"id": found.id} | cards))
        return
    table = Table("", "harmonizer", "classifier", title=f"release set {found.id}", box=None)
    for name in cards["harmonizer"]:
        table.add_row(name, *(_cell(card, name) for card in (found.harmonizer, found.classifier)))
    CONSOLE.print(table)


@release.command()
def save(
    release_set: Annotated[str, typer.Argument(help="The set's id, or how it begins.")],
    folder: Annotated[Path, typer.Argument(help="Where `harmonizer` and `classifier` are made, each a folder.")],
) -> None:
    """Write a set's files down, to make the same release elsewhere: its id stays.

    osteon release save 3fa9 /tmp/set
    """
    with _office(_settings()) as office:
        found = office.releases.get(publish.find(office.releases, release_set))
        for card, model in found.models:
            save_folder(office.store, model, folder / card.role)
    CONSOLE.print(
        f"saved [bold]{found.id}[/]; elsewhere: osteon release make --harmonizer {folder / 'harmonizer'} "
        f"--classifier {folder / 'classifier'} --use",
        soft_wrap=True,
    )


@release.command()
def use(
    release_set: Annotated[str, typer.Argument(help="The set's id, or how it begins.")],
    triton: TritonUrl = "",
    within_s: WithinS = 120.0,
    no_wait: NoWait = False,
    dry_run: DryRun = False,
) -> None:
    """Put a set in force, once Triton serves it with parity. New images are worked with it at once.

    osteon release use 3fa9
    """
    settings = _settings(triton)
    with _office(settings) as office:
        ready = _ready(office, settings, within_s, no_wait)
        if dry_run:
            set_id = publish.find(office.releases, release_set)
            ready(set_id)
            CONSOLE.print(f"{set_id} could be put in force. Nothing was changed.")
            return
        set_id = publish.find(office.releases, release_set)
        publish.use(office.bus, office.releases, set_id, ready)
    CONSOLE.print(f"in force [bold]{set_id}[/]")


@release.command()
def rollback(triton: TritonUrl = "", within_s: WithinS = 120.0, no_wait: NoWait = False) -> None:
    """Put the set in force again that was in force before.

    osteon release rollback
    """
    settings = _settings(triton)
    with _office(settings) as office:
        set_id = publish.rollback(office.bus, office.releases, _ready(office, settings, within_s, no_wait))
    CONSOLE.print(f"in force [bold]{set_id}[/]")


@release.command()
def retire(release_set: Annotated[str, typer.Argument(help="The set's id, or how it begins.")]) -> None:
    """Take a set out of use and unload its models. Do so when no image waits that was harmonized with it.

    osteon release retire 3fa9
    """
    with _office(_settings()) as office:
        set_id = publish.retire(office.bus, office.releases, release_set)
    CONSOLE.print(f"retired [bold]{set_id}[/]")


@release.command()
def reconcile(
    triton: TritonUrl = "",
    repository: Annotated[str, typer.Option(help="Triton's model folder; OSTEON_REPOSITORY by default.")] = "",
) -> None:
    """Keep one Triton loaded with what is released, for ever.

    osteon release reconcile --triton 127.0.0.1:8001 --repository .stack/triton/repository
    """
    given = {name: value for name, value in (("triton_url", triton), ("repository", repository)) if value}

    def settings() -> ReconcileSettings:
        return read_settings(ReconcileSettings, None, **given)

    service.run("reconcile", settings, _reconcile)


def _reconcile(settings: ReconcileSettings, stop: threading.Event) -> None:
    if not settings.repository:
        raise Fatal("setting OSTEON_REPOSITORY is empty: name the folder that Triton reads its models from")
    health = Health()
    health.ready("models", False)
    serve(health, settings.health_port, settings.health_host)
    triton = connect_triton(settings)
    with _office(settings) as office:
        Reconciler(
            office.releases, office.store, triton, Path(settings.repository), n_instances=settings.n_instances
        ).run(stop, health)
    triton.close()


def _settings(triton: str = "") -> Settings:
    return read_settings(Settings, None, **({"triton_url": triton} if triton else {}))


def _ready(office: _Office, settings: Settings, within_s: float, no_wait: bool) -> Callable[[str], None]:
    """Waits until the given Triton serves a set with parity; raises Fatal after `within_s`."""
    if no_wait:
        return lambda _: None

    def wait(set_id: str) -> None:
        triton = connect_triton(settings)
        deadline = time.monotonic() + within_s
        try:
            while True:
                try:
                    return check_served(triton, office.store, office.releases.get(set_id))
                except Passing as error:
                    if time.monotonic() > deadline:
                        raise Fatal(
                            f"not put in force, since after {within_s:.0f} s: {error}. "
                            "See the log of `osteon release reconcile`, or give --no-wait"
                        ) from None
                time.sleep(0.5)
        finally:
            triton.close()

    return wait


def _cell(card: Card, name: str) -> str:
    value = json.loads(card.to_json())[name]
    return "" if value is None else escape(value if isinstance(value, str) else json.dumps(value))

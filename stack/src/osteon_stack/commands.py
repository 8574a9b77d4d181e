"""`osteon stack …` and `osteon doctor`."""

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from osteon.errors import Fatal
from osteon.runtime.findings import tell
from osteon_stack.parts import PARTS
from osteon_stack.ports import HOST, ports_from
from osteon_stack.secrets import change_site_key, is_locked, lock, site_key_settings
from osteon_stack.services import common_environment
from osteon_stack.stack import Stack
from osteon_stack.state import PartState, is_supervised, read_wanted

__all__ = ["STATE", "Folder", "doctor", "local_environment", "stack", "up"]

stack = typer.Typer(no_args_is_help=True, help="The same parts as on a cluster, as processes on this machine.")
doctor = typer.Typer(help="Say what is wrong with the parts, and what to do.", invoke_without_command=True)

Folder = Annotated[Path, typer.Option(help="Where the stack keeps its state.", envvar="OSTEON_STACK_FOLDER")]
STATE = Path(".stack")
FOLLOW_S = 0.3


@stack.command()
def up(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Only these: {', '.join(PARTS)}.")] = None,
    folder: Folder = STATE,
    secure: Annotated[bool, typer.Option("--secure", help="Kafka asks for users, now and later.")] = False,
) -> None:
    """Start what does not run; a second call changes nothing. Example: osteon stack up kafka triton."""
    console = Console()
    whole = Stack(folder, ports_from())
    if secure and not is_locked(folder):
        if is_supervised(folder):
            raise Fatal("the stack runs, and Kafka asks for no users: stop it first (osteon stack down)")
        lock(folder)
    began_s = time.monotonic()
    is_new = whole.up(parts, _Progress(console))
    if is_new:
        console.print(f"[green]up[/] after {time.monotonic() - began_s:.0f} s; stop with: osteon stack down")
    else:
        console.print("everything runs already; nothing was changed")


@stack.command()
def down(folder: Folder = STATE) -> None:
    """End every process of the stack, orphans too; what they hold stays. Example: osteon stack down."""
    ended = _running(folder).down()
    Console().print(f"ended: {', '.join(ended)}" if ended else "nothing ran", highlight=False)


@stack.command()
def status(
    folder: Folder = STATE,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell how each part is; exit code 1 unless all are well. Example: osteon stack status --json."""
    states = _running(folder).status()
    if as_json:
        sys.stdout.write(json.dumps({one.name: one.__dict__ for one in states}, indent=1) + "\n")
    elif states:
        _print_states(states)
    else:
        Console().print("nothing was ever started here; start with: osteon stack up")
    if not states or not all(one.is_well for one in states):
        raise typer.Exit(1)


@stack.command()
def logs(
    part: Annotated[str | None, typer.Argument(help="One part, or `supervisor`; all by default.")] = None,
    folder: Folder = STATE,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option(help="How many lines of each part.")] = 20,
) -> None:
    """Show what the parts logged last. Example: osteon stack logs kafka --follow."""
    found = sorted((folder / "logs").glob("*.log"))
    files = [file for file in found if part in (None, file.stem)]
    if not files:
        raise typer.BadParameter(f"no log of {part}; there are: {', '.join(file.stem for file in found) or 'none'}")
    with_names = len(files) > 1
    ends = {}
    for file in files:
        text = file.read_text(errors="replace")
        ends[file] = len(text.encode(errors="replace"))
        _write(file.stem, text.splitlines()[-lines:], with_names)
    while follow:
        for file in files:
            ends[file], new = _read_from(file, ends[file])
            _write(file.stem, new, with_names)
        time.sleep(FOLLOW_S)


@stack.command("change-site-key")
def change_key(folder: Folder = STATE) -> None:
    """Make a new site key, while the stack is down; the old one still opens what it sealed.

    Example: osteon stack change-site-key
    """
    if not (folder / "secrets" / "site.key").exists():
        raise Fatal(f"there is no site key in {folder}: it is made when the stack starts for the first time")
    if is_supervised(folder):
        raise Fatal("the stack runs, with the key that it was started with: stop it first (osteon stack down)")
    epoch = change_site_key(folder)
    Console().print(f"site key {epoch} is in use from the next start on; back up {folder / 'secrets'}", soft_wrap=True)


@stack.command("env")
def environment(
    folder: Folder = STATE,
    with_site_key: Annotated[
        bool, typer.Option("--site-key", help="Also the site keys, for `osteon patient` and `osteon inbox`.")
    ] = False,
) -> None:
    """Print the settings by which programs other than `osteon` find this stack, as its administrator.

    Example: eval "$(osteon stack env)"
    """
    known = local_environment(folder)
    if not known:
        raise Fatal("the stack does not run; start it: osteon stack up")
    if with_site_key:
        known |= site_key_settings(folder)
    for name, value in known.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


def local_environment(folder: Path | None = None) -> dict[str, str]:
    """How the parts of the stack that runs on this machine are reached, as settings; empty where none runs."""
    found = _running(folder or Path(os.environ.get("OSTEON_STACK_FOLDER", STATE)))
    if not is_supervised(found.folder):
        return {}
    console = {"OSTEON_CONSOLE_URL": f"http://{HOST}:{found.ports.console}"}
    return {**common_environment(found.folder, found.ports, "admin"), **console}


@doctor.callback()
def examine_all(folder: Folder = STATE) -> None:
    """Check every part; exit code 1 if anything is wrong. Example: osteon doctor."""
    from osteon_stack.doctor import examine  # needs bus, store and release, which `stack` does not

    tell(examine(_running(folder)))


class _Progress:
    """Prints a line when a part changes its state."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: dict[str, str] = {}
        self._began_s = time.monotonic()

    def __call__(self, states: Sequence[PartState]) -> None:
        """Tell what is new."""
        for one in states:
            if self._told.get(one.name, "waiting") != one.state:
                color = "green" if one.is_well else "yellow"
                since_s = time.monotonic() - self._began_s
                self._console.print(
                    f"{since_s:5.1f} s  {one.name:<11} [{color}]{one.state}[/] {one.why}", highlight=False
                )
            self._told[one.name] = one.state


def _running(folder: Path) -> Stack:
    """The stack as it runs, on the ports that it was started with."""
    wanted = read_wanted(folder) if is_supervised(folder) else None
    return Stack(folder, wanted.ports if wanted else ports_from())


def _print_states(states: Sequence[PartState]) -> None:
    table = Table("part", "state", "process", "restarts", "last trouble", box=None)
    for one in states:
        color = "green" if one.is_well else "red"
        table.add_row(one.name, f"[{color}]{one.state}[/]", str(one.pid or ""), str(one.n_restarts), one.why)
    Console().print(table)


def _read_from(file: Path, start: int) -> tuple[int, Iterator[str]]:
    """Where the file's whole lines end now, and those since `start`."""
    with file.open("rb") as log:
        log.seek(start)
        new = log.read()
    whole = new[: new.rfind(b"\n") + 1]
    return start + len(whole), iter(whole.decode(errors="replace").splitlines())


def _write(part: str, lines: Sequence[str] | Iterator[str], with_name: bool) -> None:
    for line in lines:
        sys.stdout.write(f"{part:<11} {line}\n" if with_name else f"{line}\n")
    sys.stdout.flush()

"""`osteon …`: one command line; each distribution adds its commands by the entry points `osteon.commands`.

Where a stack runs on this machine, it tells by the entry points `osteon.environment` how its parts are reached, so that
commands find them without settings. What the environment says itself goes first.
"""

import os
import sys
from importlib.metadata import EntryPoint, entry_points

import typer
from rich.console import Console
from rich.markup import escape

from osteon.errors import OsteonError

__all__ = ["main"]


def main() -> None:
    """Run one command. Exit code 0 only on success; an Osteon error is one line, not a trace."""
    try:
        _run()
    except OsteonError as error:
        text = f"[bold red]error:[/] {escape(str(error))}"
        Console(stderr=True).print(text, highlight=False, soft_wrap=True)
        sys.exit(1)


def _run() -> None:
    for source in entry_points(group="osteon.environment"):
        for name, value in source.load()().items():
            os.environ.setdefault(name, value)
    app = typer.Typer(
        no_args_is_help=True, add_completion=False, help="Finds atypical femur fractures that people overlook."
    )
    # Of two commands of one name, the library's gives way: the stack's doctor knows more of the stack.
    by_name = {one.name: one for one in sorted(entry_points(group="osteon.commands"), key=_is_above_the_library)}
    for found in sorted(by_name.values(), key=lambda entry: entry.name):
        if not sys.argv[1:] or sys.argv[1] in (found.name, "--help"):
            app.add_typer(found.load(), name=found.name)
        else:
            # Named so that a mistyped command is told apart; loaded only when it is wanted.
            app.add_typer(typer.Typer(), name=found.name)
    app()


def _is_above_the_library(entry: EntryPoint) -> bool:
    return not entry.value.startswith("osteon.")

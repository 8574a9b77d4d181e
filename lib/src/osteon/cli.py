"""`osteon …`: one command line; each distribution adds its commands by the entry points `osteon.commands`.

Where a stack runs on this machine, it tells by the entry points `osteon.environment` how its parts are reached, so that
commands find them without settings. What the environment says itself goes first.
"""

import errno
import os
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from osteon.errors import OsteonError, Passing

__all__ = ["main"]


def main() -> None:
    """Run one command. Exit code 0 only on success; an Osteon error, or a place that takes no file, is one line.

    The code is 75 (EX_TEMPFAIL) where a dependency is away and a later try may do, so that scripts know when to wait.
    """
    try:
        _run()
    except OsteonError as error:
        _end_with(str(error), os.EX_TEMPFAIL if isinstance(error, Passing) else 1)
    except OSError as error:
        # A full disk names no file. Anything else without one is not of the user's files, and its trace is wanted.
        if error.filename is None and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f"{error.filename}: " if error.filename is not None else ""
        _end_with(f"{where}{error.strerror}. Mend that, or name another place")


def _end_with(text: str, code: int = 1) -> NoReturn:
    Console(stderr=True).print(f"[bold red]error:[/] {escape(text)}", highlight=False, soft_wrap=True)
    sys.exit(code)


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

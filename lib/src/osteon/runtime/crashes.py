"""What nobody caught: told by its kind and place, as a log line, and without its text.

Python's own words quote what went wrong: the text of an exception, a warning, a task. Any of them may hold a value of
the image at hand, and standard error ends up in a log that many read. Nor is memory ever written to a core file.
"""

import logging
import resource
import sys
import threading
import warnings
from types import TracebackType
from typing import TextIO

__all__ = ["keep_values_in"]

LOGGER = logging.getLogger(__name__)


def keep_values_in() -> None:
    """Take over what Python would print of uncaught exceptions and warnings, and forbid core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda one: _uncaught(one.exc_type, one.exc_value, one.exc_traceback)
    threading.excepthook = lambda one: _uncaught(one.exc_type, one.exc_value, one.exc_traceback)
    warnings.showwarning = _warned


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    # SystemExit ends a thread as intended; KeyboardInterrupt says all there is to say by its name.
    if not issubclass(kind, SystemExit):
        LOGGER.critical("uncaught", exc_info=(kind, error or kind(), trace))


def _warned(
    message: Warning | str,  # noqa: ARG001 - it may quote a value
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    LOGGER.warning("warned", extra={"kind": category.__name__, "at": f"{filename}:{lineno}"})

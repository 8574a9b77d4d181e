"""Keeps pydicom's warnings and log lines from leaving: they repeat values of the file, names among them."""

import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pydicom.errors import BytesLengthException, InvalidDicomError

__all__ = ["BROKEN_INPUT", "quiet_pydicom"]

# What pydicom and its decoders raise on broken input. Their texts repeat values of the file too, so what is
# raised in their place is raised `from None`. The list is wide because they don't document it, and it leaves
# out what is never the file's fault: MemoryError, ImportError, KeyboardInterrupt.
BROKEN_INPUT = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    OSError,
    RuntimeError,  # with RecursionError and NotImplementedError
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

_lock = threading.Lock()
_n_inside = 0
_opened = ExitStack()


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Inside, nothing is warned or logged by pydicom. Threads may be inside at the same time.

    `warnings.catch_warnings` alone is not safe with threads: who leaves last would restore what another
    one had silenced, for ever. So the first to come in silences and the last to go restores.
    """
    global _n_inside
    with _lock:
        if _n_inside == 0:
            _opened.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            logger = logging.getLogger("pydicom")
            _opened.callback(setattr, logger, "disabled", logger.disabled)
            logger.disabled = True
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if _n_inside == 0:
                _opened.close()

"""The top of a process: it turns signals into a stop, and errors into one last line and an exit code."""

import signal
import sys
import threading
from collections.abc import Callable

from osteon.errors import Fatal, OsteonError
from osteon.runtime import logs
from osteon.runtime.audit_repository import sending_audits
from osteon.runtime.crashes import keep_values_in
from osteon.runtime.settings import Settings

__all__ = ["EXIT_CODES", "run"]

EXIT_CODES = {
    0: "Ended as asked.",
    1: "A fault in the program; the last log line says where.",
    78: "Fatal: a setting, a key, a topic or an offset is not as it must be; the last log line says which.",
}
LOGGER = logs.logger(__name__)


def run(service: str, settings: Callable[[], Settings], main: Callable[..., None]) -> None:
    """Read the settings, call `main(settings, stop)` and exit; SIGTERM and SIGINT set `stop`."""
    logs.start(service)
    keep_values_in()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        known = settings()
        logs.start(service, known.log_level)
        with sending_audits(known, service):
            main(known, stop)
    except Fatal as error:
        LOGGER.critical("stopped", extra={"why": str(error)})
        sys.exit(78)
    except OsteonError as error:
        LOGGER.critical("stopped", extra={"why": str(error)})
        sys.exit(1)
    except SystemExit as end:  # Python would print a code that is a text
        sys.exit(end.code if end.code is None or isinstance(end.code, int) else 1)
    except Exception:
        LOGGER.critical("stopped by a fault", exc_info=True)
        sys.exit(1)

"""Logs as JSON lines on standard error: the message is constant, what varies is in fields."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

__all__ = ["logger", "start"]

OURS = ("osteon", "__main__")
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _JsonLine(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self.service,
            "logger": record.name,
        }
        if record.name.split(".")[0].startswith(OURS):
            line["message"] = record.getMessage()
            line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        else:
            # What libraries put into a message or behind its first line may quote an image, as asyncio does with
            # the exception of a task.
            line["message"] = str(record.msg).partition("\n")[0]
        if record.exc_info and record.exc_info[0]:
            # Texts of foreign exceptions may quote what they choked on, and that may name a patient:
            # the type and the place are enough to find the fault.
            line["error"] = record.exc_info[0].__name__
            line["at"] = _places(record)
        return json.dumps(line, default=str, allow_nan=False)


def _places(record: logging.LogRecord) -> list[str]:
    places = []
    trace = record.exc_info[2] if record.exc_info else None
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_qualname}")
        trace = trace.tb_next
    return places


def start(service: str, level: str = "INFO", to: TextIO | None = None) -> None:
    """Send what this process logs from `level` on to standard error, or where else it shall go, as JSON lines."""
    handler = logging.StreamHandler(to or sys.stderr)
    handler.setFormatter(_JsonLine(service))
    logging.raiseExceptions = False  # where a line can't be written, logging would print what it was about
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # These log each request, connection or byte, and some of what they log can hold identifiers.
    for noisy in ("kafka", "pynetdicom", "pydicom", "urllib3", "httpx", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)


def logger(name: str) -> logging.Logger:
    """The logger of a module; give values as `extra={"image_id": …}`."""
    return logging.getLogger(name)

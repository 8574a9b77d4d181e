"""An outage that a door knows of: who comes meanwhile is refused at once, and need not wait to hear the same.

An image that meets a store or a bus that is away costs its sender up to half a minute. From then on a thread asks what
failed, again and again; once that has failed too, images are refused untried until it is well. A failure that the
probe can't confirm changes nothing.
"""

import threading
from collections.abc import Callable, Mapping
from typing import final

from osteon.errors import OsteonError, Passing
from osteon.runtime import logs

__all__ = ["Outage"]

ASK_EVERY_S = 1.0
LOGGER = logs.logger(__name__)


@final
class Outage:
    """What is away, by the `probes` of the things that a door needs. Thread-safe."""

    def __init__(self, probes: Mapping[str, Callable[[], object]] | None = None, every_s: float = ASK_EVERY_S) -> None:
        self._probes = dict(probes or {})
        self._every_s = every_s
        self._asked: set[str] = set()
        self._away: dict[str, str] = {}
        self._lock = threading.Lock()

    def refuse(self) -> None:
        """Raise Passing if something is known to be away."""
        with self._lock:
            for name, why in self._away.items():
                raise Passing(name, why)

    def suspect(self, name: str) -> None:
        """Have it asked until it is well, if it can be."""
        with self._lock:
            if name in self._asked or name not in self._probes:
                return
            self._asked.add(name)
        threading.Thread(target=self._ask, args=(name,), name=f"ask-{name}", daemon=True).start()

    def _ask(self, name: str) -> None:
        pause = threading.Event()
        while (why := self._trouble(name)) is not None:
            with self._lock:
                is_new, self._away[name] = name not in self._away, why
            if is_new:
                LOGGER.error("away, so images are refused at once", extra={"dependency": name, "why": why})
            pause.wait(self._every_s)
        with self._lock:
            was_away = self._away.pop(name, None) is not None
            self._asked.discard(name)
        if was_away:
            LOGGER.info("well again, images are taken in", extra={"dependency": name})

    def _trouble(self, name: str) -> str | None:
        try:
            self._probes[name]()
        except OsteonError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever a probe raises, it did not succeed
            return type(error).__name__
        return None

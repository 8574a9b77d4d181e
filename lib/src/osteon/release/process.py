"""The process of a stage that asks released models: `python -m osteon_harmonizer`, `python -m osteon_classifier`."""

import sys
import threading
from collections.abc import Callable, Sequence

from osteon.bus import Stage
from osteon.bus import connect_as as connect_bus
from osteon.bus.isolate import work_one
from osteon.errors import Fatal
from osteon.release.releases import Releases
from osteon.release.triton import Triton
from osteon.release.triton import connect_as as connect_triton
from osteon.runtime import Settings, read_settings
from osteon.runtime.health import Health, serve
from osteon.runtime.service import run
from osteon.store import Store
from osteon.store import connect_as as connect_store

__all__ = ["run_stage"]

MakeStage = Callable[[Settings, Store, Releases, Triton], Stage]


def run_stage(service: str, make_stage: MakeStage, arguments: Sequence[str] = sys.argv[1:]) -> None:
    """Run the stage until SIGTERM; with the one argument `work-one`, work one record from standard input."""

    def main(settings: Settings, stop: threading.Event) -> None:
        bus = connect_bus(settings)
        store = connect_store(settings)
        stage = make_stage(settings, store, Releases(bus, store), connect_triton(settings))
        if list(arguments) == ["work-one"]:
            work_one(stage.work)
        elif arguments:
            raise Fatal(f"unknown arguments {' '.join(arguments)}; there is only work-one")
        else:
            health = Health()
            serve(health, settings.health_port, settings.health_host)
            stage.run(bus, stop, health)

    run(service, lambda: read_settings(Settings), main)

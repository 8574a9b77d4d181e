"""`python -m osteon_console`: keep the table of states, and answer what is asked of it."""

import threading

from osteon.bus import connect_as
from osteon.runtime import health, read_settings
from osteon.runtime.lock import http_lock
from osteon.runtime.service import run
from osteon_console.api import api, listen, serve
from osteon_console.measure import measure_for_ever
from osteon_console.settings import ConsoleSettings
from osteon_console.tables import open_database
from osteon_console.track import Tracker


def main(settings: ConsoleSettings, stop: threading.Event) -> None:
    known = health.Health()
    lock = http_lock(settings, settings.host, door="console", is_open=settings.is_open, setting="OSTEON_IS_OPEN")
    listening = listen(settings.host, settings.port)
    engine = open_database(settings.database_url.get_secret_value())
    tracker = Tracker(engine, connect_as(settings), known)
    application = api(engine, settings.deadline_s, known, lambda: tracker.is_current, site=settings.site)

    health.serve(known, settings.health_port, settings.health_host)
    answering = threading.Thread(
        target=serve, args=(application, listening, lock, settings.site, stop), name="api", daemon=True
    )
    answering.start()
    measuring = threading.Thread(
        target=measure_for_ever, args=(engine, settings.deadline_s, stop), name="measure", daemon=True
    )
    measuring.start()
    tracker.run(stop)
    answering.join(timeout=15)  # serve gives questions under way ten seconds
    measuring.join(timeout=15)
    engine.dispose()


if __name__ == "__main__":
    run("console", lambda: read_settings(ConsoleSettings), main)

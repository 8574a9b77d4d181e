"""Tell Prometheus what the table of states says: images by site and state, what waits for each stage, and how long."""

import threading
import time
from collections import Counter

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from osteon.runtime import logs, metrics
from osteon_console.query import WAITED_FOR, is_overdue
from osteon_console.reception import ENDED, OPEN
from osteon_console.tables import POSITIONS, RECEPTIONS

__all__ = ["measure", "measure_for_ever"]

LOGGER = logs.logger(__name__)
_STATE = RECEPTIONS.c.state
_SPLIT = (RECEPTIONS.c.site, _STATE, RECEPTIONS.c.is_above_operating_point)
_COUNTED = select(*_SPLIT, func.count(), func.min(RECEPTIONS.c.received_at_us)).group_by(*_SPLIT)
_READ = select(POSITIONS.c.topic, func.sum(POSITIONS.c.next_offset)).group_by(POSITIONS.c.topic)
EVERY_S = 5.0
REST = 20  # times as long as it took: counting a table of millions takes seconds, and shall not be all that is done


def measure_for_ever(engine: Engine, deadline_s: float, stop: threading.Event) -> None:
    """Look every `EVERY_S`, or more rarely where a look takes long, until `stop`.

    While the database does not answer the figures stay as they were: their timestamp tells how old they are.
    """
    took_s = 0.0
    while not stop.wait(max(EVERY_S, REST * took_s)):
        began_s = time.monotonic()
        try:
            with engine.connect() as connection:
                measure(connection, time.time(), deadline_s)
        except SQLAlchemyError:  # its text may hold what was stored
            LOGGER.warning("the database was not asked for figures: it does not answer")
        took_s = time.monotonic() - began_s


def measure(connection: Connection, now_s: float, deadline_s: float) -> None:
    """Set all figures from the tables. `now_s` is in seconds since 1970; `deadline_s` as in the settings."""
    by_site, sides = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    oldest_us: dict[str, int] = {}
    for site, state, is_above, n_images, first_us in connection.execute(_COUNTED):
        by_site[site, state] += n_images
        oldest_us[state] = min(first_us, oldest_us.get(state, first_us))
        if is_above is not None:
            sides[site, "above" if is_above else "below"] += n_images
    for gauge in (metrics.IMAGES, metrics.FINDINGS):
        gauge.clear()  # a site whose images were all forgotten is told of no more
    for site in {site for site, _ in by_site}:
        for state in (*OPEN, *ENDED):
            metrics.IMAGES.labels(site, state).set(by_site[site, state])
        for side in ("above", "below"):
            metrics.FINDINGS.labels(site, side).set(sides[site, side])
    late = select(_STATE, func.count()).where(is_overdue(int((now_s - deadline_s) * 1e6))).group_by(_STATE)
    n_overdue: dict[str, int] = dict(connection.execute(late).all())
    for stage, state in WAITED_FOR.items():
        metrics.WAITING.labels(stage).set(sum(n for (_, of), n in by_site.items() if of == state))
        metrics.OVERDUE.labels(stage).set(n_overdue.get(state, 0))
        oldest_s = now_s - oldest_us[state] / 1e6 if state in oldest_us else 0.0
        metrics.OLDEST_WAITING_SECONDS.labels(stage).set(max(0.0, oldest_s))
    for topic, n_read in connection.execute(_READ):
        metrics.READ_OFFSETS.labels(topic).set(n_read)
    metrics.MEASURED_TIMESTAMP.set(now_s)

"""What must be there before a service starts: topics, buckets, and a release in force. Safe to repeat.

Run by the supervisor as `python -m osteon_stack.prepare FOLDER`.
"""

import sys
from pathlib import Path

from osteon import store
from osteon.bus import KafkaBus
from osteon.contracts.topic_rights import RIGHTS
from osteon.contracts.topics import TOPICS
from osteon.release import publish
from osteon.release.releases import Releases
from osteon.release.repository import Folder, read_folder
from osteon.runtime import logs
from osteon_stack.ports import HOST, Ports
from osteon_stack.seaweedfs import make_buckets
from osteon_stack.secrets import identity, is_locked, kafka_login
from osteon_stack.services import SITE, connect_bus
from osteon_stack.state import read_wanted

__all__ = ["connect_store", "demo_models", "prepare"]

LOGGER = logs.logger(__name__)


def prepare(folder: Path, ports: Ports) -> None:
    """Make what is missing."""
    make_buckets(folder, ports)
    bus = connect_bus(folder, ports)
    bus.provision(TOPICS, replication=1)
    if is_locked(folder):
        bus.grant({name: kafka_login(folder, name).password for name in RIGHTS}, RIGHTS, SITE)
    _release(bus, connect_store(folder, ports))


def connect_store(folder: Path, ports: Ports) -> store.Store:
    """The stack's object store, with all rights."""
    keys = identity(folder, "admin")
    return store.connect(f"{HOST}:{ports.seaweedfs_s3}", keys.access_key, keys.secret_key)


def demo_models() -> dict[str, Folder]:
    """The demonstration models by role, from `models/` of this checkout; empty where there is none."""
    models = Path(__file__).resolve().parents[3] / "models"
    folders = [read_folder(card.parent) for card in sorted(models.glob("*/card.json"))]
    return {folder.card.role: folder for folder in folders}


def _release(bus: KafkaBus, objects: store.Store) -> None:
    """Put the demonstration models in force, unless something is: what people chose is not undone here."""
    releases = Releases(bus, objects)
    try:
        if releases.in_force_record() is not None:
            return
        models = demo_models()
        if not {"harmonizer", "classifier"} <= set(models):
            LOGGER.warning("no models to release")
            return
        made = publish.make(bus, objects, releases, models["harmonizer"], models["classifier"])
        # Nothing serves it yet: the reconciler starts after this, and the stages wait for it.
        publish.use(bus, releases, made)
        LOGGER.info("released", extra={"release_set": made})
    finally:
        releases.close()


if __name__ == "__main__":
    logs.start("prepare")
    wanted = read_wanted(Path(sys.argv[1]))
    assert wanted is not None
    prepare(Path(sys.argv[1]), wanted.ports)

"""What must be there before a service starts: topics, buckets, and a release in force. Safe to repeat.

Run by the supervisor as `python -m osteon_stack.prepare FOLDER`.
"""

import sys
from pathlib import Path

from osteon.bus import connect
from osteon.contracts.topics import TOPICS
from osteon_stack.ports import HOST, Ports
from osteon_stack.seaweedfs import make_buckets
from osteon_stack.state import read_wanted

__all__ = ["prepare"]


def prepare(folder: Path, ports: Ports) -> None:
    """Make what is missing."""
    make_buckets(folder, ports)
    connect(f"{HOST}:{ports.kafka}").provision(TOPICS, replication=1)


if __name__ == "__main__":
    wanted = read_wanted(Path(sys.argv[1]))
    assert wanted is not None
    prepare(Path(sys.argv[1]), wanted.ports)

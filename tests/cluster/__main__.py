"""What the chart costs on a cluster: time to install, memory, images/s beside the local stack, with two pods of accept.

    KUBECONFIG=… python -m tests.cluster --bundle dist/osteon-….tar [--images 100] [--pods 1 2]
    python -m tests.cluster                     # the local stack alone

Each figure is measured once, all on this machine, which should have nothing else to do.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from osteon.bus import Bus
from osteon.bus import connect as connect_bus
from osteon.contracts.topics import DEAD_LETTER, IMAGE_CLASSIFIED, IMAGE_SET_ASIDE
from osteon_stack.ports import HOST, free_ports
from osteon_stack.stack import Stack

from ..faults.radiographs import Radiograph, write_radiographs
from .bundle import unpack
from .cluster import connect, home, until
from .release import PATIENCE_S, Door, Release

N_WARM = 10
SEED = 1


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster")
    parser.add_argument("--bundle", type=Path, help="the archive of make bundle; without it no cluster is asked")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--pods", type=int, nargs="+", default=[1, 2], help="how many of accept, one after the other")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="osteon-figures-") as scratch:
        folder = Path(scratch)
        images = list(write_radiographs(folder / "images", N_WARM + given.images, SEED))
        if given.bundle:
            of_the_cluster(given.bundle.absolute(), images, given.pods, folder)
        of_the_stack(images, folder)


def of_the_cluster(archive: Path, images: list[Radiograph], pods: list[int], folder: Path) -> None:
    """Install, measure and remove all, for each number of pods of accept."""
    (folder / "bundle").mkdir()
    cluster = connect("osteon-figures")
    bundle = unpack(archive, folder / "bundle")
    began = time.monotonic()
    bundle.load(home() / "run" / "containerd" / "containerd.sock")
    say("images loaded, s", time.monotonic() - began)
    try:
        for n_pods in pods:
            cluster.make()
            release = Release(cluster, bundle.chart)
            say(
                f"install to ready with {n_pods} of accept, s",
                release.change("install", f"--set=accept.replicas={n_pods}"),
            )
            say("memory at rest, GB", release.memory_bytes() / 1e9)
            door = release.door(folder)
            throughput = images_per_s(door, images, folder / f"logs-{n_pods}", partial(of_release, release))
            say(f"images/s with {n_pods} of accept", throughput)
            say("memory after these images, GB", release.memory_bytes() / 1e9)
            cluster.end()
    finally:
        cluster.end()


def of_the_stack(images: list[Radiograph], folder: Path) -> None:
    """The same images through `make up` on this machine."""
    stack = Stack(folder / "stack", free_ports())
    try:
        stack.up()
        bus = connect_bus(f"{HOST}:{stack.ports.kafka}")
        door = Door(stack.ports.dimse, stack.ports.stow)
        throughput = images_per_s(door, images, folder / "logs-stack", partial(of_bus, bus))
        say("images/s of the local stack", throughput)
    finally:
        stack.down()


def images_per_s(door: Door, images: list[Radiograph], logs: Path, ends: Callable[[], list[float]]) -> float:
    """From the first byte sent to the last outcome, by two senders that never wait, after a few images that warm up.

    `ends` tells when each outcome there is was written, in seconds since 1970.
    """
    n_before = 0
    for part, name in ((images[:N_WARM], "warm"), (images[N_WARM:], "measured")):
        senders = door.senders(part, 0.0, logs / name, SEED)
        began = time.time()
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(PATIENCE_S)
        n_after = n_before + len(part)
        until(lambda n_after=n_after: len(ends()) >= n_after, f"{n_after} outcomes", within_s=PATIENCE_S)  # type: ignore[misc]
        n_before = n_after
    return len(images[N_WARM:]) / (max(ends()) - began)


def of_release(release: Release) -> list[float]:
    return [one.at_s for found in release.outcomes().values() for one in found]


def of_bus(bus: Bus) -> list[float]:
    return [one.timestamp_ms / 1000 for one in bus.read([IMAGE_CLASSIFIED, IMAGE_SET_ASIDE, DEAD_LETTER])]


def say(what: str, figure: float) -> None:
    sys.stdout.write(f"{what:42} {figure:8.1f}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

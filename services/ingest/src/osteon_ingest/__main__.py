"""`python -m osteon_ingest …`: the processes of the ingest service."""

import argparse
import ctypes
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from osteon import bus, store
from osteon.contracts import DOOR_DIMSE, DOOR_FOLDER, DOOR_STOW
from osteon.errors import Fatal
from osteon.runtime import read_settings
from osteon.runtime.service import run
from osteon_ingest.outage import Outage
from osteon_ingest.receive import Threshold, begin_counts
from osteon_ingest.settings import IngestSettings

PR_SET_PDEATHSIG = 1  # linux/prctl.h

Command = Callable[[IngestSettings, threading.Event, argparse.Namespace], None]


def doors(settings: IngestSettings, stop: threading.Event, _: argparse.Namespace) -> None:
    """all doors, and the sweeper, each in processes of its own"""
    from osteon_ingest.doors import open_doors

    settings.keys()  # refuse here, not in each child
    open_doors(settings, stop)


def receive_dimse(settings: IngestSettings, stop: threading.Event, given: argparse.Namespace) -> None:
    """one worker of the C-STORE door, on a socket of its parent"""
    from osteon_ingest.receive_dimse import serve_dimse

    begin_counts(DOOR_DIMSE)
    threshold = _threshold(settings)
    _say_ready(given)
    serve_dimse(settings, threshold, socket.socket(fileno=given.socket), stop)


def receive_stow(settings: IngestSettings, stop: threading.Event, given: argparse.Namespace) -> None:
    """one worker of the STOW-RS door, on a socket of its parent"""
    from osteon_ingest.receive_stow import serve_stow

    begin_counts(DOOR_STOW)
    threshold = _threshold(settings)
    _say_ready(given)
    serve_stow(settings, threshold, socket.socket(fileno=given.socket), stop)


def receive_folder(settings: IngestSettings, stop: threading.Event, given: argparse.Namespace) -> None:
    """the watched folder"""
    from osteon_ingest.receive_folder import watch_folder

    if settings.folder is None:
        raise Fatal("there is no folder to watch; set OSTEON_FOLDER")
    begin_counts(DOOR_FOLDER)
    threshold = _threshold(settings)
    _say_ready(given)
    watch_folder(settings.folder, settings.folder_look_s, threshold, stop)


def report_commitments(settings: IngestSettings, stop: threading.Event, given: argparse.Namespace) -> None:
    """the results of storage commitments, to requesters that have an address"""
    from osteon_ingest.report_commitments import Reporter, report_for_ever

    reporter = Reporter(settings, _threshold(settings))
    _say_ready(given)
    report_for_ever(reporter, stop)


def sweep(settings: IngestSettings, stop: threading.Event, given: argparse.Namespace) -> None:
    """announce what was put into the inbox and never announced; drop commitment requests that none is to answer"""
    from osteon_ingest.report_commitments import Reporter
    from osteon_ingest.sweep import Announced, sweep, sweep_for_ever

    threshold, announced = _threshold(settings), Announced(bus.connect_as(settings))
    reporter = Reporter(settings, threshold)

    def once() -> None:
        sweep(threshold, announced, settings.sweep_after_s)
        if not settings.commit_addresses:  # then nobody else looks at what was kept while there were some
            reporter.look()

    _say_ready(given)
    if given.for_ever:
        sweep_for_ever(once, settings.sweep_every_s, stop)
    else:
        once()


def accept(settings: IngestSettings, stop: threading.Event, _: argparse.Namespace) -> None:
    """the stage behind the doors: accept and de-identify"""
    from osteon_ingest.accept import run

    run(settings, stop)


def work_one(settings: IngestSettings, _: threading.Event, __: argparse.Namespace) -> None:
    """one record of that stage, from standard input, where only this process can die of it"""
    from osteon_ingest.accept import run_one

    run_one(settings)


def _threshold(settings: IngestSettings) -> Threshold:
    """What an image passes on its way in, on the real store and bus."""
    objects, kafka = store.connect_as(settings), bus.connect_as(settings)
    return Threshold(
        settings.site,
        settings.keys(),
        objects,
        kafka.publisher(None),
        settings.max_object_bytes,
        Outage({"store": objects.probe, "bus": kafka.probe}),
    )


def _say_ready(given: argparse.Namespace) -> None:
    """Tell the parent, by a file, that this process is about to serve: imports are behind it."""
    if given.ready is not None:
        given.ready.touch()


def _die_with(parent: int) -> None:
    """Get SIGTERM when the parent is gone, so that no worker holds a port that nobody owns (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # gone before that was set
        sys.exit()


COMMANDS: dict[str, Command] = {
    "doors": doors,
    "receive-dimse": receive_dimse,
    "receive-stow": receive_stow,
    "receive-folder": receive_folder,
    "report-commitments": report_commitments,
    "sweep": sweep,
    "accept": accept,
    "work-one": work_one,
}


def main() -> None:
    """Read the command line and run one process until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m osteon_ingest", description="Receive, accept and de-identify.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.__doc__)
        one.add_argument("--parent", type=int, help="process id of the parent, to end with it")
        one.add_argument("--ready", type=Path, help="file to make when ready to serve")
        if name in ("receive-dimse", "receive-stow"):
            one.add_argument("--socket", type=int, required=True, help="file descriptor of the listening socket")
        if name == "sweep":
            one.add_argument("--for-ever", action="store_true", help="again and again, every OSTEON_SWEEP_EVERY_S")
    given = parser.parse_args()
    if given.parent is not None:
        _die_with(given.parent)
    run(
        f"ingest-{given.command}",
        lambda: read_settings(IngestSettings),
        lambda settings, stop: COMMANDS[given.command](settings, stop, given),
    )


if __name__ == "__main__":
    main()

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from osteon.bus import Outgoing
from osteon.contracts import DOOR_FOLDER
from osteon.errors import Fatal
from osteon_ingest.receive import Threshold
from osteon_ingest.receive_folder import watch_folder

Make = Callable[..., Dataset]
Write = Callable[[Dataset], bytes]


@pytest.fixture
def watched(threshold: Threshold, tmp_path: Path) -> Iterator[Path]:
    stop = threading.Event()
    watcher = threading.Thread(target=watch_folder, args=(tmp_path, 0.05, threshold, stop))
    watcher.start()
    yield tmp_path
    stop.set()
    watcher.join(20)
    assert not watcher.is_alive()


def test_a_complete_file_is_received_and_moved(
    watched: Path, announcements: Any, new_object: Make, as_file: Write, until: Callable[..., None]
) -> None:
    (watched / "of today").mkdir()
    data = as_file(new_object())

    (watched / "of today" / "a.dcm").write_bytes(data)

    until(lambda: (watched / "done" / "of today" / "a.dcm").exists())
    assert (watched / "done" / "of today" / "a.dcm").read_bytes() == data
    assert not (watched / "of today" / "a.dcm").exists()
    assert [image.door for image in announcements.images] == [DOOR_FOLDER]


def test_what_is_refused_is_moved_with_its_reason(watched: Path, until: Callable[..., None]) -> None:
    (watched / "a.pdf").write_bytes(b"%PDF-1.7")

    until(lambda: (watched / "refused" / "a.pdf").exists())
    assert (watched / "refused" / "a.pdf.txt").read_text().startswith("not-dicom: ")


@pytest.mark.slow
def test_a_file_that_cant_be_moved_does_not_close_the_door(
    watched: Path, announcements: Any, new_object: Make, as_file: Write, until: Callable[..., None]
) -> None:
    (watched / ("a" * 252)).write_bytes(b"%PDF-1.7")  # no name is left for the text with the reason
    (watched / "b.dcm").write_bytes(as_file(new_object()))

    until(lambda: (watched / "done" / "b.dcm").exists())
    (watched / "c.dcm").write_bytes(as_file(new_object()))
    until(lambda: (watched / "done" / "c.dcm").exists())
    assert len(announcements.images) == 2


def test_a_file_that_changes_while_it_is_received_is_received_again(
    threshold: Threshold, tmp_path: Path, new_object: Make, as_file: Write, until: Callable[..., None]
) -> None:
    path, whole = tmp_path / "slow.dcm", as_file(new_object())
    path.write_bytes(whole[:-2000])
    announced: list[int] = []

    class Slow:
        """Announces while the sender goes on writing."""

        def publish(self, outgoing: Outgoing, traceparent: str) -> None:
            announced.append(path.stat().st_size)
            path.write_bytes(whole)

    stop = threading.Event()
    slow = replace(threshold, publisher=Slow())
    watcher = threading.Thread(target=watch_folder, args=(tmp_path, 0.05, slow, stop))
    watcher.start()
    try:
        until(lambda: len(announced) >= 2)
    finally:
        stop.set()
        watcher.join(20)

    assert announced[:2] == [len(whole) - 2000, len(whole)]


def test_a_file_that_still_grows_is_not_touched(
    watched: Path, announcements: Any, new_object: Make, as_file: Write, until: Callable[..., None]
) -> None:
    data = as_file(new_object())
    with (watched / "slow.dcm").open("wb", buffering=0) as file:
        for at in range(0, len(data), 200):
            file.write(data[at : at + 200])
            os.utime(watched / "slow.dcm", ns=(at, at))
    (watched / "marker").write_bytes(b"junk")

    until(lambda: (watched / "done" / "slow.dcm").exists())

    assert (watched / "done" / "slow.dcm").read_bytes() == data
    assert len(announcements.images) == 1


def test_hidden_and_partial_files_are_left_alone(
    watched: Path, announcements: Any, new_object: Make, as_file: Write, until: Callable[..., None]
) -> None:
    (watched / ".hidden.dcm").write_bytes(as_file(new_object()))
    (watched / "b.dcm.part").write_bytes(as_file(new_object()))
    (watched / "c.dcm").write_bytes(as_file(new_object()))

    until(lambda: (watched / "done" / "c.dcm").exists())

    assert (watched / ".hidden.dcm").exists()
    assert (watched / "b.dcm.part").exists()
    assert len(announcements.images) == 1


def test_a_file_stays_while_the_bus_is_away(
    watched: Path, announcements: Any, new_object: Make, as_file: Write, until: Callable[..., None]
) -> None:
    announcements.is_away = True
    (watched / "a.dcm").write_bytes(as_file(new_object()))
    (watched / "junk").write_bytes(b"junk")
    until(lambda: (watched / "refused" / "junk").exists())

    assert (watched / "a.dcm").exists()
    announcements.is_away = False

    until(lambda: (watched / "done" / "a.dcm").exists())
    assert len(announcements.images) == 1


def test_a_second_file_of_the_same_name_does_not_replace_the_first(
    watched: Path, new_object: Make, as_file: Write, until: Callable[..., None]
) -> None:
    first, second = as_file(new_object()), as_file(new_object())
    (watched / "a.dcm").write_bytes(first)
    until(lambda: (watched / "done" / "a.dcm").exists())

    (watched / "a.dcm").write_bytes(second)

    until(lambda: (watched / "done" / "a.dcm.1").exists())
    assert (watched / "done" / "a.dcm").read_bytes() == first


def test_two_processes_do_not_watch_the_same_folder(
    watched: Path, threshold: Threshold, until: Callable[..., None]
) -> None:
    until(lambda: (watched / ".lock").exists())

    with pytest.raises(Fatal, match="OSTEON_FOLDER"):
        watch_folder(watched, 0.05, threshold, threading.Event())


def test_a_folder_that_cannot_be_made_is_fatal(threshold: Threshold, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(Fatal, match="OSTEON_FOLDER"):
        watch_folder(tmp_path / "file", 0.05, threshold, threading.Event())

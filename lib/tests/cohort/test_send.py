"""Files go out as they are, at the rate that was asked for."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context
from typer.testing import CliRunner

from osteon.cohort.commands import cohort as commands
from osteon.cohort.send import Answer, Parcel, at_rate
from osteon.cohort.table import Description, write_cohort
from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import specimen


def test_images_wait_for_their_turn_and_catch_up_after_a_pause() -> None:
    waited: list[float] = []
    now = [0.0]

    def wait(seconds: float) -> None:
        waited.append(round(seconds, 6))
        now[0] += seconds

    def answers() -> Iterator[Answer]:
        for number in range(5):
            now[0] += 1.0 if number == 2 else 0.01  # the third takes a second
            yield Answer(Parcel(Path("a"), "dimse"))

    list(at_rate(answers(), 4.0, lambda: now[0], wait))

    assert waited == [0.24, 0.24]  # after the pause nothing waits until the turns are met again


@pytest.fixture
def door() -> Iterator[tuple[int, list[bytes]]]:
    """A storage that takes all but the second image."""
    taken: list[bytes] = []

    def store(event: Any) -> int:
        taken.append(event.request.DataSet.getvalue())
        return 0xA700 if len(taken) == 2 else 0x0000

    entity = AE("DOOR")
    entity.supported_contexts = [build_context("1.2.840.10008.5.1.4.1.1.1.1", ExplicitVRLittleEndian)]
    server: Any = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    yield server.socket.getsockname()[1], taken
    server.shutdown()


def test_a_cohort_is_sent_by_c_store_and_what_was_not_taken_is_told(
    door: tuple[int, list[bytes]], tmp_path: Path
) -> None:
    port, taken = door
    for number in range(3):
        dataset = specimen(number, purpose="test", pitch_mm=2.0).dataset
        (tmp_path / f"{number}.dcm").write_bytes(encoded(dataset, ExplicitVRLittleEndian))
    names = [str(number) for number in range(3)]
    table = pl.DataFrame({"case": names, "patient": names, "path": [f"{name}.dcm" for name in names]})
    write_cohort(table, tmp_path / "cohort.parquet", Description("three"))

    done = CliRunner().invoke(commands, ["send", str(tmp_path), "--to", f"dimse://DOOR@127.0.0.1:{port}"])

    assert done.exit_code == 1
    assert "2 of 3 images were taken" in done.output
    assert "1 not: status 0xA700" in done.output
    assert len(taken) == 3


@pytest.mark.parametrize("to", ["dimse://DOOR@127.0.0.1:{port}", "http://127.0.0.1:{port}/studies"])
def test_a_missing_file_and_a_closed_door_are_told_for_each_file(tmp_path: Path, to: str) -> None:
    with socket.socket() as bound:  # bound and not listening: nobody answers there
        bound.bind(("127.0.0.1", 0))
        dataset = specimen(0, purpose="test", pitch_mm=2.0).dataset
        (tmp_path / "0.dcm").write_bytes(encoded(dataset, ExplicitVRLittleEndian))
        table = pl.DataFrame({"case": ["0", "1"], "patient": ["0", "1"], "path": ["0.dcm", "gone.dcm"]})
        write_cohort(table, tmp_path / "cohort.parquet", Description("two"))

        done = CliRunner().invoke(commands, ["send", str(tmp_path), "--to", to.format(port=bound.getsockname()[1])])

    assert done.exit_code == 1
    assert "0 of 2 images were taken" in done.output
    assert done.output.count("1 not: ") == 2
    assert ("no DICOM door answers there" in done.output) == to.startswith("dimse")


def test_an_address_that_is_none_says_how_one_reads(tmp_path: Path) -> None:
    table = pl.DataFrame({"case": ["a"], "patient": ["a"], "path": ["a.dcm"]})
    write_cohort(table, tmp_path / "cohort.parquet", Description("one"))

    done = CliRunner().invoke(commands, ["send", str(tmp_path), "--to", "somewhere"])

    assert "dimse://AET@host:port" in str(done.exception)

"""dcmtk's senders at the C-STORE door of a running stack."""

import re
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import (
    HEVCM10P51,
    HEVCMP51,
    JPEG2000,
    MPEG2MPHL,
    MPEG2MPML,
    MPEG4HP41,
    MPEG4HP41BD,
    MPEG4HP42STEREO,
    MPEG4HP422D,
    MPEG4HP423D,
    UID,
    JPEG2000Lossless,
)

from tests.peers.conftest import Peers, Radiograph, Site

Program = Callable[[str], str]
Make = Callable[..., list[Radiograph]]
Call = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VIDEO = "unknown-transfer-syntax"
SYNTAXES = {
    # storescu's option: dcmtk's program that encodes, or the transfer syntax of ours or of the name alone; the outcome
    "-xe": (("dcmconv", "+te"), "classified"),
    "-xb": (("dcmconv", "+tb"), "classified"),
    "-xi": (("dcmconv", "+ti"), "classified"),
    "-xd": (("dcmconv", "+td"), "classified"),
    "-xs": (("dcmcjpeg", "+e1"), "classified"),
    "-xy": (("dcmcjpeg", "+eb", "+Wm", "+un"), "classified"),
    "-xx": (("dcmcjpeg", "+ee", "+un"), "classified"),
    "-xt": (("dcmcjpls", "+el"), "classified"),
    "-xu": (("dcmcjpls", "+en", "+un"), "classified"),
    "-xr": (("dcmcrle",), "classified"),
    "-xv": ((JPEG2000Lossless,), "classified"),
    "-xw": ((JPEG2000,), "classified"),
    "-xm": ((MPEG2MPML,), VIDEO),
    "-xh": ((MPEG2MPHL,), VIDEO),
    "-xn": ((MPEG4HP41,), VIDEO),
    "-xl": ((MPEG4HP41BD,), VIDEO),
    "-x2": ((MPEG4HP422D,), VIDEO),
    "-x3": ((MPEG4HP423D,), VIDEO),
    "-xo": ((MPEG4HP42STEREO,), VIDEO),
    "-x4": ((HEVCMP51,), VIDEO),
    "-x5": ((HEVCM10P51,), VIDEO),
}


def test_the_door_answers_an_echo(site: Site, program: Program, call: Call) -> None:
    told = call(program("echoscu"), "-v", "-aec", "OSTEON", *site.dimse)

    assert told.returncode == 0, told.stdout + told.stderr


def test_every_transfer_syntax_that_storescu_offers_has_its_outcome(
    site: Site, program: Program, call: Call, radiographs: Make
) -> None:
    images = dict(zip(SYNTAXES, radiographs(len(SYNTAXES)), strict=True))
    for option, image in images.items():
        encode(program, call, image.path, SYNTAXES[option][0])

    for option, image in images.items():
        told = call(program("storescu"), "-v", option, "-aec", "OSTEON", *site.dimse, image.path)
        assert told.returncode == 0, f"{option}: {told.stdout}{told.stderr}"
        assert "(Success)" in told.stdout + told.stderr, f"{option}: {told.stdout}{told.stderr}"

    outcomes = site.outcomes(*(image.uid for image in images.values()))
    assert {option: outcomes[image.uid] for option, image in images.items()} == {
        option: outcome for option, (_, outcome) in SYNTAXES.items()
    }


def encode(program: Program, call: Call, path: Path, how: tuple[str, ...]) -> None:
    """Rewrite a file in a transfer syntax."""
    if how[0].startswith("dcm"):
        told = call(program(how[0]), *how[1:], path, path)
        assert told.returncode == 0, told.stderr
        return
    dataset = dcmread(path)
    if how[0] in (JPEG2000Lossless, JPEG2000):
        dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    dataset.file_meta.TransferSyntaxUID = UID(
        how[0]
    )  # a lossless stream is a JPEG 2000 stream; a video needs no real one
    if dataset["PixelData"].VR != "OB":
        dataset.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\x04\0\0\0\0\0\x01\xb3"
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path, enforce_file_format=True)


def test_a_folder_is_taken_to_its_depths(site: Site, program: Program, call: Call, radiographs: Make) -> None:
    images = radiographs(4)
    folder = images[0].path.parent
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    images[3].path.rename(deep / "image")
    (deep / "notes.txt").write_text("no radiograph")

    told = call(
        program("dcmsend"), "-v", "-aec", "OSTEON", *site.dimse, "--scan-directories", "--recurse", "--no-halt", folder
    )

    assert told.returncode == 0, told.stdout + told.stderr
    assert "with status SUCCESS  : 4" in told.stdout + told.stderr, told.stdout + told.stderr
    assert set(site.outcomes(*(image.uid for image in images)).values()) == {"classified"}


def test_eight_senders_at_once_lose_and_double_nothing(
    site: Site, program: Program, call: Call, radiographs: Make
) -> None:
    images = radiographs(24)
    sender = program("storescu")

    def send(number: int) -> "subprocess.CompletedProcess[str]":
        files = [image.path for image in images[number::8]]
        return call(sender, "-v", "-aet", f"SENDER{number}", "-aec", "OSTEON", *site.dimse, *files)

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(send, range(8)))

    assert [one.returncode for one in told] == [0] * 8, told
    assert set(site.outcomes(*(image.uid for image in images)).values()) == {"classified"}


def test_an_association_that_is_aborted_keeps_what_was_answered(
    site: Site, program: Program, call: Call, radiographs: Make
) -> None:
    images = radiographs(3)

    told = call(program("storescu"), "-v", "--abort", "-aec", "OSTEON", *site.dimse, *(image.path for image in images))

    assert (told.stdout + told.stderr).count("(Success)") == 3, told.stdout + told.stderr
    assert set(site.outcomes(*(image.uid for image in images)).values()) == {"classified"}


def test_a_sender_that_is_killed_in_the_middle_sends_again_and_nothing_is_lost_or_doubled(
    site: Site, program: Program, call: Call, radiographs: Make
) -> None:
    images = radiographs(12)
    files = [str(image.path) for image in images]
    command = [program("storescu"), "-v", "-aec", "OSTEON", *site.dimse, *files]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as sender:
        assert sender.stdout is not None
        n_answered = 0
        for line in sender.stdout:
            n_answered += "(Success)" in line
            if n_answered == 4:
                break
        sender.send_signal(signal.SIGKILL)
        n_answered += sender.stdout.read().count("(Success)")
    before = site.outcomes(*(image.uid for image in images[:n_answered]))
    again = call(*command)

    assert set(before.values()) == {"classified"}
    assert again.returncode == 0, again.stdout + again.stderr
    assert set(site.outcomes(*(image.uid for image in images)).values()) == {"classified"}


@pytest.mark.parametrize(
    ("calling", "called", "why"),
    [
        ("LISTED", "ANY-SCP", "Called AE Title Not Recognized"),
        ("STRANGER", "OSTEON", "Calling AE Title Not Recognized"),
    ],
)
def test_a_wrong_ae_title_is_rejected_where_the_right_one_is_required(
    site: Site, peers: Peers, program: Program, call: Call, radiographs: Make, calling: str, called: str, why: str
) -> None:
    refused, taken = radiographs(2)
    port = str(peers.strict_port)

    wrong = call(program("storescu"), "-v", "-aet", calling, "-aec", called, site.dimse[0], port, refused.path)
    right = call(program("storescu"), "-v", "-aet", "LISTED", "-aec", "OSTEON", site.dimse[0], port, taken.path)

    assert wrong.returncode != 0
    assert re.search(why, wrong.stdout + wrong.stderr), wrong.stdout + wrong.stderr
    assert right.returncode == 0, right.stdout + right.stderr
    assert set(site.outcomes(taken.uid).values()) == {"classified"}
    assert site.has_none(refused.uid)

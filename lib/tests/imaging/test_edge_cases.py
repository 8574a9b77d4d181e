"""Real files from real systems: each gives an image or a reason, in bounded memory and time."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "dicom"
LIMIT_BYTES = 3 * 2**30
SLOWEST_S = 10.0

pytestmark = pytest.mark.skipif(
    not (FOLDER / "labels.csv").exists(), reason=f"the collection of DICOM edge cases is not at {FOLDER}"
)

# In a process of its own, which may have LIMIT_BYTES of memory: a decoder that crashes fails one file only.
READ = """
import json, resource, sys, time, warnings
from pathlib import Path
warnings.simplefilter("error")
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
from osteon.errors import SetAside
from osteon.imaging.dicom import read_image
for name in sys.stdin.read().splitlines():
    print(json.dumps({"file": name}), flush=True)
    start = time.perf_counter()
    try:
        image = read_image(Path(name).read_bytes())
        outcome = {"shape": image.pixels.shape}
    except SetAside as set_aside:
        outcome = {"reason": set_aside.reason}
    print(json.dumps(outcome | {"file": name, "s": time.perf_counter() - start}), flush=True)
"""


@pytest.fixture(scope="module")
def labels() -> dict[str, dict[str, str]]:
    with (FOLDER / "labels.csv").open() as table:
        return {row["file"]: row for row in csv.DictReader(table)}


@pytest.fixture(scope="module")
def outcomes(labels: dict[str, dict[str, str]]) -> dict[str, dict[str, Any]]:
    paths = [str(FOLDER / name) for name in labels]
    read = subprocess.run(
        [sys.executable, "-c", READ, str(LIMIT_BYTES)],
        input="\n".join(paths), capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in read.stdout.splitlines()]
    assert read.returncode == 0, f"{lines[-1]['file']} ended the process:\n{read.stderr[-2000:]}"
    return {str(Path(line["file"]).relative_to(FOLDER)): line for line in lines}


def test_every_file_has_an_outcome_in_time(outcomes: dict[str, dict[str, Any]]) -> None:
    assert len(outcomes) == 226
    assert [name for name, outcome in outcomes.items() if outcome["s"] > SLOWEST_S] == []


def test_images_have_the_rows_and_columns_that_others_read(
    outcomes: dict[str, dict[str, Any]], labels: dict[str, dict[str, str]]
) -> None:
    shapes = {name: outcome["shape"] for name, outcome in outcomes.items() if "shape" in outcome}

    assert len(shapes) >= 35
    assert shapes == {name: [int(labels[name]["rows"]), int(labels[name]["columns"])] for name in shapes}


def test_what_others_could_not_read_is_an_image_only_where_the_encoding_could_be_told(
    outcomes: dict[str, dict[str, Any]], labels: dict[str, dict[str, str]]
) -> None:
    unread = {name for name, row in labels.items() if not row["pixel_decode"].startswith("ok")}

    # They state no transfer syntax, but their elements show it.
    assert {name for name in unread if "shape" in outcomes[name]} == {
        "edge_orthanc/PrivateMDNTags.dcm",
        "transfer_syntaxes/1.2.840.10008.1.2.dcm",
        # Of 12 bits, which pydicom has no decoder for under a free licence.
        "edge_pydicom/JPEG-lossy.dcm",
        "transfer_syntaxes/1.2.840.10008.1.2.4.51.dcm",
    }


def test_reasons_agree_with_what_is_known_about_the_files(
    outcomes: dict[str, dict[str, Any]], labels: dict[str, dict[str, str]]
) -> None:
    for name, row in labels.items():
        reason = outcomes[name].get("reason")
        if "memory" in row["note"].lower() or row["pixel_decode"] == "not tried (claimed size)":
            assert reason == "too-large", name
        elif row["pixel_decode"].startswith("ok") and "MONOCHROME" not in row["photometric"]:
            assert reason == "color", name
        elif row["pixel_decode"].startswith("ok") and row["frames"] not in ("", "1"):
            assert reason == "multi-frame", name
        elif row["pixel_decode"] == "no pixel data":
            assert reason in ("no-pixels", "truncated", "not-dicom"), name
        elif row["pydicom_read"] == "FAIL RecursionError":
            assert reason == "unreadable", name

"""What is derived conforms, reads back as the image it was made from, and is the same every time."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from osteon.imaging.dicom import derived_dicom, derived_uid, is_own_output, read_dataset, read_image
from osteon.imaging.image import Image

Make = Callable[..., Any]
Ramp = npt.NDArray[np.uint16]


def image_of(ramp: Ramp) -> Image:
    return Image(ramp.astype(np.float32) / 4095, (0.5, 0.5))


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(2, 9)), elements=st.floats(-1e6, 1e6, width=32)),
    st.floats(0.01, 10),
    st.floats(0.01, 10),
)
def test_reading_back_returns_the_image_within_half_a_step(
    radiograph: Make, ramp: Ramp, pixels: npt.NDArray[np.float32], row_mm: float, column_mm: float
) -> None:
    extent = float(np.ptp(pixels.astype(np.float64)))
    assume(extent > 1e-3)
    image = Image(pixels, (row_mm, column_mm))

    back = read_image(derived_dicom(radiograph(ramp), image, "harmonized", "set-1"))

    rounding = 4 * float(np.spacing(np.abs(pixels).max() + np.float32(extent)))  # float32 on the way back
    np.testing.assert_allclose(back.pixels, pixels, rtol=0, atol=extent / 65535 / 2 + rounding)
    assert back.spacing_mm == pytest.approx(image.spacing_mm, rel=1e-9)


def test_the_same_arguments_give_the_same_bytes_and_others_give_other_uids(radiograph: Make, ramp: Ramp) -> None:
    source = radiograph(ramp)

    first = derived_dicom(source, image_of(ramp), "harmonized", "set-1")
    again = derived_dicom(source, image_of(ramp), "harmonized", "set-1")
    uids = {
        str(read_dataset(derived_dicom(radiograph(ramp, SOPInstanceUID=uid), image_of(ramp), *names)).SOPInstanceUID)
        for uid in ("2.25.1", "2.25.9")
        for names in (("harmonized", "set-1"), ("harmonized", "set-2"), ("overlay", "set-1"))
    }

    assert first == again
    assert len(uids) == 6
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in uids)


def test_a_uid_does_not_depend_on_where_names_are_split() -> None:
    assert derived_uid("ab", "c") != derived_uid("a", "bc")


def test_it_says_what_it_was_made_of(radiograph: Make, ramp: Ramp) -> None:
    derived = read_dataset(derived_dicom(radiograph(ramp), image_of(ramp), "harmonized", "set-1"))

    assert derived.ImageType[:2] == ["DERIVED", "PRIMARY"]
    assert derived.SourceImageSequence[0].ReferencedSOPInstanceUID == "2.25.1"
    assert derived.StudyInstanceUID == "2.25.2"
    assert derived.SeriesInstanceUID not in ("", "2.25.3")
    assert derived.StudyDate == "20200102"
    assert "set-1" in derived.DerivationDescription
    assert derived.PatientID == "p1"


def test_lossy_stays_lossy(radiograph: Make, ramp: Ramp) -> None:
    stated = radiograph(ramp, LossyImageCompression="01")
    forgotten = radiograph(ramp)
    forgotten.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.91"

    lossy = [
        read_dataset(derived_dicom(source, image_of(ramp), "harmonized", "set-1")).LossyImageCompression
        for source in (stated, forgotten, radiograph(ramp))
    ]

    assert lossy == ["01", "01", "00"]


def test_own_output_is_recognised_and_nothing_else_is(radiograph: Make, ramp: Ramp) -> None:
    source = radiograph(ramp, ImageType=["DERIVED", "PRIMARY"], Manufacturer="Somebody")
    own = read_dataset(derived_dicom(source, image_of(ramp), "harmonized", "set-1"))

    assert is_own_output(own)
    assert not is_own_output(source)
    own.Manufacturer = own.SecondaryCaptureDeviceManufacturer = "Somebody"  # as some archives do
    assert is_own_output(own)


SOURCES: dict[str, dict[str, Any]] = {
    "plain": {},
    "film without study id": {"StudyID": None, "StudyDate": None},
    "with everything": {
        "ImageLaterality": "L",
        "BodyPartExamined": "FEMUR",
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": "a method",
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": 12.5,
        "BurnedInAnnotation": "NO",
        "PatientSex": "F",
        "PatientBirthDate": "19500101",
        "InstanceNumber": 3,
        "TimezoneOffsetFromUTC": "+0100",
    },
    "with a date that is none": {"PatientBirthDate": "19500101"},
}


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian package dicom3tools) is not installed")
@pytest.mark.parametrize("elements", SOURCES.values(), ids=SOURCES)
def test_the_standards_own_checker_finds_no_error(
    radiograph: Make, ramp: Ramp, tmp_path: Path, elements: dict[str, Any]
) -> None:
    source = radiograph(ramp, **{keyword: value for keyword, value in elements.items() if value is not None})
    for keyword in [keyword for keyword, value in elements.items() if value is None and keyword in source]:
        del source[keyword]
    path = tmp_path / "derived.dcm"
    path.write_bytes(derived_dicom(source, image_of(ramp), "harmonized", "set-1"))

    checked = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)

    assert "SCImage" in checked.stderr
    assert "Error" not in checked.stderr

"""Known values through the grayscale pipeline: bone bright, whatever the file says it in."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from osteon.imaging.dicom import pixel_spacing_mm, read_image

Make = Callable[..., Any]
Ramp = npt.NDArray[np.uint16]


def lut(values: list[int], first: int = 0) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(values), first, 16])
    item.add_new("LUTData", "US", values)
    return Sequence([item])


def test_monochrome2_is_taken_as_it_is(radiograph: Make, ramp: Ramp) -> None:
    image = read_image(radiograph(ramp))

    np.testing.assert_array_equal(image.pixels, ramp)
    assert image.pixels.dtype == np.float32
    assert image.spacing_mm == (0.2, 0.1)


def test_monochrome1_is_turned_over_within_its_stored_range(radiograph: Make, ramp: Ramp) -> None:
    image = read_image(radiograph(ramp, PhotometricInterpretation="MONOCHROME1"))

    np.testing.assert_array_equal(image.pixels, 4095 - ramp.astype(float))


@given(st.integers(-2048, 2047), st.floats(0.01, 100), st.floats(-5000, 5000))
def test_rescale_is_slope_times_value_plus_intercept(
    radiograph: Make, value: int, slope: float, intercept: float
) -> None:
    slope, intercept = round(slope, 4), round(intercept, 4)
    stored = np.array([[value, value + 1 if value < 2047 else -2048]], np.int16)

    image = read_image(radiograph(stored, RescaleSlope=slope, RescaleIntercept=intercept))

    np.testing.assert_allclose(image.pixels, stored * slope + intercept, rtol=1e-5, atol=0.05)


def test_a_modality_lut_takes_the_place_of_rescale(radiograph: Make) -> None:
    stored = np.array([[0, 10, 11, 12, 4000]], np.uint16)

    image = read_image(radiograph(stored, ModalityLUTSequence=lut([100, 400, 900], first=10)))

    np.testing.assert_array_equal(image.pixels, [[100, 100, 400, 900, 900]])


def test_a_voi_lut_follows_the_rescale_and_goes_before_the_inversion(radiograph: Make) -> None:
    stored = np.array([[0, 1, 2, 3]], np.uint16)

    image = read_image(
        radiograph(
            stored, RescaleSlope=1, RescaleIntercept=-1, PhotometricInterpretation="MONOCHROME1",
            VOILUTSequence=lut([10, 20, 50, 90], first=-1),
        )
    )  # fmt: skip

    np.testing.assert_array_equal(image.pixels, [[90, 80, 50, 10]])


def test_a_linear_window_clips_nothing(radiograph: Make, ramp: Ramp) -> None:
    image = read_image(radiograph(ramp, WindowCenter=100, WindowWidth=10))

    np.testing.assert_array_equal(image.pixels, ramp)


def test_a_sigmoid_window_is_applied(radiograph: Make) -> None:
    stored = np.array([[1000, 2000, 3000]], np.uint16)

    image = read_image(radiograph(stored, WindowCenter=2000, WindowWidth=1000, VOILUTFunction="SIGMOID"))

    expected = 4095 / (1 + np.exp(-4 * (stored - 2000.0) / 1000))  # PS3.3 C.11.2.1.3.1
    np.testing.assert_allclose(image.pixels, expected, rtol=1e-5)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_becomes_the_darkest_that_is_seen(radiograph: Make, photometric: str) -> None:
    stored = np.array([[4000, 4001, 4002, 50], [60, 70, 80, 4001]], np.uint16)
    dataset = radiograph(
        stored, PixelPaddingValue=4000, PixelPaddingRangeLimit=4002, PhotometricInterpretation=photometric
    )

    image = read_image(dataset)

    padded = stored >= 4000
    assert set(image.pixels[padded]) == {image.pixels[~padded].min()}
    assert image.pixels.max() == image.pixels[~padded].max()


def shutter(shape: str | list[str]) -> dict[str, Any]:
    return {
        "ShutterShape": shape,
        "ShutterLeftVerticalEdge": 3,
        "ShutterRightVerticalEdge": 8,
        "ShutterUpperHorizontalEdge": 2,
        "ShutterLowerHorizontalEdge": 7,
        "CenterOfCircularShutter": [4, 5],
        "RadiusOfCircularShutter": 2,
        "VerticesOfThePolygonalShutter": [1, 1, 1, 11, 6, 1],
    }


def test_a_rectangular_shutter_hides_what_lies_outside(radiograph: Make, ramp: Ramp) -> None:
    image = read_image(radiograph(ramp + 1, **shutter("RECTANGULAR")))

    np.testing.assert_array_equal(image.pixels[1:7, 2:8], (ramp + 1)[1:7, 2:8])
    outside = np.ones(ramp.shape, bool)
    outside[1:7, 2:8] = False
    assert set(image.pixels[outside]) == {float((ramp + 1)[1:7, 2:8].min())}


def test_a_circular_shutter_hides_what_lies_outside(radiograph: Make, ramp: Ramp) -> None:
    image = read_image(radiograph(ramp + 1, **shutter("CIRCULAR")))

    rows, columns = np.indices(ramp.shape) + 1
    inside = (rows - 4) ** 2 + (columns - 5) ** 2 <= 4
    np.testing.assert_array_equal(image.pixels[inside], (ramp + 1)[inside])
    assert set(image.pixels[~inside]) == {image.pixels[inside].min()}


def test_a_polygonal_shutter_hides_what_lies_outside(radiograph: Make, ramp: Ramp) -> None:
    image = read_image(radiograph(ramp + 1, **shutter("POLYGONAL")))

    assert image.pixels[0, 9] == ramp[0, 9] + 1  # within the triangle
    assert image.pixels[2, 0] == ramp[2, 0] + 1
    assert image.pixels[4, 8] == image.pixels.min()  # beyond its long side
    assert image.pixels[7, 0] == image.pixels.min()  # below it


def test_several_shutters_leave_what_all_of_them_leave(radiograph: Make, ramp: Ramp) -> None:
    image = read_image(radiograph(ramp + 1, **shutter(["RECTANGULAR", "CIRCULAR"])))

    seen = image.pixels == ramp + 1
    rows, columns = np.indices(ramp.shape) + 1
    both = ((rows - 4) ** 2 + (columns - 5) ** 2 <= 4) & (columns >= 3) & (columns <= 8) & (rows >= 2) & (rows <= 7)
    np.testing.assert_array_equal(seen, both)


def test_an_image_for_processing_is_turned_by_its_relation_to_dose(radiograph: Make) -> None:
    dose = np.array([[10, 100, 1000]], np.uint16)  # bone lets least through

    image = read_image(
        radiograph(
            dose, PresentationIntentType="FOR PROCESSING", PixelIntensityRelationship="LIN",
            PixelIntensityRelationshipSign=1,
        )
    )  # fmt: skip

    assert image.pixels[0, 0] > image.pixels[0, 1] > image.pixels[0, 2]
    np.testing.assert_allclose(image.pixels, -np.log1p(dose), rtol=1e-6)


@pytest.mark.parametrize(("syntax", "order"), [(ExplicitVRLittleEndian, "<"), (ExplicitVRBigEndian, ">")])
def test_a_lookup_table_of_words_is_read_in_the_byte_order_of_its_file(
    radiograph: Make, encode: Make, syntax: str, order: str
) -> None:
    item = Dataset()
    item.LUTDescriptor = [4, 0, 16]
    item.add_new("LUTData", "OW", np.array([1, 300, 5000, 60000], f"{order}u2").tobytes())
    stored = np.array([[0, 1, 2, 3]], np.uint16)

    image = read_image(encode(radiograph(stored, VOILUTSequence=Sequence([item])), syntax))

    np.testing.assert_array_equal(image.pixels, [[1, 300, 5000, 60000]])


def test_attenuation_does_not_depend_on_what_else_is_in_the_picture(radiograph: Make) -> None:
    linear = {
        "PresentationIntentType": "FOR PROCESSING",
        "PixelIntensityRelationship": "LIN",
        "PixelIntensityRelationshipSign": 1,
    }

    with_lead, without = (
        read_image(radiograph(np.array([[darkest, 100, 1000]], np.uint16), **linear)) for darkest in (1, 90)
    )

    np.testing.assert_array_equal(with_lead.pixels[0, 1:], without.pixels[0, 1:])


def test_the_spacing_in_the_patient_goes_before_that_on_the_detector(radiograph: Make, ramp: Ramp) -> None:
    detector = {"ImagerPixelSpacing": [0.3, 0.15], "EstimatedRadiographicMagnificationFactor": 1.5}

    assert pixel_spacing_mm(radiograph(ramp, **detector)) == (0.2, 0.1)
    assert pixel_spacing_mm(radiograph(ramp, PixelSpacing=None, **detector)) == pytest.approx((0.2, 0.1))
    film = radiograph(ramp, PixelSpacing=None, NominalScannedPixelSpacing=[0.4, 0.4])
    assert pixel_spacing_mm(film) == (0.4, 0.4)

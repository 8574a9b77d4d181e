"""The same stored values come out of every transfer syntax."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from osteon.imaging.dicom import decode, pixel_sha256, read_dataset

LOSSLESS = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg lossless": JPEGLosslessSV1,
    "jpeg-ls": JPEGLSLossless,
    "jpeg 2000": JPEG2000Lossless,
}
# The JPEG 2000 encoder halves five times, so it takes nothing smaller; that of JPEG-LS finds no room for its
# header in an image of a few pixels, and that of JPEG Lossless now and then refuses one.
SMALLEST: dict[str, int] = {JPEG2000Lossless: 32, JPEGLSLossless: 12, JPEGLosslessSV1: 8}


@st.composite
def stored_values(draw: st.DrawFn, smallest: int) -> tuple[npt.NDArray[Any], int]:
    bits_stored = draw(st.sampled_from([8, 10, 12, 14, 15, 16]))
    is_signed = draw(st.booleans())
    low, high = (-(1 << bits_stored - 1), (1 << bits_stored - 1) - 1) if is_signed else (0, (1 << bits_stored) - 1)
    dtype = f"{'i' if is_signed else 'u'}{1 if bits_stored == 8 else 2}"
    shape = draw(st.tuples(st.integers(smallest, smallest + 20), st.integers(smallest, smallest + 20)))
    return draw(hnp.arrays(dtype, shape, elements=st.integers(low, high))), bits_stored


@pytest.mark.parametrize("syntax", LOSSLESS.values(), ids=LOSSLESS)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_stored_values_survive_every_lossless_transfer_syntax(
    radiograph: Callable[..., Any], encode: Callable[..., bytes], syntax: str, draw: st.DataObject
) -> None:
    stored, bits_stored = draw.draw(stored_values(SMALLEST.get(syntax, 2)))
    data = encode(radiograph(stored, bits_stored), syntax)

    decoded = decode(read_dataset(data))

    np.testing.assert_array_equal(decoded, stored)
    assert pixel_sha256(decoded) == pixel_sha256(stored)


def test_the_hash_knows_shape_and_values_but_not_the_container() -> None:
    stored = np.arange(12, dtype=np.uint8).reshape(3, 4)

    assert pixel_sha256(stored) == pixel_sha256(stored.astype(">i4"))
    assert pixel_sha256(stored) == pixel_sha256(np.asfortranarray(stored))
    assert pixel_sha256(stored) != pixel_sha256(stored.reshape(4, 3))
    assert pixel_sha256(stored) != pixel_sha256(stored + 1)


@pytest.mark.parametrize("dtype", ["u2", "i2"])
def test_bits_outside_the_stored_ones_are_removed(
    radiograph: Callable[..., Any], encode: Callable[..., bytes], dtype: str
) -> None:
    values = np.array([[5, 900], [-3 if dtype == "i2" else 3, 77]], dtype)
    word = ((values.astype("u2") & 0x0FFF) << 2) | 0xC003  # overlay bits above and below the 12 stored ones
    dataset = radiograph(word.view(dtype), 12, HighBit=13)

    np.testing.assert_array_equal(decode(read_dataset(encode(dataset))), values)


def test_a_file_without_preamble_and_meta_is_read(radiograph: Callable[..., Any], encode: Callable[..., bytes]) -> None:
    stored = np.arange(12, dtype=np.uint16).reshape(3, 4)
    for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian):
        data = encode(radiograph(stored), syntax)
        meta_bytes = 132 + 12 + int.from_bytes(data[140:144], "little")

        np.testing.assert_array_equal(decode(read_dataset(data[meta_bytes:])), stored)

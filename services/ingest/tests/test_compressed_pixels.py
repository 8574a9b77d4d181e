"""Accept and compressed pixels: nothing hides in a stream or beside the bits that are stored."""

from collections.abc import Callable

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from osteon.errors import SetAside
from osteon.imaging.dicom import decode, read_dataset
from osteon_ingest.examine import examine

from .accepting import KEYS

Make = Callable[..., Dataset]
Write = Callable[[Dataset], bytes]


def test_a_comment_in_a_compressed_stream_and_bits_beside_the_pixels_do_not_survive(
    new_radiograph: Make, as_file: Write
) -> None:
    hidden = new_radiograph(BitsStored=12, HighBit=11)
    pixels = np.frombuffer(hidden.PixelData, np.uint16) & 0x0FFF
    hidden.PixelData = (pixels | np.uint16(0x5000)).tobytes()
    compressed = new_radiograph()
    compressed.compress("1.2.840.10008.1.2.4.90", generate_instance_uid=False)
    at = compressed.PixelData.index(b"\xff\x4f\xff\x51") + 2
    size = at + 2 + int.from_bytes(compressed.PixelData[at + 2 : at + 4], "big")
    comment = b"\xff\x64" + (4 + 14).to_bytes(2, "big") + b"\0\1" + b"ZQXPLANTED NAM"
    with_comment = compressed.PixelData[:size] + comment + compressed.PixelData[size:]
    start = with_comment.index(b"\xff\x4f\xff\x51")
    length = int.from_bytes(with_comment[start - 4 : start], "little") + len(comment)
    compressed.PixelData = with_comment[: start - 4] + length.to_bytes(4, "little") + with_comment[start:]

    copies = [read_dataset(examine(KEYS, "test", "0" * 32, as_file(one)).content) for one in (hidden, compressed)]

    assert np.frombuffer(copies[0].PixelData, np.uint16).max() < 1 << 12
    assert b"ZQXPLANTED" not in copies[1].PixelData
    assert np.array_equal(decode(copies[1]), decode(new_radiograph()))


PLANTED = b"ZQXPLANTED"
STREAMS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "unused part of an RLE header": (RLELossless, lambda stream: stream[:20] + PLANTED + stream[30:]),
    "behind the last RLE segment": (RLELossless, lambda stream: stream + PLANTED),
    "behind the end, with another end": (JPEG2000Lossless, lambda stream: stream + PLANTED + b"\xff\xd9"),
    "behind the end of JPEG-LS": (JPEGLSLossless, lambda stream: stream + PLANTED + b"\xff\xd9"),
    "an application segment": (JPEGLSLossless, lambda stream: stream[:2] + b"\xff\xe5\0\x0c" + PLANTED + stream[2:]),
    "before the stream, as JP2 boxes are": (
        JPEG2000Lossless,
        lambda stream: b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x12uuid" + PLANTED + stream,
    ),
}


@pytest.mark.parametrize(("syntax", "plant"), STREAMS.values(), ids=STREAMS)
def test_nothing_survives_within_compressed_pixels(
    new_radiograph: Make, as_file: Write, syntax: str, plant: Callable[[bytes], bytes]
) -> None:
    original = new_radiograph()
    pixels = decode(original)
    original.compress(syntax, generate_instance_uid=False, encoding_plugin="pylibjpeg" if syntax == RLELossless else "")
    stream = get_frame(original.PixelData, 0, number_of_frames=1)
    original.PixelData = encapsulate([plant(stream)])

    try:
        content = examine(KEYS, "test", "0" * 32, as_file(original)).content
    except SetAside:  # a decoder may be stricter than the one that the sender had; then nothing comes out at all
        return

    assert PLANTED not in content
    assert np.array_equal(decode(read_dataset(content)), pixels)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_bits_above_the_stored_ones_do_not_survive_in_compressed_pixels(
    new_radiograph: Make, as_file: Write, syntax: str
) -> None:
    original = new_radiograph(BitsStored=16, HighBit=15)
    words = np.frombuffer(original.PixelData, np.uint16) & 0x0FFF
    original.PixelData = (words | np.uint16(0x5000)).tobytes()
    original.compress(syntax, generate_instance_uid=False, encoding_plugin="pylibjpeg" if syntax == RLELossless else "")
    original.BitsStored, original.HighBit = 12, 11

    copy = read_dataset(examine(KEYS, "test", "0" * 32, as_file(original)).content)

    np.testing.assert_array_equal(np.frombuffer(copy.PixelData, np.uint16), words)


def test_what_was_lossy_is_still_said_to_be(new_radiograph: Make, as_file: Write) -> None:
    original = new_radiograph()
    original.compress("1.2.840.10008.1.2.4.91", j2k_cr=[20], generate_instance_uid=False)

    copy = read_dataset(examine(KEYS, "test", "0" * 32, as_file(original)).content)

    assert copy.LossyImageCompression == "01"
    assert np.array_equal(decode(copy), decode(original))

"""What a compressed stream says about itself, read before a decoder believes it.

A decoder allocates what the stream claims, not what the DICOM header claims, so both are compared first.
"""

from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Claim", "claim_of_jpeg", "claim_of_jpeg_2000", "rle_is_plausible"]

# Start-of-frame markers of ITU-T T.81 table B.1, and SOF55 of JPEG-LS (ITU-T T.87).
START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
END = b"\xff\xd9"  # EOI of JPEG and JPEG-LS, EOC of JPEG 2000
TAIL_BYTES = 64  # padding and an odd comment may follow the end marker


@dataclass(frozen=True)
class Claim:
    """The size a stream says it has; `is_ended` if its end marker is where it should be."""

    rows: int
    columns: int
    samples: int
    is_ended: bool


def claim_of_jpeg(stream: bytes) -> Claim:
    """The frame header of a JPEG or JPEG-LS stream. Raises ValueError where there is none."""
    if stream[:2] != b"\xff\xd8":
        raise ValueError("a JPEG stream begins with SOI")
    at = 2
    while at + 4 <= len(stream):
        if stream[at] != 0xFF:
            raise ValueError("a marker was expected")
        marker = stream[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in WITHOUT_LENGTH:
            at += 2
        elif marker in START_OF_FRAME:
            header = stream[at + 4 : at + 10]
            if len(header) < 6:
                break
            rows, columns = int.from_bytes(header[1:3], "big"), int.from_bytes(header[3:5], "big")
            return Claim(rows, columns, header[5], END in stream[-TAIL_BYTES:])
        else:
            at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    raise ValueError("no frame header")


def claim_of_jpeg_2000(stream: bytes) -> Claim:
    """The SIZ segment of a JPEG 2000 or HTJ2K stream (ITU-T T.800 A.5.1), also inside a JP2 file."""
    at = stream.find(b"\xff\x4f\xff\x51", 0, 4096)
    if at < 0 or len(stream) < at + 42:
        raise ValueError("no SIZ segment")
    right, bottom, left, top = (int.from_bytes(stream[at + i : at + i + 4], "big") for i in (8, 12, 16, 20))
    samples = int.from_bytes(stream[at + 40 : at + 42], "big")
    return Claim(bottom - top, right - left, samples, END in stream[-TAIL_BYTES:])


def rle_is_plausible(stream: bytes, n_segments: int) -> bool:
    """Whether an RLE header (PS3.5 G.5) names `n_segments` segments that lie inside the stream, in order."""
    if len(stream) < 64 or int.from_bytes(stream[:4], "little") != n_segments:
        return False
    bounds = [int.from_bytes(stream[i : i + 4], "little") for i in range(4, 4 + 4 * n_segments, 4)] + [len(stream)]
    return bounds[0] == 64 and all(start < end for start, end in pairwise(bounds))

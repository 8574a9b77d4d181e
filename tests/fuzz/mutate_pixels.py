"""The pixels made wrong: what the header says of them, how they are packed, and what lies in the stream."""

import random
import zlib
from collections.abc import Callable

from tests.fuzz.draft import ITEM, SEQUENCE_END, UNDEFINED, Draft

__all__ = ["PIXELS"]

ROWS, COLUMNS, PIXEL_DATA = 0x00280010, 0x00280011, 0x7FE00010
MODULE = (0x00280002, 0x00280006, 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103)
NUMBERS = (0, 1, 2, 3, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 64, 128, 1000, 9999, 10_000, 32768, 46341, 65535)
PHOTOMETRIC = (b"MONOCHROME1 ", b"MONOCHROME2 ", b"RGB ", b"PALETTE COLOR ", b"YBR_FULL_422", b"", b"monochrome2 ")
FRAMES = (b"0 ", b"1 ", b"2 ", b"-1", b"99999999", b"4294967296", b"1e9 ", b"1.5 ", b" ")
MARKERS = (0xC0, 0xC1, 0xC3, 0xC4, 0xC8, 0xCC, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0, 0xF7, 0xF8, 0x51, 0x52, 0x5C, 0x90)
RLE = b"1.2.840.10008.1.2.5\0"
BLOCK = 2**20


def _module(rng: random.Random, draft: Draft) -> None:
    draft.put(rng.choice(MODULE), b"US", draft.number(rng.choice(NUMBERS), 2))


def _kind(rng: random.Random, draft: Draft) -> None:
    if rng.random() < 0.5:
        draft.put(0x00280004, b"CS", rng.choice(PHOTOMETRIC))
    else:
        draft.put(0x00280008, b"IS", rng.choice(FRAMES))


def _claim_more(rng: random.Random, draft: Draft) -> None:
    """A few bytes that say they are a great many pixels, in header and stream alike."""
    rows, columns = rng.choice(((65535, 65535), (46341, 46341), (10_000, 10_000), (1, 65535), (65535, 1), (9999, 3)))
    draft.put(ROWS, b"US", draft.number(rows, 2))
    draft.put(COLUMNS, b"US", draft.number(columns, 2))
    _say_in_stream(draft, rows, columns)


def _resize(rng: random.Random, draft: Draft) -> None:
    """A little more or less than there is, said in header and stream alike, so that the decoder is asked."""
    span = draft.find(ROWS), draft.find(COLUMNS)
    if span[0] is None or span[1] is None:
        return
    rows, columns = (int.from_bytes(draft.body[one.value_at : one.value_at + 2], draft.order) for one in span if one)
    rows, columns = rng.choice(((rows + 1, columns), (rows, columns + 1), (columns, rows), (rows * 4, columns * 4)))
    draft.put(ROWS, b"US", draft.number(rows, 2))
    draft.put(COLUMNS, b"US", draft.number(columns, 2))
    _say_in_stream(draft, rows, columns)


def _say_in_stream(draft: Draft, rows: int, columns: int) -> None:
    rows, columns = rows % 65536, columns % 65536
    for marker in (0xC0, 0xC1, 0xC3, 0xF7):
        at = draft.body.find(bytes((0xFF, marker, 0)))
        if at >= 0:
            draft.body[at + 5 : at + 9] = rows.to_bytes(2, "big") + columns.to_bytes(2, "big")
    at = draft.body.find(b"\xff\x4f\xff\x51")
    if at >= 0:
        draft.body[at + 8 : at + 16] = columns.to_bytes(4, "big") + rows.to_bytes(4, "big")


def _stream(draft: Draft) -> tuple[int, int]:
    """Where the bytes of the pixel data lie."""
    found = [span for span in draft.spans() if span.tag == PIXEL_DATA]
    if not found:
        return 0, 0
    last = found[-1]
    return last.value_at, len(draft.body) if last.end == last.value_at else last.end


def _stream_bytes(rng: random.Random, draft: Draft) -> None:
    """Bytes of the stream changed, most often near its beginning, where its headers are."""
    start, end = _stream(draft)
    if end - start < 40:
        return
    end = min(end, start + 400) if rng.random() < 0.6 else end
    for _ in range(rng.choice((1, 1, 2, 5, 30))):
        draft.body[rng.randrange(start + 16, end)] = rng.choice((0, 0xFF, 0x7F, 0x80, rng.randrange(256)))


def _stream_marker(rng: random.Random, draft: Draft) -> None:
    start, end = _stream(draft)
    marks = [at for at in range(start, min(end, start + 3000)) if draft.body[at] == 0xFF]
    if marks:
        at = rng.choice(marks)
        draft.body[at + 1 : at + 2] = bytes((rng.choice(MARKERS),))
        if rng.random() < 0.5:
            draft.body[at + 2 : at + 4] = rng.choice((0, 1, 2, 3, 65535, rng.randrange(65536))).to_bytes(2, "big")


def _stream_cut(rng: random.Random, draft: Draft) -> None:
    """A piece of the stream lost or doubled; its end may stay where it was."""
    start, end = _stream(draft)
    if end - start > 100:
        at = rng.randrange(start + 16, end)
        piece = rng.choice((1, 2, 16, 100, 5000))
        if rng.random() < 0.5:
            del draft.body[at : min(at + piece, end - 20)]
        else:
            draft.body[at:at] = draft.body[at : at + piece]


def _fragments(rng: random.Random, draft: Draft) -> None:
    """Items of encapsulated pixels lost, doubled, split, swapped, or with another length; offset tables too."""
    start, end = _stream(draft)
    items = [span for span in draft.spans() if span.tag == ITEM and start <= span.at < end]
    if not items:
        return
    span = rng.choice(items)
    whole = bytes(draft.body[span.at : span.end])
    value = whole[8:]
    cut = rng.randrange(len(value) + 1)
    replaced: bytes = rng.choice((
        b"",
        whole * 2,
        whole[:4] + draft.number(rng.choice((0, len(value) + 1, len(value) - 1, UNDEFINED, 0xFFFFFFFE)), 4) + value,
        draft.element(ITEM, b"", value[:cut]) + draft.element(ITEM, b"", value[cut:]),
        draft.element(ITEM, b"", b"".join(draft.number(rng.getrandbits(32), 4) for _ in range(3))),
        b"".join(draft.element(ITEM, b"", bytes([one])) for one in value[:2000]),
        draft.element(ITEM, b"", b"") * rng.choice((1, 1000)) + whole,
        draft.element(SEQUENCE_END, b"", b"") + whole,
    ))  # fmt: skip
    draft.body[span.at : span.end] = replaced


def _rle_bomb(rng: random.Random, draft: Draft) -> None:
    """Run-length encoded pixels: 64 times as many as bytes, up to the limit of pixels and beyond."""
    side = rng.choice((500, 2000, 5000, 10_000, 20_000))
    at = draft.find(PIXEL_DATA)
    if at is None or draft.order == "big" or draft.is_deflated:
        return
    n_runs = rng.choice((side * side // 128, side * side // 128 + 1, 1000))
    segment = (b"\x81" + bytes([rng.randrange(256)])) * n_runs + b"\0\1"
    offsets = [64, 64 + len(segment)]
    header = b"".join(draft.number(one, 4) for one in (2, *offsets, *([0] * 13)))
    stream = draft.element(ITEM, b"", b"") + draft.element(ITEM, b"", header + segment + segment)
    for tag, value in ((ROWS, side), (COLUMNS, side), (0x00280100, 16), (0x00280101, 16), (0x00280102, 15)):
        draft.put(tag, b"US", draft.number(value, 2))
    pixels = draft.find(PIXEL_DATA)
    assert pixels is not None
    draft.body[pixels.at :] = draft.element(PIXEL_DATA, b"OB", stream, UNDEFINED) + draft.element(
        SEQUENCE_END, b"", b""
    )
    start = draft.head.find(b"\2\0\x10\0UI")
    if start >= 0:
        size = int.from_bytes(draft.head[start + 6 : start + 8], "little")
        draft.head[start + 6 : start + 8 + size] = len(RLE).to_bytes(2, "little") + RLE


def deflate_bomb(rng: random.Random, head: bytes) -> bytes:
    """A deflated file with this `head` that inflates to as much as a gibibyte, and may say so in an element."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    size = rng.choice((10, 100, 255, 257, 1000)) * BLOCK
    begun = b"\x08\x00\x60\x00CS\x02\x00DX\xe0\x7f\x10\x00OW\0\0" + size.to_bytes(4, "little")
    start = packer.compress(begun) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush the stream depends on nothing before it: one block can stand there again and again.
    block = packer.compress(bytes(BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + start + block * (size // BLOCK) + rng.choice((b"\3\0", b""))


PIXELS: tuple[tuple[int, Callable[[random.Random, Draft], None]], ...] = (
    (10, _module), (4, _kind), (1, _claim_more), (4, _resize), (14, _stream_bytes), (8, _stream_marker),
    (5, _stream_cut), (6, _fragments),
)  # fmt: skip
"""Mutations with their weights."""

RARE = (_rle_bomb,)
"""Mutations that cost seconds: one input in some hundred."""

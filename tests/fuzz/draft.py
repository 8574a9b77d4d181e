"""A DICOM file as parts that can be changed one by one, also so that the standard is broken.

pydicom is not used: it would refuse to write most of what is wanted here.
"""

import zlib
from dataclasses import dataclass
from typing import Literal

__all__ = ["ITEM", "ITEM_END", "SEQUENCE_END", "UNDEFINED", "Draft", "Span", "spans"]

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
MAX_SPANS = 3000
BIG, DEFLATED = b"1.2.840.10008.1.2.2\0", b"1.2.840.10008.1.2.1.99"

Order = Literal["little", "big"]


@dataclass(frozen=True)
class Span:
    """Where one element, item or delimiter lies in the body: header at `at`, its value from `value_at` to `end`."""

    at: int
    value_at: int
    end: int
    tag: int
    vr: bytes  # empty where implicit

    @property
    def length_at(self) -> int:
        """Where its length stands."""
        return self.value_at - self.length_bytes

    @property
    def length_bytes(self) -> int:
        """How long its length is written: two bytes or four."""
        return 2 if self.vr and self.vr not in LONG else 4


@dataclass
class Draft:
    """Preamble and file meta as `head`, the data set (inflated) as `body`."""

    head: bytearray
    body: bytearray
    order: Order
    is_implicit: bool
    is_deflated: bool

    @classmethod
    def of(cls, content: bytes) -> "Draft":
        """The parts of a sound file; what is no such file is all body."""
        at = 0
        if content[128:132] == b"DICM":
            at = 132
            while content[at : at + 2] == b"\2\0":
                vr = content[at + 4 : at + 6]
                size = 4 if vr in LONG else 2
                value_at = at + (12 if vr in LONG else 8)
                at = value_at + int.from_bytes(content[value_at - size : value_at], "little")
        head, body = content[:at], content[at:]
        is_deflated = DEFLATED in head
        if is_deflated:
            body = zlib.decompressobj(-zlib.MAX_WBITS).decompress(body, 2**24)
        order: Order = "big" if BIG in head else "little"
        return cls(bytearray(head), bytearray(body), order, not body[4:6].isalpha(), is_deflated)

    def packed(self) -> bytes:
        """The file again."""
        if not self.is_deflated:
            return bytes(self.head + self.body)
        packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
        return bytes(self.head) + packer.compress(bytes(self.body)) + packer.flush()

    def spans(self) -> list[Span]:
        """All elements, items and delimiters of the body in the order in which they lie there."""
        return spans(self.body, self.order, self.is_implicit)

    def number(self, value: int, size: int) -> bytes:
        """An unsigned number in this byte order, cut to `size` bytes."""
        return (value % (1 << (8 * size))).to_bytes(size, self.order)

    def element(self, tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
        """An element with this value; `length` is what it says of itself, by default the truth."""
        length = len(value) if length is None else length
        header = self.number(tag >> 16, 2) + self.number(tag & 0xFFFF, 2)
        if self.is_implicit or tag >> 16 == 0xFFFE:
            return header + self.number(length, 4) + value
        if vr in LONG:
            return header + vr + b"\0\0" + self.number(length, 4) + value
        return header + vr + self.number(length, 2) + value

    def find(self, tag: int) -> Span | None:
        """The first element with this tag."""
        return next((span for span in self.spans() if span.tag == tag), None)

    def put(self, tag: int, vr: bytes, value: bytes) -> None:
        """Set an element of the uppermost level, where it stands or where it belongs."""
        at = 0
        for span in spans(self.body, self.order, self.is_implicit, nested=False):
            if span.tag == tag:
                self.body[span.at : span.end] = self.element(tag, vr, value)
                return
            if span.tag < tag:
                at = span.end
        self.body[at:at] = self.element(tag, vr, value)


def spans(body: bytes | bytearray, order: Order, is_implicit: bool, nested: bool = True) -> list[Span]:
    """See `Draft.spans`; without `nested`, a sequence is one span up to its end."""
    found: list[Span] = []
    at = 0
    while at + 8 <= len(body) and len(found) < MAX_SPANS:
        span = _span(body, at, order, is_implicit)
        length = int.from_bytes(body[span.length_at : span.value_at], order)
        is_open = length == UNDEFINED or span.vr == b"SQ" or span.tag == ITEM
        if is_open and not nested:
            span = Span(span.at, span.value_at, _end(body, span, order, is_implicit, length), span.tag, span.vr)
            at = span.end
        else:
            # Into what holds elements; over what holds a value.
            at = span.value_at if is_open and not _is_fragment(body, span, length, order) else span.end
        found.append(span)
    return found


def _span(body: bytes | bytearray, at: int, order: Order, is_implicit: bool) -> Span:
    tag = int.from_bytes(body[at : at + 2], order) << 16 | int.from_bytes(body[at + 2 : at + 4], order)
    if is_implicit or tag >> 16 == 0xFFFE:
        vr, value_at, size = b"", at + 8, 4
    else:
        vr = bytes(body[at + 4 : at + 6])
        value_at, size = (at + 12, 4) if vr in LONG else (at + 8, 2)
    length = int.from_bytes(body[value_at - size : value_at], order)
    end = value_at if length == UNDEFINED else min(len(body), value_at + length)
    return Span(at, value_at, end, tag, vr)


def _is_fragment(body: bytes | bytearray, span: Span, length: int, order: Order) -> bool:
    """Whether an item holds bytes of pixel data instead of elements: no group that comes in items follows."""
    if span.tag != ITEM or length == UNDEFINED or length < 8:
        return False
    return int.from_bytes(body[span.value_at : span.value_at + 2], order) not in range(0x0002, 0x0080)


def _end(body: bytes | bytearray, span: Span, order: Order, is_implicit: bool, length: int) -> int:
    """Where a sequence or encapsulated pixels end, delimiter included."""
    if length != UNDEFINED:
        return span.end
    depth, at = 1, span.value_at
    while at + 8 <= len(body):
        inner = _span(body, at, order, is_implicit)
        length = int.from_bytes(body[inner.length_at : inner.value_at], order)
        if inner.tag == SEQUENCE_END:
            depth -= 1
            if depth == 0:
                return inner.end
        elif length == UNDEFINED and inner.tag != ITEM:
            depth += 1
        at = inner.value_at if length == UNDEFINED else inner.end
    return len(body)

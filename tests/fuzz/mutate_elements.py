"""Elements and sequences made wrong: each function changes one thing of a draft."""

import random
from collections.abc import Callable

from tests.fuzz.draft import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, Draft, Span

__all__ = ["ELEMENTS", "wild_value"]

VRS = (
    *b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split(),
    b"??", b"\0\0", b"ZZ", b"sq",
)  # fmt: skip
LENGTHS = (0, 1, 2, 3, 7, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, UNDEFINED)
TEXTS = (
    b"", b" ", b"\0", b"\\", b"\\\\\\\\", b"NaN", b"inf", b"-inf", b"1e400", b"-1e308", b"1e-400", b"0", b"-1", b"0x10",
    b"99999999999999999999", b"1.2.3", b"." * 64, b"1." * 400, b"20241332", b"00000000", b"99991231", b"20240229-",
    b"19000101000000.999999+1400", b"235960", b"999Y", b"\x1b$B\x1b(J", b"\xff\xfe\xfd", b"^^^^=^^=^", b"=" * 70,
    b"ISO 2022 IR 87", b"\\ISO 2022 IR 149", b"ISO_IR 999", b"GB18030", b"../../etc/passwd", b"<script>", b"%s%n{0}",
    b"A" * 70000, b"\\1" * 20000, "\U0001f9b4".encode(), b"\xed\xa0\x80", b"MONOCHROME2", b"SIGMOID",
    b"DERIVED\\PRIMARY",
)  # fmt: skip
# What the path reads, with the VR that it should have: where a wrong value meets code.
READ = (
    (0x00080005, b"CS"), (0x00080008, b"CS"), (0x00080016, b"UI"), (0x00080018, b"UI"), (0x00080020, b"DA"),
    (0x00080060, b"CS"), (0x00080068, b"CS"), (0x00080070, b"LO"), (0x00082218, b"SQ"), (0x0018A001, b"SQ"),
    (0x00100010, b"PN"), (0x00100020, b"LO"), (0x00100021, b"LO"), (0x00100030, b"DA"), (0x00101010, b"AS"),
    (0x00120063, b"LO"), (0x00180015, b"CS"), (0x00181000, b"LO"), (0x00181114, b"DS"), (0x00181164, b"DS"),
    (0x00181600, b"CS"), (0x00181602, b"IS"), (0x00181604, b"IS"), (0x00181606, b"IS"), (0x00181608, b"IS"),
    (0x00181610, b"IS"), (0x00181612, b"IS"), (0x00181620, b"IS"), (0x00185101, b"CS"), (0x0020000D, b"UI"),
    (0x0020000E, b"UI"), (0x00200062, b"CS"), (0x00280002, b"US"), (0x00280004, b"CS"), (0x00280008, b"IS"),
    (0x00280010, b"US"), (0x00280011, b"US"), (0x00280030, b"DS"), (0x00280100, b"US"), (0x00280101, b"US"),
    (0x00280102, b"US"), (0x00280103, b"US"), (0x00280120, b"US"), (0x00280121, b"US"), (0x00281040, b"CS"),
    (0x00281041, b"SS"), (0x00281050, b"DS"), (0x00281051, b"DS"), (0x00281052, b"DS"), (0x00281053, b"DS"),
    (0x00281056, b"CS"), (0x00283000, b"SQ"), (0x00283002, b"US"), (0x00283006, b"OW"), (0x00283010, b"SQ"),
    (0x00282110, b"CS"), (0x00282010, b"IS"), (0x60003000, b"OW"), (0x7FE00008, b"OF"), (0x7FE00009, b"OD"),
    (0x7FE00001, b"OV"), (0x7FE00010, b"OW"), (0x04000561, b"SQ"), (0xFFFAFFFA, b"SQ"), (0xFFFCFFFC, b"OB"),
)  # fmt: skip


def wild_value(rng: random.Random, draft: Draft) -> bytes:
    """Bytes that are a wrong value of many kinds."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(TEXTS)
    if kind == 1:
        return b"\\".join(rng.choice(TEXTS) for _ in range(rng.randrange(1, 5)))
    if kind == 2:
        return draft.number(rng.choice((0, 1, 2, 0x7FFF, 0x8000, 0xFFFF)), 2) * rng.choice((1, 1, 2, 3, 50000))
    return rng.randbytes(rng.choice((1, 2, 3, 4, 8, 16, 63, 500)))


def _any(rng: random.Random, draft: Draft) -> Span | None:
    found = draft.spans()
    return rng.choice(found) if found else None


def _vr(rng: random.Random, draft: Draft) -> None:
    span = _any(rng, draft)
    if span and span.vr:
        draft.body[span.at + 4 : span.at + 6] = rng.choice(VRS)


def _length(rng: random.Random, draft: Draft) -> None:
    span = _any(rng, draft)
    if span:
        true = span.end - span.value_at
        near = (true - 2, true - 1, true + 1, true + 2, len(draft.body) - span.value_at)
        value = rng.choice((*LENGTHS, *near))
        draft.body[span.length_at : span.value_at] = draft.number(value, span.length_bytes)


def _value(rng: random.Random, draft: Draft) -> None:
    span = _any(rng, draft)
    if span and span.tag >> 16 != 0xFFFE:
        draft.body[span.at : span.end] = draft.element(span.tag, span.vr, wild_value(rng, draft))


def _read_value(rng: random.Random, draft: Draft) -> None:
    tag, vr = rng.choice(READ)
    draft.put(tag, rng.choice(VRS) if rng.random() < 0.2 else vr, wild_value(rng, draft))


def _number_text(rng: random.Random, draft: Draft) -> None:
    tag, vr = rng.choice([one for one in READ if one[1] in (b"DS", b"IS", b"US", b"SS")])
    numbers = [
        str(rng.choice((0, 1, -1, 0.1, 3, 1e30, -1e30, 65535, 2**31, 10**15))) for _ in range(rng.randrange(1, 4))
    ]
    words = b"".join(draft.number(rng.choice((0, 1, 8, 16, 255, 65535)), 2) for _ in numbers)
    draft.put(tag, vr, words if vr in (b"US", b"SS") else "\\".join(numbers).encode())


def _tag(rng: random.Random, draft: Draft) -> None:
    span = _any(rng, draft)
    if span:
        tag = rng.choice((rng.choice(READ)[0], rng.getrandbits(32), ITEM, ITEM_END, SEQUENCE_END))
        draft.body[span.at : span.at + 4] = draft.number(tag >> 16, 2) + draft.number(tag & 0xFFFF, 2)


def _delete(rng: random.Random, draft: Draft) -> None:
    if span := _any(rng, draft):
        del draft.body[span.at : span.end]


def _duplicate(rng: random.Random, draft: Draft) -> None:
    if span := _any(rng, draft):
        draft.body[span.end : span.end] = draft.body[span.at : span.end] * rng.choice((1, 1, 2, 50))


def _swap(rng: random.Random, draft: Draft) -> None:
    found = draft.spans()
    if len(found) < 2:
        return
    first, second = sorted(rng.sample(found, 2), key=lambda span: span.at)
    if first.end <= second.at:
        body = draft.body
        body[:] = (
            body[: first.at] + body[second.at : second.end] + body[first.end : second.at]
            + body[first.at : first.end] + body[second.end :]
        )  # fmt: skip


def _to_front(rng: random.Random, draft: Draft) -> None:
    if span := _any(rng, draft):
        moved = draft.body[span.at : span.end]
        del draft.body[span.at : span.end]
        draft.body[0:0] = moved


def _undelimit(rng: random.Random, draft: Draft) -> None:
    ends = [span for span in draft.spans() if span.tag in (ITEM_END, SEQUENCE_END)]
    for span in reversed(ends if rng.random() < 0.3 else ends and [rng.choice(ends)]):
        del draft.body[span.at : span.end]


def _undefine(rng: random.Random, draft: Draft) -> None:
    """An undefined length where there was one, with or without the delimiter that it needs."""
    if (span := _any(rng, draft)) and span.length_bytes == 4:
        draft.body[span.length_at : span.value_at] = b"\xff\xff\xff\xff"
        if rng.random() < 0.6:
            end = ITEM_END if span.tag == ITEM else SEQUENCE_END
            draft.body[span.end : span.end] = draft.element(end, b"", b"")


def _nest(rng: random.Random, draft: Draft) -> None:
    """Sequences in sequences, from one to ten thousand deep."""
    depth = rng.choice((1, 5, 62, 63, 64, 65, 200, 1000, 3000, 10_000))
    tag, vr = rng.choice(((0x00400275, b"SQ"), (0x00081140, b"SQ"), (0x00291010, b"UN"), (0x00283010, b"SQ")))
    inner = draft.element(0x00100010, b"PN", b"PLANTEDNAME^NESTED")
    is_open = rng.random() < 0.5
    headers: list[bytes] = []
    size = len(inner)
    for _ in range(depth):
        item = draft.element(ITEM, b"", b"", UNDEFINED if is_open else size)
        size += len(item)
        sequence = draft.element(tag, vr, b"", UNDEFINED if is_open else size)
        size += len(sequence)
        headers.append(sequence + item)
    tail = (draft.element(ITEM_END, b"", b"") + draft.element(SEQUENCE_END, b"", b"")) * depth if is_open else b""
    at = rng.choice([0, *(span.at for span in draft.spans())])
    draft.body[at:at] = b"".join(reversed(headers)) + inner + tail[: rng.choice((len(tail), len(tail), len(tail) // 2))]


def _widen(rng: random.Random, draft: Draft) -> None:
    """Very many items, or very many elements."""
    number = rng.choice((100, 1000, 10_000))
    if rng.random() < 0.5:
        items = draft.element(ITEM, b"", b"") * number
        draft.put(rng.choice((0x00400275, 0x00081140, 0x00283000, 0x00283010)), b"SQ", items)
    else:
        draft.body += b"".join(draft.element(0x00290000 + n, b"UN", b"") for n in range(number))


ELEMENTS: tuple[tuple[int, Callable[[random.Random, Draft], None]], ...] = (
    (6, _vr), (8, _length), (8, _value), (12, _read_value), (8, _number_text), (4, _tag), (5, _delete),
    (3, _duplicate), (3, _swap), (2, _to_front), (3, _undelimit), (4, _undefine), (3, _nest), (1, _widen),
)  # fmt: skip
"""Mutations with their weights."""

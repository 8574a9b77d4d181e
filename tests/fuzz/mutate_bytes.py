"""A file made wrong as bytes: flipped, cut, spliced; and its file meta."""

import random
from collections.abc import Callable

from tests.fuzz.seeds import SYNTAXES, Seed

__all__ = ["BYTES", "META"]

MORE_SYNTAXES = (
    "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.92", "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.203", "1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.6.1", "1.2.3", "", "x" * 64,
)  # fmt: skip

Change = Callable[[random.Random, bytearray, tuple[Seed, ...]], None]


def _flip(rng: random.Random, content: bytearray, _: tuple[Seed, ...]) -> None:
    for _n in range(rng.choice((1, 2, 8, 64))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _overwrite(rng: random.Random, content: bytearray, _: tuple[Seed, ...]) -> None:
    at = rng.randrange(len(content))
    content[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xfe\xff\xdd\xe0", rng.randbytes(4)))


def _truncate(rng: random.Random, content: bytearray, _: tuple[Seed, ...]) -> None:
    del content[rng.randrange(len(content)) :]


def _cut_out(rng: random.Random, content: bytearray, _: tuple[Seed, ...]) -> None:
    at = rng.randrange(len(content))
    del content[at : at + rng.choice((1, 2, 3, 8, 100, 5000))]


def _insert(rng: random.Random, content: bytearray, _: tuple[Seed, ...]) -> None:
    at = rng.randrange(len(content))
    content[at:at] = rng.randbytes(rng.choice((1, 2, 3, 8, 100)))


def _repeat(rng: random.Random, content: bytearray, _: tuple[Seed, ...]) -> None:
    at = rng.randrange(len(content))
    content[at:at] = content[at : at + rng.choice((8, 100, 5000))] * rng.choice((1, 5))


def _splice(rng: random.Random, content: bytearray, others: tuple[Seed, ...]) -> None:
    other = rng.choice(others).content
    content[rng.randrange(len(content)) :] = other[rng.randrange(len(other) + 1) :]


def _append(rng: random.Random, content: bytearray, _: tuple[Seed, ...]) -> None:
    content += rng.choice((rng.randbytes(7), b"\0" * 9000, b"\xfe\xff\x0d\xe0\0\0\0\0" * 100))


def _syntax(rng: random.Random, content: bytearray, _: tuple[Seed, ...]) -> None:
    """Another transfer syntax than the data set is written in."""
    start = content.find(b"\2\0\x10\0UI", 0, 2000)
    if start < 0:
        return
    size = int.from_bytes(content[start + 6 : start + 8], "little")
    uid = str(rng.choice((*SYNTAXES, *MORE_SYNTAXES))).encode()
    uid += b"\0" * (len(uid) % 2)
    content[start + 6 : start + 8 + size] = len(uid).to_bytes(2, "little") + uid


def _group_length(rng: random.Random, content: bytearray, _: tuple[Seed, ...]) -> None:
    if content[132:136] == b"\2\0\0\0":
        content[140:144] = rng.choice((0, 1, 13, 2**31, 2**32 - 1, rng.randrange(1000))).to_bytes(4, "little")


def _without_preamble(rng: random.Random, content: bytearray, _: tuple[Seed, ...]) -> None:
    del content[: rng.choice((128, 132, 132, 144))]


def _without_meta(rng: random.Random, content: bytearray, _: tuple[Seed, ...]) -> None:
    at = content.find(b"\x08\0", 132, 2000)
    if at > 0:
        del content[rng.choice((0, 0, 132)) : at]


def _meta_bytes(rng: random.Random, content: bytearray, _: tuple[Seed, ...]) -> None:
    for _n in range(rng.choice((1, 3, 10))):
        content[rng.randrange(128, min(len(content), 500)) if len(content) > 600 else 0] = rng.randrange(256)


BYTES: tuple[tuple[int, Change], ...] = (
    (8, _flip), (6, _overwrite), (4, _truncate), (4, _cut_out), (4, _insert), (2, _repeat), (4, _splice), (2, _append),
)  # fmt: skip
META: tuple[tuple[int, Change], ...] = (
    (8, _syntax), (2, _group_length), (2, _without_preamble), (2, _without_meta), (2, _meta_bytes),
)  # fmt: skip

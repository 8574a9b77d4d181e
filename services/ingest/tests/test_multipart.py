import pytest
from hypothesis import given
from hypothesis import strategies as st

from osteon_ingest.multipart import MAX_HEADER_BYTES, Malformed, Part, Splitter

BOUNDARY = "cut-here"


def joined(bodies: list[bytes], end: bytes = b"--") -> bytes:
    parts = (b"--cut-here\r\nContent-Type: Application/DICOM; x=y\r\n\r\n" + body + b"\r\n" for body in bodies)
    return b"".join(parts) + b"--cut-here" + end


def split(body: bytes, step: int, limit: int = 10_000) -> tuple[list[Part], Splitter]:
    splitter = Splitter(BOUNDARY, limit)
    parts = [part for at in range(0, len(body), step) for part in splitter.feed(body[at : at + step])]
    return parts, splitter


@given(st.lists(st.binary(max_size=300).filter(lambda body: b"--cut-here" not in body)), st.integers(1, 700))
def test_parts_come_out_as_they_went_in_whatever_the_pieces(bodies: list[bytes], step: int) -> None:
    parts, splitter = split(b"preamble\r\n" + joined(bodies) + b"\r\nepilogue", step)

    assert [part.body for part in parts] == bodies
    assert {part.content_type for part in parts} <= {"application/dicom"}
    assert splitter.is_complete


@given(st.integers(1, 5000), st.integers(0, 5000), st.integers(1, 4000))
def test_a_part_over_the_limit_is_cut_and_said_to_be(limit: int, size: int, step: int) -> None:
    body = bytes(n % 251 for n in range(size))

    parts, splitter = split(joined([body, b"next"]), step, limit)

    assert parts[0].body == body[:limit]
    assert parts[0].is_too_large == (size > limit)
    assert splitter.is_complete
    assert len(parts) == 2


def test_a_long_part_takes_no_more_memory_than_its_limit() -> None:
    splitter = Splitter(BOUNDARY, max_part_bytes=1000)
    splitter.feed(b"--cut-here\r\n\r\n")

    for _ in range(200):
        splitter.feed(b"x" * 10_000)

    assert len(splitter._buffer) < 100


def test_a_body_that_ends_early_is_not_complete() -> None:
    parts, splitter = split(joined([b"one", b"two"])[:-12], 7)

    assert [part.body for part in parts] == [b"one"]
    assert not splitter.is_complete


def test_headers_without_end_are_malformed() -> None:
    splitter = Splitter(BOUNDARY, 100)

    with pytest.raises(Malformed):
        splitter.feed(b"--cut-here\r\n" + b"x" * (MAX_HEADER_BYTES + 100))


def test_a_part_without_headers_is_a_part() -> None:
    parts, _ = split(b"--cut-here\r\n\r\nbody\r\n--cut-here--", 3)

    assert parts == [Part("", b"body", False)]


def test_a_boundary_is_taken_that_is_longer_than_its_rfc_allows() -> None:
    boundary = "-".join(["92aa8068-c046-416f-ab5c-6e6d62fb3160"] * 2)  # as Orthanc makes them

    (part,) = Splitter(boundary, 100).feed(f"--{boundary}\r\n\r\nbody\r\n--{boundary}--".encode())

    assert part.body == b"body"


@pytest.mark.parametrize("boundary", ["", "x" * 257, "ö"])
def test_an_impossible_boundary_is_malformed(boundary: str) -> None:
    with pytest.raises(Malformed):
        Splitter(boundary, 100)


TOKENS = [b"--cut", b"\r\n", b"--", b"\r", b"\n", b"A: b", b"x", b"Content-Type: text/html", b"\0"]


def outcome(body: bytes, step: int) -> tuple[list[Part], bool] | str:
    splitter = Splitter("cut", 20)
    try:
        parts = [part for at in range(0, len(body), step) for part in splitter.feed(body[at : at + step])]
    except Malformed:
        return "malformed"
    return parts, splitter.is_complete


@given(st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join), st.integers(1, 9))
def test_a_wild_body_comes_to_the_same_whatever_the_pieces(body: bytes, step: int) -> None:
    assert outcome(body, step) == outcome(body, len(body) or 1)


def test_long_headers_are_malformed_in_one_piece_too() -> None:
    body = b"--cut\r\nX: " + b"y" * 20_000 + b"\r\n\r\nbody\r\n--cut--"

    assert outcome(body, len(body)) == outcome(body, 1000) == "malformed"

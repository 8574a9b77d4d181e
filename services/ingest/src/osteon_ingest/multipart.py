"""Split a multipart/related body (RFC 2046, RFC 2387) while it arrives, in bounded memory."""

from dataclasses import dataclass

from osteon.errors import OsteonError

__all__ = ["Malformed", "Part", "Splitter"]

MAX_HEADER_BYTES = 16 * 1024
MAX_BOUNDARY_BYTES = 256  # RFC 2046, 5.1.1 allows 70, and Orthanc sends 73


class Malformed(OsteonError):
    """The body is not multipart as its boundary says."""


@dataclass(frozen=True)
class Part:
    """One part; `body` is only its beginning, as long as the limit, if it `is_too_large`."""

    content_type: str  # lower case, without parameters; empty if the part states none
    body: bytes
    is_too_large: bool


class Splitter:
    """Takes the body in pieces of any size and gives its parts as they are complete.

    Holds one part at a time, up to `max_part_bytes`; of a longer one only the beginning.
    """

    def __init__(self, boundary: str, max_part_bytes: int) -> None:
        if not 0 < len(boundary) <= MAX_BOUNDARY_BYTES or not boundary.isascii():
            raise Malformed("the boundary must have 1 to 256 ASCII characters")
        self._delimiter = b"\r\n--" + boundary.encode()
        self._max_part_bytes = max_part_bytes
        # The first delimiter may stand at the very beginning, without the line break that belongs to all others.
        self._buffer = bytearray(b"\r\n")
        self._searched = 0
        self._content_type: str | None = None  # None before the first part
        self._beginning: bytes | None = None  # of a part that is too large
        self.is_complete = False

    def feed(self, piece: bytes) -> list[Part]:
        """The parts that `piece` completes. Raises Malformed."""
        if self.is_complete:
            return []  # what follows the last delimiter means nothing
        self._buffer += piece
        parts = []
        while not self.is_complete:
            at = self._buffer.find(self._delimiter, self._searched)
            if at < 0:
                self._wait_for_more()
                break
            header_at = at + len(self._delimiter)
            is_last = self._buffer[header_at : header_at + 2] == b"--"
            header_end = self._buffer.find(b"\r\n\r\n", header_at)
            if not is_last and (len(self._buffer) if header_end < 0 else header_end) - header_at > MAX_HEADER_BYTES:
                raise Malformed("the headers of a part do not end")
            if header_end < 0 and not is_last:
                self._searched = at
                break
            if self._content_type is not None:
                parts.append(self._part(at))
            if is_last:
                self.is_complete = True
                self._buffer.clear()
            else:
                self._content_type = _content_type(bytes(self._buffer[header_at:header_end]))
                # The line break before the delimiter of a part without body is the end of its headers.
                del self._buffer[: header_end + 2]
                self._searched = 0
        return parts

    def _part(self, end: int) -> Part:
        # The buffer begins with the line break that ends the headers, unless its beginning was let go already.
        body = bytes(self._buffer[2:end]) if self._beginning is None else self._beginning
        is_too_large = self._beginning is not None or len(body) > self._max_part_bytes
        self._beginning = None
        return Part(self._content_type or "", body[: self._max_part_bytes], is_too_large)

    def _wait_for_more(self) -> None:
        may_begin_at = max(0, len(self._buffer) - len(self._delimiter) + 1)
        if self._content_type is None or self._beginning is not None:  # nobody wants what was before
            del self._buffer[:may_begin_at]
        elif may_begin_at > self._max_part_bytes + 2:
            self._beginning = bytes(self._buffer[2 : self._max_part_bytes + 2])
            del self._buffer[:may_begin_at]
        else:
            self._searched = may_begin_at
            return
        self._searched = 0


def _content_type(headers: bytes) -> str:
    for line in headers.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-type":
            return value.partition(";")[0].strip().lower()
    return ""

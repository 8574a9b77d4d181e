"""Trace context of the W3C recommendation (level 1, 2021): one trace an image, one span a step."""

import re
import secrets

__all__ = ["child", "new", "span_id", "trace_id"]

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def new() -> str:
    """A `traceparent` that begins a trace."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def child(traceparent: str) -> str:
    """A `traceparent` of the same trace with a span of its own; a new trace if the given one is malformed."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return f"00-{found[1]}-{secrets.token_hex(8)}-{found[3]}" if found else new()


def trace_id(traceparent: str) -> str:
    """The 32 hexadecimal digits of the trace, or nothing if malformed."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return found[1] if found else ""


def span_id(traceparent: str) -> str:
    """The 16 hexadecimal digits of the span, or nothing if malformed."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return found[2] if found else ""

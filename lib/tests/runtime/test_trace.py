"""One trace an image, one span a step."""

from hypothesis import given
from hypothesis import strategies as st

from osteon.runtime import trace


def test_a_child_keeps_the_trace_and_has_a_span_of_its_own() -> None:
    parent = trace.new()

    child = trace.child(parent)

    assert trace.trace_id(child) == trace.trace_id(parent)
    assert trace.span_id(child) != trace.span_id(parent)


@given(st.text())
def test_a_malformed_one_begins_a_new_trace(wild: str) -> None:
    child = trace.child(wild)

    assert len(trace.trace_id(child)) == 32
    assert len(trace.span_id(child)) == 16

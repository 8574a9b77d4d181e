"""Instances of one stage come, go, die and share a name: each record still leads to one output."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from osteon.bus import Context, Outgoing
from osteon.contracts import ImageDeidentified
from osteon.errors import Fatal

from .running_stage import images, once

# kafka-python leaves connections that were never made to the garbage collector; see `collected`.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
Until = Callable[..., None]


def test_a_second_instance_with_the_same_name_ends_the_first_at_its_next_record(scene: Any, until: Until) -> None:
    with scene.running() as first:
        scene.send("good-a")
        scene.wait(1)
        with scene.running() as second:
            until(lambda: second.health.unready == [])
            scene.send("good-b")
            until(lambda: first.error is not None)
            outcomes = scene.wait(2)

    assert isinstance(first.error, Fatal)
    assert second.error is None
    assert outcomes == once("good-a", "good-b")


def test_an_instance_that_joins_while_work_is_in_flight_doubles_nothing(scene: Any, until: Until) -> None:
    gate = threading.Event()
    in_hand: list[str] = []

    def slow(message: ImageDeidentified, context: Context) -> Sequence[Outgoing]:
        in_hand.append(message.image_id)
        gate.wait(30)
        outputs: Sequence[Outgoing] = scene.stage().work(message, context)
        return outputs

    sent = images("good", 30)
    scene.send(*sent)
    with scene.running(work=slow) as first:
        until(lambda: in_hand)
        with scene.running(ordinal=1) as second:
            until(lambda: "bus" not in second.health.unready and second.health.unready != ["start"])
            gate.set()
            outcomes = scene.wait(len(sent))
            scene.send("good-more")
            more = scene.wait(len(sent) + 1)

    assert (first.error, second.error) == (None, None)
    assert outcomes == once(*sent)
    assert more == once(*sent, "good-more")


def test_an_instance_that_leaves_while_both_have_work_in_flight_loses_and_doubles_nothing(
    scene: Any, until: Until
) -> None:
    gate = threading.Event()
    in_hand: dict[int, list[str]] = {0: [], 1: []}

    def slow(ordinal: int) -> Callable[[ImageDeidentified, Context], Sequence[Outgoing]]:
        def work(message: ImageDeidentified, context: Context) -> Sequence[Outgoing]:
            in_hand[ordinal].append(message.image_id)
            gate.wait(30)
            outputs: Sequence[Outgoing] = scene.stage().work(message, context)
            return outputs

        return work

    sent = images("good", 30)
    with scene.running(work=slow(0)) as first:
        with scene.running(work=slow(1), ordinal=1) as second:
            until(lambda: first.health.unready == second.health.unready == [])
            scene.send(*sent)
            until(lambda: in_hand[0] and in_hand[1])
            second.stop.set()
            gate.set()
        scene.wait(len(sent))

    assert (first.error, second.error) == (None, None)
    assert scene.outcomes() == once(*sent)  # also of what came after the last one was waited for


def test_a_stage_that_is_told_to_stop_commits_what_is_in_flight(scene: Any, until: Until) -> None:
    gate, begun = threading.Event(), threading.Event()

    def slow(message: ImageDeidentified, context: Context) -> Sequence[Outgoing]:
        begun.set()
        gate.wait(30)
        outputs: Sequence[Outgoing] = scene.stage().work(message, context)
        return outputs

    scene.send("good-a")
    with scene.running(work=slow) as running:
        until(begun.is_set)
        running.stop.set()
        gate.set()

    assert scene.outcomes() == once("good-a")


class Killed(BaseException):
    """Stands for the death of a process, within this one."""


STEPS = ["polled", "claimed", "worked", "begun", "produced", "offsets-sent", "committed"]


@pytest.mark.parametrize("step", STEPS)
def test_an_instance_that_dies_between_two_steps_leaves_one_outcome_each(scene: Any, until: Until, step: str) -> None:
    def die(reached: str) -> None:
        if reached == step:
            raise Killed

    sent = [*images("good", 8), "poison-x"]
    scene.send(*sent)
    with scene.running(checkpoint=die) as dying:
        until(lambda: dying.error is not None)
    assert isinstance(dying.error, Killed)

    with scene.running():
        outcomes = scene.wait(len(sent))

    assert outcomes == once(*sent)

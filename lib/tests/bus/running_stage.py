"""A stage for the tests; what it makes of an image is said by the image's id. Also run as a process of its own."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from osteon.bus import Context, Limits, Outgoing, Stage, State, connect, work_one
from osteon.contracts import ImageDeidentified, ImageHarmonized, ImageKnown
from osteon.contracts.topics import DEAD_LETTER, IMAGE_SET_ASIDE, STAGE_BRAKED, Topic, retry_topic
from osteon.errors import Passing, Poison, SetAside
from osteon.runtime import logs

PARTITIONS = 2
HERE = Path(__file__)


def inputs(name: str) -> Topic:
    return Topic(f"test.{name}.in", ImageDeidentified, "patient", PARTITIONS, readers=(name,))


def outputs(name: str) -> Topic:
    return Topic(f"test.{name}.out", ImageHarmonized, "patient", PARTITIONS)


def known(name: str) -> Topic:
    return Topic(f"test.{name}.known", ImageKnown, "image_id", PARTITIONS, retention_ms=None)


def topics(name: str) -> list[Topic]:
    common = [DEAD_LETTER, IMAGE_SET_ASIDE, STAGE_BRAKED]
    return [inputs(name), retry_topic(inputs(name), name), outputs(name), known(name), *common]


def make_work(name: str) -> Callable[[ImageDeidentified, Context], Sequence[Outgoing]]:
    def work(message: ImageDeidentified, context: Context) -> Sequence[Outgoing]:
        kind = message.image_id.split("-")[0]
        if kind == "poison":
            raise Poison("bad-pixels", "Nobody can work this one.")
        if kind == "aside":
            raise SetAside("blank")
        if kind == "error":
            raise ZeroDivisionError(message.patient)
        if kind == "away":
            raise Passing("store", "The store did not answer.")
        if kind == "abort":
            os.abort()
        if kind == "swallow":
            held = [b"x" * 2**24 for _ in range(64)]  # 1 GiB: more than the control group of the test allows
            raise Poison("bad-pixels", f"{len(held)} blocks were held, so nothing bounds the memory of this process.")
        harmonized = ImageHarmonized(image_id=message.image_id, patient=message.patient)
        return [Outgoing(outputs(name), harmonized)]

    return work


def make_settle(name: str) -> Callable[[Sequence[Outgoing], State], Sequence[Outgoing]]:
    """Each image once, and the order in which they came noted in `site`."""

    def settle(made: Sequence[Outgoing], state: State) -> Sequence[Outgoing]:
        message = made[0].message
        assert isinstance(message, ImageHarmonized)
        if message.image_id in state:
            return []
        return [*made, Outgoing(known(name), ImageKnown(image_id=message.image_id, patient=message.patient))]

    return settle


def make_stage(name: str, **changes: Any) -> Stage:
    given: dict[str, Any] = {
        "name": name,
        "site": "test",
        "consumes": inputs(name),
        "work": make_work(name),
        "n_threads": 4,
        "isolate": [sys.executable, str(HERE), "work-one", name],
        "limits": Limits(wall_s=180.0),
    }
    return Stage(**given | changes)


def image(image_id: str, patient: str = "") -> Message:
    return ImageDeidentified(image_id=image_id, patient=patient or image_id, site="test")


def images(kind: str, number: int) -> list[str]:
    """Ids of `number` images that the stages of these tests treat as `kind` says."""
    return [f"{kind}-{one}" for one in range(number)]


def once(*image_ids: str) -> dict[str, int]:
    """The outcomes where each image has one."""
    return dict.fromkeys(image_ids, 1)


def killed_at(step: str) -> Callable[[str], None]:
    def checkpoint(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return checkpoint


def main(command: str, name: str, given: Mapping[int, str]) -> None:
    if command == "work-one":
        work_one(make_work(name))
        return
    logs.start(name)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    servers, step = given[0], given[1]
    has_state = given[2] == "state"
    changes = {"settle": make_settle(name), "state": known(name)} if has_state else {}
    stage = make_stage(name, checkpoint=killed_at(step), **changes)
    stage.run(connect(servers, delivery_timeout_s=4.0, session_timeout_s=6.0), stop)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], dict(enumerate(sys.argv[3:])))

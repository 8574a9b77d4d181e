"""Dead letters are replayed: once, by one, into their stage alone."""

from typing import Any

import pytest

from osteon.bus import dead_letters
from osteon.bus.dead_letters import Selection, replay
from osteon.bus.record import REPLAY_OF, header
from osteon.contracts import ImageDeidentified
from osteon.errors import Passing

# kafka-python leaves connections that were never made to the garbage collector; see `collected`.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def test_a_dead_letter_is_replayed_into_its_stage_alone_and_once(scene: Any) -> None:
    scene.send("poison-a", "poison-b")
    with scene.running():
        scene.wait(2)

    replayed = replay(scene.bus, scene.name, Selection(scene.name, image="poison-a"))
    again = replay(scene.bus, scene.name, Selection(scene.name, image="poison-a"))

    assert [letter.image_id for letter in replayed] == ["poison-a"]
    assert again == []
    healed = scene.stage(work=lambda message, context: scene.stage().work(_healed(message), context))
    with scene.running(healed):
        outcomes = scene.wait(3)
    assert outcomes == {"poison-a": 1, "poison-b": 1, "good-a": 1}
    assert header(scene.output_records()[0].headers, REPLAY_OF) == replayed[0].id


def _healed(message: ImageDeidentified) -> ImageDeidentified:
    return ImageDeidentified(image_id=message.image_id.replace("poison", "good"), patient=message.patient)


def test_who_is_late_when_two_replay_at_once_is_told_so(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.send("poison-a")
    with scene.running():
        scene.wait(1)
    look, selection, others = dead_letters.waiting, Selection(scene.name), list[str]()

    def look_and_be_overtaken(bus: Any, wanted: Selection) -> Any:
        monkeypatch.undo()
        found = look(bus, wanted)
        others.extend(letter.image_id for letter in replay(bus, scene.name, wanted))
        return found

    monkeypatch.setattr(dead_letters, "waiting", look_and_be_overtaken)

    with pytest.raises(Passing, match="at the same time"):
        replay(scene.bus, scene.name, selection)

    assert others == ["poison-a"]


def test_a_replayed_letter_that_fails_again_can_be_replayed_again(scene: Any) -> None:
    scene.send("poison-a")
    with scene.running():
        scene.wait(1)
        replay(scene.bus, scene.name, Selection(scene.name))
        scene.wait(2)

    replayed = replay(scene.bus, scene.name, Selection(scene.name))

    first, second = scene.dead()
    assert first.id != second.id
    assert [letter.id for letter in replayed] == [second.id]

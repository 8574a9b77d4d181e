"""Make, use, roll back, retire: on a bus and a store in memory."""

from pathlib import Path
from typing import Any

import pytest

from osteon.bus import MemoryBus, Outgoing
from osteon.contracts import ReleaseSet
from osteon.contracts.topics import MODEL_RELEASED, TOPICS
from osteon.errors import Fatal, Passing, Poison
from osteon.release import Releases
from osteon.release.publish import find, make, retire, rollback, use
from osteon.release.repository import read_folder, save_folder
from osteon.store import MemoryStore


@pytest.fixture
def two(bus: MemoryBus, store: MemoryStore, releases: Releases, harmonizer: Any, classifier: Any) -> tuple[str, str]:
    """Two released sets."""
    first = make(bus, store, releases, harmonizer(version=1), classifier(version=1))
    return first, make(bus, store, releases, harmonizer(version=2, gain=0.7), classifier(version=2, bias=1.0))


def test_a_set_that_was_made_can_be_got_with_its_cards(two: tuple[str, str], releases: Releases) -> None:
    first, second = two

    assert [record.id for record in releases.released()] == [first, second]
    assert releases.get(second).harmonizer.version == 2
    assert releases.get(first).geometry.rows == 16
    assert len(first) == 12


def test_the_same_files_are_the_same_set(
    bus: MemoryBus, store: MemoryStore, releases: Releases, harmonizer: Any, classifier: Any
) -> None:
    models = harmonizer(), classifier()

    assert make(bus, store, releases, *models) == make(bus, store, releases, *models)
    assert len(releases.released()) == 1


def test_a_set_that_is_saved_and_made_elsewhere_is_the_same_set(
    two: tuple[str, str], store: MemoryStore, releases: Releases, tmp_path: Path
) -> None:
    for card, model in releases.get(two[1]).models:
        save_folder(store, model, tmp_path / "set" / card.role)

    elsewhere, there = MemoryBus(), MemoryStore()
    elsewhere.provision(TOPICS)
    folders = [read_folder(tmp_path / "set" / role) for role in ("harmonizer", "classifier")]
    assert make(elsewhere, there, Releases(elsewhere, there), *folders) == two[1]
    with pytest.raises(Fatal, match="name a folder that is not there yet"):
        save_folder(store, releases.get(two[0]).models[0][1], tmp_path / "set" / "harmonizer")


def test_making_a_set_does_not_put_it_in_force(two: tuple[str, str], releases: Releases) -> None:
    with pytest.raises(Passing, match="osteon release use"):
        releases.in_force()


def test_a_switch_and_the_way_back(two: tuple[str, str], bus: MemoryBus, releases: Releases) -> None:
    first, second = two
    use(bus, releases, first)
    use(bus, releases, second)
    assert releases.in_force().id == second

    assert rollback(bus, releases) == first
    assert releases.in_force().id == first
    assert rollback(bus, releases) == second


def test_another_process_sees_a_switch(two: tuple[str, str], bus: MemoryBus, store: MemoryStore) -> None:
    time_s = [0.0]
    stage = Releases(bus, store, clock=lambda: time_s[0])
    use(bus, Releases(bus, store), two[0])
    assert stage.in_force().id == two[0]

    use(bus, Releases(bus, store), two[1])
    time_s[0] += 1.5

    assert stage.in_force().id == two[1]


def test_nothing_is_switched_where_nothing_serves(two: tuple[str, str], bus: MemoryBus, releases: Releases) -> None:
    use(bus, releases, two[0])

    def ready(_: str) -> None:
        raise Fatal("not served")

    with pytest.raises(Fatal, match="not served"):
        use(bus, releases, two[1], ready)
    assert releases.in_force().id == two[0]


def test_a_first_release_can_not_be_rolled_back(two: tuple[str, str], bus: MemoryBus, releases: Releases) -> None:
    use(bus, releases, two[0])

    with pytest.raises(Fatal, match="nothing to go back to"):
        rollback(bus, releases)


def test_a_set_in_force_is_not_retired_and_another_is(two: tuple[str, str], bus: MemoryBus, releases: Releases) -> None:
    use(bus, releases, two[1])

    with pytest.raises(Fatal, match="in force"):
        retire(bus, releases, two[1])
    retire(bus, releases, two[0])

    assert [record.id for record in releases.released()] == [two[1]]


def test_a_retired_set_is_poison_also_for_who_starts_later_until_it_is_released_again(
    two: tuple[str, str], bus: MemoryBus, store: MemoryStore, releases: Releases, tmp_path: Path
) -> None:
    use(bus, releases, two[1])
    retire(bus, releases, two[0])

    for reader in (releases, Releases(bus, store)):
        with pytest.raises(Poison) as caught:
            reader.get(two[0])
        assert caught.value.reason == "release-retired"

    folders = [read_folder(tmp_path / name) for name in ("gain-1-0.5", "mean-1-0.0")]
    again = make(bus, store, releases, *folders)
    assert again == two[0]
    assert releases.get(two[0]).id == two[0]


def test_a_record_of_a_set_that_was_never_released_is_not_waited_for(two: tuple[str, str], releases: Releases) -> None:
    with pytest.raises(Poison) as caught:
        releases.get("never-seen")
    assert caught.value.reason == "release-unknown"


def test_a_set_whose_card_lies_in_another_bucket_is_not_read(
    two: tuple[str, str], bus: MemoryBus, store: MemoryStore
) -> None:
    forged = ReleaseSet()
    forged.CopyFrom(Releases(bus, store).get(two[0]).record)
    forged.id = "forged"
    forged.harmonizer.card.bucket = "vault"
    bus.publisher().publish(Outgoing(MODEL_RELEASED, forged))

    with pytest.raises(Poison) as caught:
        Releases(bus, store).get("forged")

    assert caught.value.reason == "bad-reference"


def test_only_the_models_that_images_need_are_asked_for(
    two: tuple[str, str], bus: MemoryBus, store: MemoryStore, releases: Releases, harmonizer: Any, classifier: Any
) -> None:
    before = releases.cards("harmonizer")
    use(bus, releases, two[0])
    use(bus, releases, two[1])
    make(bus, store, releases, harmonizer(version=3, gain=0.9), classifier(version=3, bias=2.0))

    assert before == []
    assert [card.version for card in releases.cards("harmonizer")] == [2]
    assert [card.version for card in releases.cards("classifier", with_previous=True)] == [2, 1]

    retire(bus, releases, two[0])
    assert [card.version for card in releases.cards("classifier", with_previous=True)] == [2]


def test_a_set_is_found_by_its_first_digits(two: tuple[str, str], releases: Releases) -> None:
    assert find(releases, two[0][:6]) == two[0]
    for wrong in ("", "zzz"):
        with pytest.raises(Fatal, match=two[0]):
            find(releases, wrong)


def test_a_version_is_not_released_twice_with_other_bytes(
    two: tuple[str, str], bus: MemoryBus, store: MemoryStore, releases: Releases, harmonizer: Any, classifier: Any
) -> None:
    with pytest.raises(Fatal, match="raise the version"):
        make(bus, store, releases, harmonizer(version=1, gain=0.9), classifier(version=3))


def test_a_model_that_does_not_give_what_was_recorded_is_not_released(
    bus: MemoryBus, store: MemoryStore, releases: Releases, harmonizer: Any, classifier: Any
) -> None:
    with pytest.raises(Fatal, match="export the model again"):
        make(bus, store, releases, harmonizer(gain=0.5, recorded_gain=0.51), classifier())
    assert not releases.released()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("card.json", b"{}", "card.json"),
        ("card.json", None, "card.json"),
        ("model.onnx", b"no onnx", "can't be loaded"),
        ("parity.npz", b"no archive", "no.* archive of arrays|not an archive"),
    ],
)
def test_a_broken_model_folder_is_refused_by_name(
    bus: MemoryBus, store: MemoryStore, releases: Releases, harmonizer: Any, classifier: Any, tmp_path: Path,
    name: str, content: bytes | None, text: str,
) -> None:  # fmt: skip
    harmonizer()
    folder = tmp_path / "gain-1-0.5"
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)

    with pytest.raises(Fatal, match=text):
        make(bus, store, releases, read_folder(folder), classifier())


def test_a_released_card_that_was_changed_in_the_store_is_noticed(
    two: tuple[str, str], bus: MemoryBus, store: MemoryStore, releases: Releases
) -> None:
    card = releases.released()[0].harmonizer.card
    store.put_named(card.bucket, card.key, b"{}", "application/json")

    with pytest.raises(Poison) as caught:
        Releases(bus, store).get(two[0])
    assert caught.value.reason == "object-corrupt"

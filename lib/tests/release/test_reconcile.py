"""A real Triton, kept loaded with what is released."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from osteon import contracts
from osteon.bus import MemoryBus, Outgoing
from osteon.contracts.topics import MODEL_RELEASED
from osteon.errors import Passing, Poison
from osteon.release import Releases, Triton, reconcile
from osteon.release.parity import run_onnx
from osteon.release.publish import make, retire, rollback, use
from osteon.release.reconcile import Reconciler, check_served
from osteon.release.release_set import set_id
from osteon.release.repository import Folder, upload
from osteon.release.triton import by_model
from osteon.runtime.health import Health
from osteon.store import MemoryStore
from osteon_stack.triton import repository

IMAGES = np.random.default_rng(7).random((3, 1, 16, 8), dtype=np.float32)


class OwnTriton:
    """A Triton of this module alone, that a test may kill and start, and a client of it."""

    def __init__(self, server: Any, until: Callable[..., None]) -> None:
        self.server, self.until = server, until
        self.repository = repository(server.folder)
        self.client = Triton(server.address)
        self.start()

    def start(self) -> None:
        self.server.start()
        self.until(self._answers)  # gRPC waits a while before it tries a lost server again

    def _answers(self) -> bool:
        try:
            self.client.probe()
        except Passing:
            return False
        return True

    def kill(self) -> None:
        self.server.kill()


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(own_triton: Any, until: Callable[..., None]) -> Iterator[OwnTriton]:
    server = OwnTriton(own_triton, until)
    yield server
    server.client.close()


@pytest.fixture
def reconciler(server: OwnTriton, releases: Releases, store: MemoryStore) -> Reconciler:
    return Reconciler(releases, store, server.client, server.repository)


@pytest.fixture
def first(bus: MemoryBus, store: MemoryStore, releases: Releases, harmonizer: Any, classifier: Any) -> str:
    """A set that is in force."""
    first = make(bus, store, releases, harmonizer(), classifier())
    use(bus, releases, first)
    return first


@pytest.fixture
def second(first: str, bus: MemoryBus, store: MemoryStore, releases: Releases, harmonizer: Any, classifier: Any) -> str:
    """Another set, with new versions of the same models; released, not in force."""
    return make(bus, store, releases, harmonizer(version=2, gain=0.7), classifier(version=2, bias=1.0))


def test_what_is_released_is_loaded_and_equals_bare_onnx_runtime(
    first: str, server: OwnTriton, reconciler: Reconciler, releases: Releases, store: MemoryStore
) -> None:
    assert reconciler.round() == {}

    check_served(server.client, store, releases.get(first))
    for card, model in releases.get(first).models:
        bare = run_onnx(store.get(model.onnx), card)({"image": IMAGES})
        served = server.client.infer(card, {"image": IMAGES})
        np.testing.assert_array_equal(served[card.outputs[0].name], bare[card.outputs[0].name])


def test_a_restarted_triton_is_loaded_again(
    first: str, server: OwnTriton, reconciler: Reconciler, releases: Releases, store: MemoryStore
) -> None:
    reconciler.round()
    server.kill()
    assert "Triton did not answer" in reconciler.round()[""]

    server.start()
    assert server.client.loaded() == ()
    assert reconciler.round() == {}

    check_served(server.client, store, releases.get(first))


def test_a_model_that_is_too_busy_to_be_checked_stays_loaded(
    first: str, server: OwnTriton, reconciler: Reconciler, releases: Releases, monkeypatch: pytest.MonkeyPatch,
    until: Any,
) -> None:  # fmt: skip
    reconciler.round()
    card = releases.get(first).harmonizer
    others, is_over = Triton(server.server.address), threading.Event()
    answered: list[object] = []

    def ask() -> None:
        while not is_over.is_set():
            answered.append(others.infer(card, {"image": IMAGES}))

    def round_while_others_are_answered() -> dict[str, str]:
        n_before = len(answered)
        until(lambda: len(answered) > n_before)
        return reconciler.round()

    monkeypatch.setattr(reconcile, "CHECK_ROUNDS", 0)
    monkeypatch.setattr(server.client, "_infer_timeout_s", 1e-6)  # no answer comes as fast
    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    told = [round_while_others_are_answered() for _ in range(5)]
    loaded = by_model(server.client.loaded())[card.name][card.version]
    is_over.set()
    for thread in asking:
        thread.join(60)
    others.close()

    assert any(card.name in wrong for wrong in told)  # now and then an answer comes before the deadline is looked at
    assert loaded.state == "READY"


def test_two_versions_are_served_side_by_side_and_no_request_fails_at_a_switch(
    first: str, second: str, server: OwnTriton, reconciler: Reconciler, releases: Releases, bus: MemoryBus,
    store: MemoryStore,
) -> None:  # fmt: skip
    retire(bus, releases, second)
    reconciler.round()
    old = releases.get(first).harmonizer
    failures: list[Exception] = []
    n_answers = [0]
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            try:
                answer = server.client.infer(old, {"image": IMAGES})["harmonized"]
                np.testing.assert_allclose(answer.astype(np.float32), IMAGES * np.float32(0.5), rtol=1e-6)
                n_answers[0] += 1
            except Exception as error:  # noqa: BLE001 whatever it is, the test shows it
                failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    publish_again(bus, store, releases, second)
    assert reconciler.round() == {}
    use(bus, releases, second, lambda set_id: check_served(server.client, store, releases.get(set_id)))
    assert reconciler.round() == {}
    new = releases.in_force().harmonizer
    answer = server.client.infer(new, {"image": IMAGES})["harmonized"]
    is_over.set()
    for thread in threads:
        thread.join(60)

    assert failures == []
    assert n_answers[0] > 0
    np.testing.assert_allclose(answer.astype(np.float32), IMAGES * np.float32(0.7), rtol=1e-6)


def test_a_retired_set_is_unloaded_and_the_set_in_force_goes_on(
    first: str, second: str, server: OwnTriton, reconciler: Reconciler, releases: Releases, bus: MemoryBus
) -> None:
    reconciler.round()
    use(bus, releases, second)
    retired = releases.get(first).harmonizer
    retire(bus, releases, first)

    assert reconciler.round() == {}

    with pytest.raises(Passing, match="has not loaded"):
        server.client.infer(retired, {"image": IMAGES})
    assert not (server.repository / "gain" / "1").exists()
    server.client.infer(releases.in_force().harmonizer, {"image": IMAGES})


def test_a_rollback_needs_no_loading(
    first: str, second: str, server: OwnTriton, reconciler: Reconciler, releases: Releases, bus: MemoryBus
) -> None:
    reconciler.round()
    use(bus, releases, second)

    rollback(bus, releases)

    assert releases.in_force().id == first
    server.client.infer(releases.in_force().harmonizer, {"image": IMAGES})


def test_a_model_that_serves_otherwise_than_recorded_is_not_ready(
    server: OwnTriton, bus: MemoryBus, store: MemoryStore, releases: Releases, reconciler: Reconciler,
    harmonizer: Any, classifier: Any,
) -> None:  # fmt: skip
    wrong = released_unchecked(bus, store, harmonizer("astray", recorded_gain=0.52), classifier("other-mean"))
    use(bus, releases, wrong)

    told = reconciler.round()

    assert set(told) == {"astray"}
    assert "recorded" in told["astray"]
    with pytest.raises(Passing, match="recorded"):
        check_served(server.client, store, releases.get(wrong))


def test_a_corrupt_model_is_not_loaded_and_the_others_are(
    server: OwnTriton, bus: MemoryBus, store: MemoryStore, releases: Releases, reconciler: Reconciler,
    harmonizer: Any, classifier: Any,
) -> None:  # fmt: skip
    set_id = make(bus, store, releases, harmonizer("broken"), classifier("sound"))
    onnx = releases.get(set_id).record.harmonizer.onnx
    store.put_named(onnx.bucket, onnx.key, b"other bytes", "application/onnx")

    told = reconciler.round()

    assert set(told) == {"broken"}
    assert "broken" not in by_model(server.client.loaded())
    assert by_model(server.client.loaded())["sound"][1].state == "READY"


def test_a_model_that_triton_refuses_is_told_and_not_tried_each_round(
    server: OwnTriton, bus: MemoryBus, store: MemoryStore, releases: Releases, reconciler: Reconciler,
    harmonizer: Any, classifier: Any,
) -> None:  # fmt: skip
    sound = harmonizer("refused")
    released_unchecked(bus, store, Folder(sound.card, b"no onnx", sound.parity), classifier("sound-too"))

    assert "Triton fails at model refused" in reconciler.round()["refused"]
    assert "tried again soon" in reconciler.round()["refused"]


def test_it_runs_until_it_is_stopped_and_is_ready_with_the_set_in_force(first: str, reconciler: Reconciler) -> None:
    stop, health = threading.Event(), Health()
    thread = threading.Thread(target=reconciler.run, args=(stop, health))
    thread.start()
    try:
        for _ in range(600):
            if not health.unready:
                break
            stop.wait(0.1)
        assert health.unready == []
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def test_an_input_that_the_card_does_not_allow_is_poison_and_not_sent(first: str, releases: Releases) -> None:
    card = releases.get(first).harmonizer
    nowhere = Triton("127.0.0.1:1")

    for wrong in ({"image": IMAGES[:, :, :4]}, {"image": IMAGES.astype(np.float64)}, {"picture": IMAGES}):
        with pytest.raises(Poison) as caught:
            nowhere.infer(card, wrong)
        assert caught.value.reason == "wrong-shape"


def test_a_triton_that_is_away_is_waited_for(first: str, releases: Releases) -> None:
    nowhere = Triton("127.0.0.1:1")

    for call in (
        nowhere.probe,
        nowhere.loaded,
        lambda: nowhere.infer(releases.get(first).harmonizer, {"image": IMAGES}),
    ):
        with pytest.raises(Passing) as caught:
            call()
        assert caught.value.dependency == "triton"


def released_unchecked(bus: MemoryBus, store: MemoryStore, harmonizer: Folder, classifier: Folder) -> str:
    """A set as `make` would release it, had it not checked parity."""
    record = contracts.ReleaseSet(harmonizer=upload(store, harmonizer), classifier=upload(store, classifier))
    record.id = set_id(record.harmonizer, record.classifier)
    bus.publisher().publish(Outgoing(MODEL_RELEASED, record))
    return str(record.id)


def publish_again(bus: MemoryBus, store: MemoryStore, releases: Releases, set_id: str) -> None:
    """Release a retired set again, from its last record on the bus."""
    records = [record for record in bus.read([MODEL_RELEASED]) if record.key.decode() == set_id and record.value]
    bus.publisher().publish(Outgoing(MODEL_RELEASED, contracts.ReleaseSet.FromString(records[-1].value or b"")))
    releases.refresh()

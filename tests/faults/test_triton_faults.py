"""Triton hangs, dies, runs out of memory, or serves a model that answers nonsense: each image has a visible outcome."""

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from osteon.bus import MemoryBus, Outgoing
from osteon.contracts import DeadLetter, ImageClassified, ImageHarmonized
from osteon.contracts.topics import DEAD_LETTER, IMAGE_CLASSIFIED, IMAGE_HARMONIZED, TOPICS
from osteon.errors import Passing
from osteon.imaging.derived import derived_dicom
from osteon.imaging.dicom import read_dataset
from osteon.imaging.image import Image
from osteon.phantom.encoding import encoded
from osteon.phantom.specimen import specimen
from osteon.release import Releases, Triton, reconcile, write_parity
from osteon.release.publish import make, use
from osteon.release.reconcile import Reconciler
from osteon.release.repository import Folder, read_folder
from osteon.runtime import Settings, read_settings
from osteon.runtime.health import Health
from osteon.store import MemoryStore
from osteon_classifier.classify import make_stage
from osteon_stack.triton import repository

Until = Callable[..., None]
MODELS = Path(__file__).parents[2] / "models"
STUB = "triton_python_backend_stub"  # the process that holds one loaded model
# Means of an image to which the model below answers with nonsense.
NAN, MEMORY, SHAPE, WELL = 0.05, 0.95, 0.85, 0.5

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def moody(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A classifier: the image's mean, except where that is dark or bright; its parity images are neither."""
    folder = tmp_path_factory.mktemp("models") / "moody"
    folder.mkdir()
    nodes = [
        ("GlobalAveragePool", ["image"], "pooled"),
        ("Flatten", ["pooled"], "mean"),
        # Below 0.1 the logarithm is not a number, above 0.9 there is no memory for so many zeros, and above 0.8
        # the answer has two columns.
        ("Sub", ["mean", "dark"], "light"),
        ("Log", ["light"], "log"),
        ("Mul", ["log", "zero"], "nothing_or_nan"),
        ("ReduceMax", ["mean"], "most"),
        ("Sub", ["most", "bright"], "glare"),
        ("Relu", ["glare"], "too_bright"),
        ("Mul", ["too_bright", "huge"], "length"),
        ("Cast", ["length"], "long"),
        ("Reshape", ["long", "vector"], "size"),
        ("ConstantOfShape", ["size"], "zeros"),
        ("ReduceSum", ["zeros"], "no_zeros"),
        ("Add", ["mean", "nothing_or_nan"], "finite"),
        ("Add", ["finite", "no_zeros"], "fits"),
        ("Greater", ["most", "wide"], "is_wide"),
        ("Cast", ["is_wide"], "one_more"),
        ("Reshape", ["one_more", "vector"], "more"),
        ("Add", ["more", "vector"], "columns"),
        ("Concat", ["vector", "columns"], "repeats"),
        ("Tile", ["fits", "repeats"], "logit"),
    ]
    attributes: dict[str, dict[str, Any]] = {"Cast": {"to": TensorProto.INT64}, "Concat": {"axis": 0}}
    attributes |= {name: {"keepdims": 0} for name in ("ReduceMax", "ReduceSum")}
    constants = {"dark": np.float32(0.1), "bright": np.float32(0.9), "wide": np.float32(0.8), "zero": np.float32(0),
                 "huge": np.float32(1e18), "vector": np.array([1], np.int64)}  # fmt: skip
    card = replace(read_folder(MODELS / "cnn").card, name="moody", tolerance=1e-4)
    rows, columns = card.geometry.rows, card.geometry.columns
    graph = helper.make_graph(
        [helper.make_node(kind, given, [made], **attributes.get(kind, {})) for kind, given, made in nodes],
        "moody",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", 1, rows, columns])],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["b", "c"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "card.json").write_text(card.to_json())
    images = np.full((2, 1, rows, columns), WELL, np.float32)
    write_parity(folder / "parity.npz", {"image": images}, {"logit": images.mean((2, 3))})
    return read_folder(folder)


@dataclass(frozen=True)
class Scene:
    """The classifier's stage on a real Triton."""

    bus: MemoryBus
    store: MemoryStore
    triton: Triton
    reconciler: Reconciler
    release_set: str

    def send(self, *means: float) -> list[str]:
        """Harmonized images of noise with these means; their ids."""
        femur = specimen(1, seed=5, pitch_mm=0.5).dataset
        source = read_dataset(encoded(femur, "1.2.840.10008.1.2.1"))
        geometry = read_folder(MODELS / "cnn").card.geometry
        rows, columns = geometry.rows, geometry.columns
        publisher = self.bus.publisher()
        ids = [f"{number}-{mean}" for number, mean in enumerate(means)]
        for image_id, mean in zip(ids, means, strict=True):
            noise = np.random.default_rng(3).uniform(-0.04, 0.04, (rows, columns)).astype(np.float32)
            image = Image(pixels=noise + np.float32(mean), spacing_mm=(0.5, 0.5))
            made = derived_dicom(source, image, role=image_id, release_set=self.release_set)
            ref = self.store.put("harmonized", made, "application/dicom")
            message = ImageHarmonized(image_id=image_id, site="test", object=ref, release_set=self.release_set)
            publisher.publish(Outgoing(IMAGE_HARMONIZED, message))
        publisher.close()
        return ids

    def classified(self) -> list[ImageClassified]:
        return [ImageClassified.FromString(one.value or b"") for one in self.bus.read([IMAGE_CLASSIFIED])]

    def dead(self) -> list[DeadLetter]:
        return [DeadLetter.FromString(one.value or b"") for one in self.bus.read([DEAD_LETTER])]

    def outcomes(self) -> Counter[str]:
        return Counter([one.image_id for one in self.classified()] + [one.image_id for one in self.dead()])


@pytest.fixture
def scene(own_triton: Any, moody: Folder) -> Iterator[Scene]:
    own_triton.resume()
    own_triton.start()
    bus, store = MemoryBus(), MemoryStore()
    bus.provision(TOPICS)
    releases = Releases(bus, store)
    release_set = make(bus, store, releases, read_folder(MODELS / "nyul"), moody)
    use(bus, releases, release_set)
    triton = Triton(own_triton.address, infer_timeout_s=3.0)
    reconciler = Reconciler(releases, store, triton, repository(own_triton.folder))
    assert reconciler.round() == {}
    stage = make_stage(read_settings(Settings, {}), store, releases, triton)
    stop = threading.Event()
    thread = threading.Thread(target=stage.run, args=(bus, stop))
    thread.start()
    yield Scene(bus, store, triton, reconciler, release_set)
    stop.set()
    own_triton.resume()
    thread.join(60)
    assert not thread.is_alive()
    triton.close()


@pytest.fixture
def reconciling(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The reconciler at work, looking at what is loaded every few seconds."""
    monkeypatch.setattr(reconcile, "CHECK_ROUNDS", 3)
    stop = threading.Event()
    thread = threading.Thread(target=scene.reconciler.run, args=(stop, Health()))
    thread.start()
    yield
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


def test_a_triton_that_hangs_is_waited_for(scene: Scene, own_triton: Any, until: Until) -> None:
    own_triton.halt()
    ids = scene.send(*[WELL] * 6)
    until(lambda: _is_away(scene.triton))

    assert not scene.outcomes()
    own_triton.resume()
    until(lambda: len(scene.outcomes()) == len(ids))

    assert Counter(one.image_id for one in scene.classified()) == Counter(ids)


def test_a_triton_that_dies_and_comes_back_empty_is_waited_for_until_it_is_loaded(
    scene: Scene, own_triton: Any, until: Until, reconciling: None
) -> None:
    own_triton.kill()
    ids = scene.send(*[WELL] * 6)
    until(lambda: _is_away(scene.triton))

    own_triton.start()
    assert not scene.dead()
    until(lambda: len(scene.outcomes()) == len(ids))

    assert Counter(one.image_id for one in scene.classified()) == Counter(ids)


def test_a_backend_that_is_killed_is_loaded_anew_and_costs_no_image(
    scene: Scene, own_triton: Any, until: Until, reconciling: None
) -> None:
    children = psutil.Process(own_triton.process.pid).children(recursive=True)
    backends = [process for process in children if process.name() == STUB]
    assert backends
    for backend in backends:
        backend.kill()
    ids = scene.send(*[WELL] * 8)
    until(lambda: len(scene.outcomes()) == len(ids))

    assert Counter(one.image_id for one in scene.classified()) == Counter(ids), scene.dead()


def test_what_a_model_answers_of_nonsense_becomes_a_dead_letter_and_never_a_probability(
    scene: Scene, until: Until
) -> None:
    means = [WELL, NAN, WELL, MEMORY, WELL]
    ids = scene.send(*means)
    until(lambda: len(scene.outcomes()) == len(ids))
    # Alone, for Triton may put what comes together into one batch, and a batch has one shape.
    [wide] = scene.send(SHAPE)
    until(lambda: scene.outcomes()[wide] == 1)

    assert all(count == 1 for count in scene.outcomes().values())
    reasons = {float(one.image_id.partition("-")[2]): one.reason for one in scene.dead()}
    assert reasons == {NAN: "not-finite", MEMORY: "triton-fails", SHAPE: "wrong-shape"}
    assert next(one for one in scene.dead() if one.reason == "triton-fails").explanation.startswith(
        "Triton has not enough memory for model moody"
    )
    assert len(scene.classified()) == means.count(WELL)
    assert all(0 < one.probability < 1 and math.isfinite(one.probability) for one in scene.classified())


def _is_away(triton: Triton) -> bool:
    try:
        triton.probe()
    except Passing:
        return True
    return False

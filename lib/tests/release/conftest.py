"""Two tiny models that fit together, made with `onnx.helper`: a gain that is clipped, and a mean."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from osteon.bus import MemoryBus
from osteon.contracts.topics import MODEL_IN_FORCE, MODEL_RELEASED
from osteon.imaging.geometry import Geometry
from osteon.release import Calibration, Card, Cohort, Releases, Scope, Tensor, write_parity
from osteon.release.repository import Folder, read_folder
from osteon.store import MemoryStore

GEOMETRY = Geometry(spacing_mm=0.5, rows=16, columns=8)
SHAPE = (None, 1, 16, 8)
SCOPE = Scope(modalities=("DX", "CR"), body_parts=("FEMUR",))

MakeFolder = Callable[..., Folder]


def harmonizer_card(name: str = "gain", version: int = 1) -> Card:
    image, harmonized = Tensor("image", "float32", SHAPE), Tensor("harmonized", "float32", SHAPE, (0.0, 1.0))
    cohort = Cohort("0" * 64, "noise")
    return Card(name, version, "harmonizer", (image,), (harmonized,), GEOMETRY, SCOPE, cohort, tolerance=1e-5)


def classifier_card(name: str = "mean", version: int = 1) -> Card:
    return replace(
        harmonizer_card(name, version),
        role="classifier",
        inputs=(Tensor("image", "float32", SHAPE, (0.0, 1.0)),),
        outputs=(Tensor("logit", "float32", (None, 1)),),
        labels=("typical", "atypical"),
        operating_point=0.5,
        calibration=Calibration(2.0, -1.0),
    )


def _save(folder: Path, card: Card, nodes: list[Any], constants: dict[str, Any], expect: Any) -> Folder:
    folder.mkdir(parents=True)
    taken, given = card.inputs[0], card.outputs[0]
    graph = helper.make_graph(
        nodes,
        card.name,
        [helper.make_tensor_value_info(taken.name, TensorProto.FLOAT, ["b", *taken.shape[1:]])],
        [helper.make_tensor_value_info(given.name, TensorProto.FLOAT, ["b", *given.shape[1:]])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "card.json").write_text(card.to_json())
    images = np.random.default_rng(5).random((11, 1, 16, 8), dtype=np.float32)  # more than one batch
    write_parity(folder / "parity.npz", {taken.name: images}, {given.name: expect(images)})
    return read_folder(folder)


@pytest.fixture
def harmonizer(tmp_path: Path) -> MakeFolder:
    """Makes a harmonizer: harmonized = clip(gain · image, 0, 1)."""

    def make(name: str = "gain", version: int = 1, gain: float = 0.5, recorded_gain: float | None = None) -> Folder:
        nodes = [
            helper.make_node("Mul", ["image", "gain"], ["scaled"]),
            helper.make_node("Clip", ["scaled", "zero", "one"], ["harmonized"]),
        ]
        constants = {"gain": np.float32(gain), "zero": np.float32(0), "one": np.float32(1)}
        recorded = np.float32(gain if recorded_gain is None else recorded_gain)
        folder = tmp_path / f"{name}-{version}-{gain}"
        return _save(folder, harmonizer_card(name, version), nodes, constants, lambda x: np.clip(x * recorded, 0, 1))

    return make


@pytest.fixture
def classifier(tmp_path: Path) -> MakeFolder:
    """Makes a classifier: logit = mean of the image + bias."""

    def make(name: str = "mean", version: int = 1, bias: float = 0.0) -> Folder:
        nodes = [
            helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["mean"]),
            helper.make_node("Add", ["mean", "bias"], ["logit"]),
        ]
        folder = tmp_path / f"{name}-{version}-{bias}"
        return _save(
            folder,
            classifier_card(name, version),
            nodes,
            {"bias": np.float32(bias)},
            lambda x: x.mean(axis=(2, 3)) + np.float32(bias),
        )

    return make


@pytest.fixture
def bus() -> MemoryBus:
    bus = MemoryBus()
    bus.provision((MODEL_RELEASED, MODEL_IN_FORCE))
    return bus


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def releases(bus: MemoryBus, store: MemoryStore) -> Releases:
    return Releases(bus, store)

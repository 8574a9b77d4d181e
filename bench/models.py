"""The models of the benchmark, as folders that any model is released from: card.json, model.onnx, parity.npz.

nothing   copies its input, and takes its first pixel: what is left is the platform
real      a harmonizer of three convolutions, and ResNet-50 (He et al. 2015, arXiv 1512.03385) on one channel with
          random weights, its batch normalization folded into the convolutions as for inference
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from bench.row import Size
from osteon.imaging.geometry import Geometry
from osteon.release.card import Calibration, Card, Cohort, Scope, Tensor
from osteon.release.parity import run_onnx, write_parity
from osteon.release.repository import Folder, read_folder

__all__ = ["Models", "nothing", "real"]

OPSET = 18
IR_VERSION = 10  # what the ONNX Runtime of the serving side reads
SPACING_MM = 0.8  # 512 pixels are 41 cm: a whole film
WIDTH = 64  # channels of the first stage of ResNet-50
HARMONIZER_CHANNELS = 16


@dataclass(frozen=True)
class Models:
    """A set that can be released together."""

    harmonizer: Folder
    classifier: Folder


@dataclass
class _Graph:
    """Layers in the order in which they are added."""

    rng: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """One operator; gives the name of its output."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def weight(self, values: npt.NDArray[np.generic]) -> str:
        """A constant; gives its name."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def convolve(self, image: str, taken: int, given: int, size: int, *, stride: int = 1, gain: float = 2.0) -> str:
        """A convolution with a bias and random weights that keep the variance (He initialization)."""
        deviation = math.sqrt(gain / (taken * size * size))
        weights = self.rng.normal(0, deviation, (given, taken, size, size)).astype(np.float32)
        names = self.weight(weights), self.weight(np.zeros(given, np.float32))
        pads = [size // 2] * 4
        return self.add("Conv", image, *names, kernel_shape=[size] * 2, strides=[stride] * 2, pads=pads)


def nothing(folder: Path, size: Size) -> Models:
    """Models that cost nothing."""
    harmonizer, classifier = _Graph(np.random.default_rng(0)), _Graph(np.random.default_rng(0))
    harmonizer.add("Identity", "image")
    at, until, axes = (classifier.weight(np.array(numbers, np.int64)) for numbers in ([0, 0], [1, 1], [2, 3]))
    classifier.add("Flatten", classifier.add("Slice", "harmonized", at, until, axes))
    return _models(folder, "bench-nothing", harmonizer, classifier, size)


def real(folder: Path, size: Size) -> Models:
    """Models of real size: with the full size, 0.7 and 21 billion multiplications an image."""
    harmonizer, classifier = _Graph(np.random.default_rng(1)), _Graph(np.random.default_rng(2))
    image = harmonizer.convolve("image", 1, HARMONIZER_CHANNELS, 3)
    image = harmonizer.convolve(harmonizer.add("Relu", image), HARMONIZER_CHANNELS, HARMONIZER_CHANNELS, 3)
    image = harmonizer.convolve(harmonizer.add("Relu", image), HARMONIZER_CHANNELS, 1, 3)
    harmonizer.add("Sigmoid", image)
    _resnet(classifier, size.layers)
    return _models(folder, "bench-real", harmonizer, classifier, size)


def _resnet(graph: _Graph, layers: tuple[int, ...]) -> None:
    image = graph.add("Relu", graph.convolve("harmonized", 1, WIDTH, 7, stride=2))
    image = graph.add("MaxPool", image, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    taken = WIDTH
    for stage, n_blocks in enumerate(layers):
        width = WIDTH * 2**stage
        for block in range(n_blocks):
            image = _bottleneck(graph, image, taken, width, stride=2 if stage and not block else 1)
            taken = 4 * width
    pooled = graph.add("Flatten", graph.add("GlobalAveragePool", image))
    weights = graph.rng.normal(0, 1 / math.sqrt(taken), (1, taken)).astype(np.float32)
    graph.add("Gemm", pooled, graph.weight(weights), graph.weight(np.zeros(1, np.float32)), transB=1)


def _bottleneck(graph: _Graph, image: str, taken: int, width: int, *, stride: int) -> str:
    inner = graph.add("Relu", graph.convolve(image, taken, width, 1))
    inner = graph.add("Relu", graph.convolve(inner, width, width, 3, stride=stride))
    inner = graph.convolve(inner, width, 4 * width, 1, gain=0.1)  # small, or sixteen sums would grow without bound
    if stride > 1 or taken != 4 * width:
        image = graph.convolve(image, taken, 4 * width, 1, stride=stride, gain=1.0)
    return graph.add("Relu", graph.add("Add", inner, image))


def _models(folder: Path, name: str, harmonizer: _Graph, classifier: _Graph, size: Size) -> Models:
    image = (None, 1, size.grid, size.grid)
    taken = Tensor("image", "float32", image, unit="arbitrary")
    between = Tensor("harmonized", "float32", image, unit="arbitrary")
    logit = Tensor("logit", "float32", (None, 1), unit="log odds")
    return Models(
        _folder(folder / f"{name}-harmonizer", harmonizer, "harmonizer", taken, between, size),
        _folder(folder / f"{name}-classifier", classifier, "classifier", between, logit, size),
    )


def _folder(folder: Path, graph: _Graph, role: str, taken: Tensor, given: Tensor, size: Size) -> Folder:
    if folder.exists():
        return read_folder(folder)
    is_classifier = role == "classifier"
    card = Card(
        name=folder.name,
        version=1,
        role=role,
        inputs=(taken,),
        outputs=(given,),
        geometry=Geometry(SPACING_MM, size.grid, size.grid),
        scope=Scope(),  # all images
        cohort=Cohort("0" * 64, "No image: the weights are random, and the benchmark asks only what they cost."),
        tolerance=0.01,
        labels=("no", "yes") if is_classifier else (),
        operating_point=0.5 if is_classifier else None,
        calibration=Calibration() if is_classifier else None,
        command="make bench",
    )
    folder.mkdir(parents=True)
    graph.nodes[-1].output[0] = given.name
    (folder / "model.onnx").write_bytes(_onnx(graph, card))
    (folder / "card.json").write_text(card.to_json())
    inputs = {taken.name: np.random.default_rng(3).random((2, 1, size.grid, size.grid), np.float32)}
    write_parity(folder / "parity.npz", inputs, run_onnx((folder / "model.onnx").read_bytes(), card)(inputs))
    return read_folder(folder)


def _onnx(graph: _Graph, card: Card) -> bytes:
    (taken,), (given,) = (
        [helper.make_tensor_value_info(one.name, TensorProto.FLOAT, ["batch", *one.shape[1:]]) for one in side]
        for side in (card.inputs, card.outputs)
    )
    made = helper.make_graph(graph.nodes, card.name, [taken], [given], graph.weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized

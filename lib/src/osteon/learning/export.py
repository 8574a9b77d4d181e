"""A network and its card → a model folder: `model.onnx`, `card.json`, `parity.npz`.

The folder is written only if ONNX Runtime gives what PyTorch gives, within the card's tolerance, also for a batch of
another size than the one that was traced.
"""

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import nn

from osteon.release.card import Card

__all__ = ["OPSET", "export", "run_onnx"]

OPSET = 18  # what ONNX Runtime 1.14 and later read, that of every Triton since 23.04
FloatArray = npt.NDArray[np.float32]


def export(network: nn.Module, card: Card, inputs: FloatArray, folder: Path) -> None:
    """Writes the model folder. `inputs` (at least two images) are kept with their outputs for the parity check.

    The network takes and gives one tensor, those that the card names. Raises ValueError if ONNX and PyTorch differ.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_onnx(network.eval(), card, inputs[:2], folder / "model.onnx")
    for size in (1, len(inputs)):
        batch = inputs[:size]
        with torch.no_grad():
            wanted = network(torch.from_numpy(batch)).numpy()
        given = run_onnx(folder / "model.onnx", batch)
        _check_equal(wanted, given, card)
    names = card.inputs[0].name, card.outputs[0].name
    np.savez_compressed(folder / "parity.npz", **{names[0]: inputs, names[1]: wanted})
    (folder / "card.json").write_text(card.to_json())


def run_onnx(path: Path, batch: FloatArray) -> FloatArray:
    """The one output of the one input of a model, by ONNX Runtime on the CPU."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {session.get_inputs()[0].name: batch})
    return np.asarray(given, dtype=np.float32)


def _write_onnx(network: nn.Module, card: Card, example: FloatArray, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own future
        torch.onnx.export(
            network,
            (torch.from_numpy(example),),
            path,
            input_names=[card.inputs[0].name],
            output_names=[card.outputs[0].name],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )


def _check_equal(wanted: FloatArray, given: FloatArray, card: Card) -> None:
    if wanted.shape != given.shape:
        raise ValueError(f"{card.name}: ONNX gives the shape {given.shape}, PyTorch {wanted.shape}")
    difference = float(np.abs(wanted - given).max())
    if not difference <= card.tolerance:
        raise ValueError(f"{card.name}: ONNX differs from PyTorch by {difference:g}, more than {card.tolerance:g}")

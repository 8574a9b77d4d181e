"""A network and its card → a model folder: `model.onnx`, `card.json`, `parity.npz`.

The folder is complete only if ONNX Runtime gives what PyTorch gives, within the card's tolerance, also for a batch of
another size than the one that was traced.
"""

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from osteon.release.card import Card
from osteon.release.parity import Parity, difference, run_onnx, write_parity

__all__ = ["OPSET", "export"]

OPSET = 18  # ONNX Runtime reads it from 1.14 on, so that every Triton since 23.04 does
FloatArray = npt.NDArray[np.float32]


def export(network: nn.Module, card: Card, images: FloatArray, folder: Path) -> float:
    """Writes the model folder; gives the largest difference between ONNX and PyTorch.

    The network takes and gives one tensor, those that the card names. `images` (at least two) are kept for the parity
    check, with PyTorch's outputs. Raises ValueError if ONNX and PyTorch differ by more than the card allows.
    """
    if len(images) < 2:
        raise ValueError("parity needs at least two images, so that the batch axis is seen to be free")
    folder.mkdir(parents=True, exist_ok=True)
    network.eval()
    _write_onnx(network, card, images[:2], folder / "model.onnx")
    run = run_onnx((folder / "model.onnx").read_bytes(), card)
    largest = max(difference(_by_pytorch(network, card, images[:size]), run) for size in (1, len(images)))
    if not largest <= card.tolerance:
        raise ValueError(f"{card.name}: ONNX differs from PyTorch by {largest:g}, more than {card.tolerance:g}")
    parity = _by_pytorch(network, card, images)
    write_parity(folder / "parity.npz", parity.inputs, parity.outputs)
    (folder / "card.json").write_text(card.to_json())
    return largest


def _by_pytorch(network: nn.Module, card: Card, images: FloatArray) -> Parity:
    with torch.no_grad():
        output = network(torch.from_numpy(images)).numpy()
    return Parity({card.inputs[0].name: images}, {card.outputs[0].name: output})


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

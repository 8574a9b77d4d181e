"""Parity: the same inputs give the same outputs, whoever runs the model.

`parity.npz` holds arrays `inputs/<tensor>` and `outputs/<tensor>`, a batch of a few images, the outputs as
the training framework gave them. A release checks them with bare ONNX Runtime; a reconciler through Triton.
"""

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from osteon.errors import Fatal
from osteon.release.card import Card, Tensor

__all__ = ["Arrays", "Parity", "difference", "read_parity", "run_onnx", "write_parity"]

Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Parity:
    """Inputs, and the outputs that they must give, by tensor name; axis 0 is the batch."""

    inputs: Arrays
    outputs: Arrays


def write_parity(path: Path, inputs: Arrays, outputs: Arrays) -> None:
    """Write `parity.npz`."""
    named = {f"inputs/{name}": array for name, array in inputs.items()}
    named |= {f"outputs/{name}": array for name, array in outputs.items()}
    np.savez_compressed(path, **named)


def read_parity(data: bytes, card: Card) -> Parity:
    """The parity arrays of a model; raises ValueError if they are not what the card says."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{card.name}: parity.npz is not an archive of arrays ({type(error).__name__})") from None
    return Parity(
        {tensor.name: _named(arrays, "inputs", tensor, card) for tensor in card.inputs},
        {tensor.name: _named(arrays, "outputs", tensor, card) for tensor in card.outputs},
    )


def _named(arrays: Arrays, side: str, tensor: Tensor, card: Card) -> npt.NDArray[np.generic]:
    name = f"{side}/{tensor.name}"
    if name not in arrays:
        raise ValueError(f"{card.name}: parity.npz lacks {name}; it has {', '.join(arrays) or 'nothing'}")
    array = arrays[name]
    if not len(array):
        raise ValueError(f"{card.name}: {name} of parity.npz is empty, which would check nothing")
    if array.dtype.name != tensor.dtype or not tensor.admits_shape(array.shape):
        raise ValueError(
            f"{card.name}: {name} of parity.npz is {array.dtype.name} {array.shape}; "
            f"the card says {tensor.dtype} {tensor.shape}"
        )
    return array


def difference(parity: Parity, run: Callable[[Arrays], Arrays]) -> float:
    """The largest absolute difference of any output value from the recorded one; infinite if one is not finite."""
    given = run(parity.inputs)
    largest = 0.0
    for name, recorded in parity.outputs.items():
        if given[name].shape != recorded.shape:
            return float("inf")
        apart = np.abs(given[name].astype(np.float64) - recorded.astype(np.float64))
        largest = max(largest, float(apart.max()) if np.isfinite(apart).all() else float("inf"))
    return largest


def run_onnx(onnx: bytes, card: Card) -> Callable[[Arrays], Arrays]:
    """The model on bare ONNX Runtime, CPU.

    Raises ValueError if the file is not what the card says, and Fatal where ONNX Runtime is not installed.
    """
    try:
        import onnxruntime as ort  # what only serves or infers through Triton need not have it installed
    except ModuleNotFoundError:
        raise Fatal(
            "ONNX Runtime is missing, which checks a model before its release: install osteon[parity], or run this in "
            "the image osteon/console"
        ) from None
    try:
        session = ort.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 onnxruntime has a class of its own for each fault, and no root
        raise ValueError(f"{card.name}: model.onnx can't be loaded ({type(error).__name__})") from None
    for side, stated, real in (
        ("inputs", card.inputs, session.get_inputs()),
        ("outputs", card.outputs, session.get_outputs()),
    ):
        if {tensor.name for tensor in stated} != {tensor.name for tensor in real}:
            on_card, in_file = (", ".join(tensor.name for tensor in one) for one in (stated, real))
            raise ValueError(f"{card.name}: {side} are {on_card} on the card and {in_file} in model.onnx")
    names = [tensor.name for tensor in card.outputs]

    def run(inputs: Arrays) -> Arrays:
        try:
            return dict(zip(names, session.run(names, dict(inputs)), strict=True))
        except Exception as error:  # noqa: BLE001 as above
            raise ValueError(f"{card.name}: model.onnx fails on its parity inputs ({type(error).__name__})") from None

    return run

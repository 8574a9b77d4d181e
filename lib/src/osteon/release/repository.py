"""A model's files: in a folder as trained, in the store as released, in Triton's repository as served."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from osteon import contracts
from osteon.errors import Fatal
from osteon.release.card import Card, Tensor
from osteon.store import Store

__all__ = [
    "BUCKET",
    "MAX_BATCH",
    "Folder",
    "configuration",
    "entries",
    "loaded_sha256",
    "read_folder",
    "remove_entry",
    "save_folder",
    "upload",
    "write_entry",
]

BUCKET = "models"
WRITTEN_HERE = "# Written by `osteon release reconcile` from the model's cards."
DATA_TYPES = {
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "uint8": "TYPE_UINT8",
}
MAX_BATCH = 8  # 8 images of 640 x 384 are 8 MB; more only makes the first wait for the last on CPUs
QUEUE_DELAY_US = 1000  # a neighbour that comes within a millisecond shares the batch; an idle image waits no longer


@dataclass(frozen=True)
class Folder:
    """What `models/<name>/` holds: card.json, model.onnx, parity.npz."""

    card: Card
    onnx: bytes
    parity: bytes


def read_folder(path: Path) -> Folder:
    """The model in a folder. Raises Fatal that names the file that is missing or wrong."""
    files = {}
    for name in ("card.json", "model.onnx", "parity.npz"):
        try:
            files[name] = (path / name).read_bytes()
        except OSError as error:
            raise Fatal(
                f"{path / name}: {error.strerror}; a model folder has card.json, model.onnx and parity.npz"
            ) from None
    try:
        card = Card.from_json(files["card.json"])
    except ValueError as error:
        raise Fatal(f"{path / 'card.json'}: {error}") from None
    return Folder(card, files["model.onnx"], files["parity.npz"])


def save_folder(store: Store, model: contracts.Model, path: Path) -> None:
    """Write a released model's files to a new folder, as they were released. Raises Fatal, Passing, Poison."""
    files = {"card.json": model.card, "model.onnx": model.onnx, "parity.npz": model.parity}
    try:
        path.mkdir(parents=True)
        for name, ref in files.items():
            (path / name).write_bytes(store.get(ref, BUCKET))
    except OSError as error:
        raise Fatal(f"{path}: {error.strerror}; name a folder that is not there yet") from None


def upload(store: Store, folder: Folder) -> contracts.Model:
    """Put a model's files into the store; safe to repeat."""
    return contracts.Model(
        name=folder.card.name,
        version=folder.card.version,
        card=store.put(BUCKET, folder.card.to_json().encode(), "application/json"),
        onnx=store.put(BUCKET, folder.onnx, "application/onnx"),
        parity=store.put(BUCKET, folder.parity, "application/zip"),
    )


def configuration(card: Card, onnx_sha256: Mapping[int, str], n_instances: int = 1) -> str:
    """Triton's `config.pbtxt` for the versions in `onnx_sha256`, which all have the tensors of `card`.

    The hashes stand in it as parameters: a Triton can be asked for the configuration it has loaded, so it
    can be told which bytes it serves.
    """
    versions = sorted(onnx_sha256)
    parameters = "\n".join(
        f'parameters {{ key: "{_parameter(version)}" value {{ string_value: "{onnx_sha256[version]}" }} }}'
        for version in versions
    )
    return f"""{WRITTEN_HERE}
name: "{card.name}"
backend: "onnxruntime"
max_batch_size: {MAX_BATCH}
{_tensors("input", card.inputs)}
{_tensors("output", card.outputs)}
dynamic_batching {{ max_queue_delay_microseconds: {QUEUE_DELAY_US} }}
instance_group [ {{ count: {n_instances} }} ]
version_policy {{ specific {{ versions: [ {", ".join(map(str, versions))} ] }} }}
{parameters}
"""


def _parameter(version: int) -> str:
    return f"onnx_sha256_{version}"


def _tensors(side: str, tensors: tuple[Tensor, ...]) -> str:
    listed = ", ".join(
        f'{{ name: "{tensor.name}" data_type: {DATA_TYPES[tensor.dtype]} dims: [ {_dims(tensor)} ] }}'
        for tensor in tensors
    )
    return f"{side} [ {listed} ]"


def _dims(tensor: Tensor) -> str:
    """Without the batch axis, which Triton adds itself where max_batch_size is above 0."""
    return ", ".join("-1" if length is None else str(length) for length in tensor.shape[1:])


def loaded_sha256(parameters: Mapping[str, str], version: int) -> str:
    """The SHA-256 of the ONNX file of a version, from the parameters of a loaded configuration; "" if unknown."""
    return parameters.get(_parameter(version), "")


def entries(repository: Path) -> frozenset[str]:
    """The names of the models that `write_entry` put into a repository."""
    return frozenset(
        config.parent.name
        for config in repository.glob("*/config.pbtxt")
        if config.read_text().startswith(WRITTEN_HERE)
    )


def write_entry(
    repository: Path, config: str, name: str, onnx: Mapping[int, contracts.ObjectRef], store: Store
) -> None:
    """Make `<name>/<version>/model.onnx` for each version, and then `<name>/config.pbtxt` that names them.

    A file whose bytes are right already is left alone; each is replaced as a whole, so that a Triton that
    loads meanwhile never sees half of one. Raises Poison if an object is missing or corrupt.
    """
    for version, ref in onnx.items():
        path = repository / name / str(version) / "model.onnx"
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != ref.sha256:
            _replace(path, store.get(ref, BUCKET))
    _replace(repository / name / "config.pbtxt", config.encode())


def remove_entry(repository: Path, name: str, keep: frozenset[int] = frozenset()) -> None:
    """Remove the versions of a model that are not in `keep`, and the whole entry if none is.

    Touches only what `write_entry` made.
    """
    if name not in entries(repository):
        return
    folder = repository / name
    if not keep:
        shutil.rmtree(folder)
        return
    for version in folder.iterdir():
        if version.is_dir() and version.name.isdecimal() and int(version.name) not in keep:
            shutil.rmtree(version)


def _replace(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all, also when the machine stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)

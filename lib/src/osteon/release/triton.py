"""Triton over gRPC: infer with an explicit version, load, unload, and what it has loaded."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, final

import numpy as np
import numpy.typing as npt
import tritonclient.grpc as grpc
from tritonclient.utils import InferenceServerException

from osteon.errors import Fatal, Passing, Poison
from osteon.release.card import Card, Tensor
from osteon.release.parity import Arrays
from osteon.runtime import Settings, metrics
from osteon.runtime.tls import client_context

__all__ = ["Loaded", "Triton", "by_model", "connect_as"]

PROBE_TIMEOUT_S = 5.0
INFER_TIMEOUT_S = 60.0  # a full queue of large images on two cores takes seconds, not a minute
LOAD_TIMEOUT_S = 300.0  # an engine that is built when it is loaded takes minutes
# A peer that vanished without a word is noticed after 20 + 10 s; Triton allows a ping every 300 s without
# calls, and with calls as often as this.
KEEPALIVE = grpc.KeepAliveOptions(keepalive_time_ms=20_000, keepalive_timeout_ms=10_000)
# After an outage gRPC waits longer and longer, up to two minutes, before it tries again; a stage shall not.
CHANNEL = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.lb_policy_name", "round_robin"),  # a name with several addresses is several Tritons
]
WIRE_TYPES = {
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "int32": "INT32",
    "int64": "INT64",
    "uint8": "UINT8",
}


@dataclass(frozen=True)
class Loaded:
    """A version of a model as a Triton has it: `state` is READY where it answers."""

    name: str
    version: int
    state: str
    reason: str = ""


def connect_as(settings: Settings) -> "Triton":
    """The Triton that the settings name. Raises Fatal if its authorities can't be read."""
    is_secure, ca = settings.triton_is_secure, settings.triton_ca
    if ca is not None and not is_secure:
        raise Fatal("OSTEON_TRITON_CA is of use over TLS alone: set OSTEON_TRITON_IS_SECURE too")
    if is_secure:
        client_context(ca)  # says what is wrong with the file; gRPC would only not connect
    return Triton(settings.triton_url, is_secure=is_secure, ca=ca)


@final
class Triton:
    """One Triton server. Thread-safe; every call has a deadline.

    All calls raise Passing("triton") where the server is away, too slow, or has not loaded the model.
    """

    def __init__(
        self, url: str, infer_timeout_s: float = INFER_TIMEOUT_S, *, is_secure: bool = False, ca: Path | None = None
    ) -> None:
        self.url = url
        self._infer_timeout_s = infer_timeout_s
        authorities = str(ca) if ca is not None else None
        self._client = grpc.InferenceServerClient(
            url, ssl=is_secure, root_certificates=authorities, channel_args=CHANNEL
        )
        self._lock = threading.Lock()
        self._probes: dict[Card, Future[None]] = {}  # those on their way
        self._probes_lock = threading.Lock()

    def infer(self, card: Card, inputs: Arrays) -> dict[str, npt.NDArray[np.generic]]:
        """The outputs of the card's model, in the card's version, for `inputs` (axis 0 is the batch).

        Raises Poison("wrong-shape") where inputs or outputs are not what the card says, Poison("not-finite") where
        an output holds NaN or infinity. A model that fails is Passing too: it may have been out of memory, or a
        neighbour in its batch was at fault.
        """
        with metrics.INFER_SECONDS.labels(model=card.name).time():
            result = self._ask(card, inputs, self._infer_timeout_s)
        return {tensor.name: _output(tensor, result, card) for tensor in card.outputs}

    def _ask(self, card: Card, inputs: Arrays, timeout_s: float) -> Any:
        sent = [_input(tensor, inputs, card) for tensor in card.inputs]
        wanted = [grpc.InferRequestedOutput(tensor.name) for tensor in card.outputs]
        try:
            return self._client.infer(
                card.name, sent, model_version=str(card.version), outputs=wanted, client_timeout=timeout_s
            )
        except InferenceServerException as error:
            _raise(error, f"model {card.name} version {card.version}")

    def probe(self, cards: Sequence[Card] = ()) -> None:
        """Raise Passing("triton") unless the server is there and the models of `cards` answer.

        It asks the server for life, not readiness: by default a Triton calls itself not ready as long as any one
        model failed to load or was unloaded, though it serves all the others. Each model is given an empty image:
        one whose backend process was killed stays "ready" and answers nothing any more. It has as long for that as for
        any other image: a model that is slow is not away. Who probes a model meanwhile gets the same answer.
        """
        try:
            is_live = self._client.is_server_live(client_timeout=PROBE_TIMEOUT_S)
            missing = [card for card in cards if not self._is_ready(card)]
        except InferenceServerException as error:
            _raise(error, "the server")
        if not is_live:
            raise Passing("triton", "Triton is there but not live")
        if missing:
            names = ", ".join(f"{card.name} version {card.version}" for card in missing)
            raise Passing("triton", f"Triton has not loaded {names}; the reconciler loads what is released")
        for card in cards:
            self._probe(card)

    def _probe(self, card: Card) -> None:
        """Give a model an empty image, or wait for the answer to the one that another thread has given it."""
        with self._probes_lock:
            is_another = card in self._probes
            probe = self._probes.setdefault(card, Future())
        if is_another:
            probe.result()  # which comes: what it waits for has a deadline
            return
        try:
            self._ask(card, {tensor.name: _zeros(tensor, card) for tensor in card.inputs}, self._infer_timeout_s)
        except BaseException as error:
            self._end_probe(card)
            probe.set_exception(error)
            raise
        self._end_probe(card)
        probe.set_result(None)

    def _end_probe(self, card: Card) -> None:
        with self._probes_lock:
            del self._probes[card]

    def _is_ready(self, card: Card) -> bool:
        return bool(self._client.is_model_ready(card.name, str(card.version), client_timeout=PROBE_TIMEOUT_S))

    def loaded(self) -> tuple[Loaded, ...]:
        """Every version of every model that the server has, or failed to get."""
        try:
            index = self._client.get_model_repository_index(client_timeout=PROBE_TIMEOUT_S)
        except InferenceServerException as error:
            _raise(error, "the server")
        # A model that is only on disk has neither version nor state.
        return tuple(
            Loaded(one.name, int(one.version), one.state, one.reason)
            for one in index.models
            if one.version.isdecimal() and one.state
        )

    def parameters(self, name: str, version: int) -> dict[str, str]:
        """The parameters in the configuration with which a version was loaded."""
        try:
            answer = self._client.get_model_config(name, str(version), client_timeout=PROBE_TIMEOUT_S)
        except InferenceServerException as error:
            _raise(error, f"model {name} version {version}")
        return {key: value.string_value for key, value in answer.config.parameters.items()}

    def n_answered(self, card: Card) -> int:
        """How many requests the card's model has answered, whoever asked, since it was loaded."""
        try:
            answer = self._client.get_inference_statistics(card.name, str(card.version), client_timeout=PROBE_TIMEOUT_S)
        except InferenceServerException as error:
            _raise(error, f"model {card.name} version {card.version}")
        return sum(int(one.inference_stats.success.count) for one in answer.model_stats)

    def load(self, name: str) -> None:
        """Load, or load again, a model's entry in the repository; returns when it answers.

        Where it was loaded before, that goes on answering meanwhile, and also if this fails: then
        Poison("model-refused").
        """
        with self._lock:
            try:
                self._client.load_model(name, client_timeout=LOAD_TIMEOUT_S)
            except InferenceServerException as error:
                _raise(error, f"model {name}", refused="model-refused")

    def unload(self, name: str) -> None:
        """Unload all versions of a model, once requests in flight are answered."""
        with self._lock:
            try:
                self._client.unload_model(name, client_timeout=LOAD_TIMEOUT_S)
            except InferenceServerException as error:
                _raise(error, f"model {name}")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _zeros(tensor: Tensor, card: Card) -> npt.NDArray[np.generic]:
    """One input of zeros, as large as the card's geometry where the card leaves that open."""
    usual = {len(tensor.shape) - 2: card.geometry.rows, len(tensor.shape) - 1: card.geometry.columns}
    shape = [1 if axis == 0 else length or usual.get(axis, 1) for axis, length in enumerate(tensor.shape)]
    return np.zeros(shape, tensor.dtype)


def _input(tensor: Tensor, inputs: Arrays, card: Card) -> Any:
    if tensor.name not in inputs:
        raise Poison("wrong-shape", f"model {card.name} takes {tensor.name}; given: {', '.join(inputs) or 'nothing'}")
    array = inputs[tensor.name]
    if array.dtype.name != tensor.dtype or not tensor.admits_shape(array.shape):
        raise Poison(
            "wrong-shape",
            f"model {card.name} takes {tensor.name} as {tensor.dtype} {tensor.shape}; "
            f"given: {array.dtype.name} {array.shape}",
        )
    sent = grpc.InferInput(tensor.name, array.shape, WIRE_TYPES[tensor.dtype])
    sent.set_data_from_numpy(np.ascontiguousarray(array))
    return sent


def _output(tensor: Tensor, result: Any, card: Card) -> npt.NDArray[np.generic]:
    array: npt.NDArray[np.generic] | None = result.as_numpy(tensor.name)
    if array is None or array.dtype.name != tensor.dtype or not tensor.admits_shape(array.shape):
        given = "nothing" if array is None else f"{array.dtype.name} {array.shape}"
        raise Poison(
            "wrong-shape",
            f"model {card.name} should give {tensor.name} as {tensor.dtype} {tensor.shape}; it gave {given}",
        )
    if not np.isfinite(array).all():
        raise Poison("not-finite", f"model {card.name} gave NaN or infinity as {tensor.name}")
    return array


AWAY = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "RESOURCE_EXHAUSTED", "ABORTED"}
NOT_LOADED = (
    "is not found",
    "is not ready",
    "not at ready state",
    "unknown model",
    "no version",
    "is at version",
    "not available",
)
# Of ONNX Runtime on a processor, CUDA, and TensorRT
NO_MEMORY = ("allocate memory", "bad_alloc", "out of memory", "outofmemory")


def _raise(error: InferenceServerException, what: str, refused: str = "") -> NoReturn:
    """Passing if the server is away, has not loaded `what` or failed at it; or, for that, Poison(`refused`).

    Triton's own text is left out: a backend may quote in it what it choked on.
    """
    status = str(error.status() or "").removeprefix("StatusCode.")
    text = str(error.message() or "").lower()
    if status == "NOT_FOUND" or any(phrase in text for phrase in NOT_LOADED):
        raise Passing("triton", f"Triton has not loaded {what}; the reconciler loads what is released") from None
    if status in AWAY:
        raise Passing("triton", f"Triton did not answer for {what} ({status})") from None
    why = "has not enough memory for" if any(phrase in text for phrase in NO_MEMORY) else "fails at"
    if refused:
        raise Poison(refused, f"Triton {why} {what} ({status})") from None
    raise Passing("triton", f"Triton {why} {what} ({status})") from None


def by_model(loaded: tuple[Loaded, ...]) -> Mapping[str, dict[int, Loaded]]:
    """What a server has, by name and version."""
    names: dict[str, dict[int, Loaded]] = {}
    for one in loaded:
        names.setdefault(one.name, {})[one.version] = one
    return names

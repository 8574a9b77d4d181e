"""Triton's backend `onnxruntime`, in Python: serves `<model>/<version>/model.onnx` on CPU.

Parameters of a model's `config.pbtxt`, both optional:

    intra_op_threads   threads inside one operator; by default the cores of this machine, at most 4
    inter_op_threads   operators that run side by side; 1

Runs inside Triton's stub process, which knows no virtual environment: hence the first lines.
"""

import os
import site

site.addsitedir(os.environ["STACK_SITE_PACKAGES"])
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else ONNX Runtime tells its makers how it is used

import json
from itertools import groupby
from pathlib import Path

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils

ONNX_TO_TRITON = {
    "tensor(float)": "TYPE_FP32",
    "tensor(float16)": "TYPE_FP16",
    "tensor(double)": "TYPE_FP64",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int16)": "TYPE_INT16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(uint16)": "TYPE_UINT16",
    "tensor(bool)": "TYPE_BOOL",
}


class TritonPythonModel:
    """One loaded version of a model."""

    def initialize(self, args):
        """Open the session. Raises, and so fails the load, if config and ONNX file disagree."""
        config = json.loads(args["model_config"])
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        options = ort.SessionOptions()
        options.intra_op_num_threads = _parameter(config, "intra_op_threads", min(4, os.cpu_count() or 1))
        options.inter_op_num_threads = _parameter(config, "inter_op_threads", 1)
        # Waiting threads that spin would take the cores from the rest of the machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = [tensor.name for tensor in self.session.get_inputs()]
        self.outputs = [tensor.name for tensor in self.session.get_outputs()]
        self.is_batched = int(config.get("max_batch_size", 0)) > 0
        _refuse_difference(config["input"], self.session.get_inputs(), path)
        _refuse_difference(config["output"], self.session.get_outputs(), path)

    def execute(self, requests):
        """One response a request, in order. Neighbours of the same shapes run as one batch."""
        feeds = [
            {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
            for request in requests
        ]
        responses = []
        for _, together in groupby(enumerate(feeds), key=self._batch_key):
            responses += self._answers([feed for _, feed in together])
        return responses

    def _answers(self, batch):
        """One response each; where the batch fails, each is run alone, so that only who is at fault fails."""
        try:
            return self._run(batch)
        except Exception as error:  # noqa: BLE001 whatever onnxruntime raises is an answer
            if len(batch) > 1:
                return [response for feed in batch for response in self._answers([feed])]
            return [pb_utils.InferenceResponse(error=pb_utils.TritonError(f"{type(error).__name__}: {error}"))]

    def _batch_key(self, numbered):
        """Equal for requests that can be concatenated; different for all if the model takes no batches."""
        number, feed = numbered
        return tuple(feed[name].shape[1:] for name in self.inputs) if self.is_batched else number

    def _run(self, batch):
        sizes = [len(feed[self.inputs[0]]) if self.is_batched else 1 for feed in batch]
        joined = batch[0] if len(batch) == 1 else {n: np.concatenate([feed[n] for feed in batch]) for n in self.inputs}
        results = self.session.run(self.outputs, joined)
        if len(batch) == 1:
            return [_response(self.outputs, results)]
        cuts = np.cumsum(sizes)[:-1]
        pieces = zip(*(np.split(result, cuts) for result in results), strict=True)
        return [_response(self.outputs, piece) for piece in pieces]


def _response(names, arrays):
    tensors = [pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in zip(names, arrays, strict=True)]
    return pb_utils.InferenceResponse(output_tensors=tensors)


def _parameter(config, name, default):
    return int(config.get("parameters", {}).get(name, {}).get("string_value", default))


def _refuse_difference(stated, real, path):
    """The config must name the tensors of the ONNX file, with their types."""
    types = {tensor.name: ONNX_TO_TRITON.get(tensor.type, tensor.type) for tensor in real}
    for tensor in stated:
        if types.get(tensor["name"]) != tensor["data_type"]:
            raise pb_utils.TritonModelException(
                f"config.pbtxt says {tensor['name']} {tensor['data_type']}; {path.name} has {types}"
            )

"""The library of Osteon, bottom to top; what streams needs no PyTorch.

errors.py    what can go wrong, as four kinds
contracts/   the words that services exchange, and the topics they lie on
runtime/     settings, logs, metrics, traces, health
bus/         a stage: consume, work, produce, commit; dead letters
store/       objects by the hash of their bytes, on any S3
imaging/     DICOM to an image and back, geometry, intensity
statistics/  intervals by patient
release/     what a model takes and gives, what is in force, what Triton serves
phantom/     the digital cohort
learning/    the training loop and the export to ONNX; needs PyTorch
cli.py       `osteon …`
"""

import os

# ONNX Runtime tells its makers how it is used, unless this stands in the environment before it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

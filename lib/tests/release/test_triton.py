"""The probe of a real Triton, by a model that takes its time."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from osteon.release import Card, Triton
from osteon.release.triton import PROBE_TIMEOUT_S

TAKES_S = PROBE_TIMEOUT_S + 1
N_THREADS = 8
CONFIGURATION = """
name: "slow"
backend: "python"
max_batch_size: 8
input [ { name: "image" data_type: TYPE_FP32 dims: [ 1, 16, 8 ] } ]
output [ { name: "harmonized" data_type: TYPE_FP32 dims: [ 1, 16, 8 ] } ]
"""
BACKEND = f"""
import os, site, time
site.addsitedir(os.environ["STACK_SITE_PACKAGES"])
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep({TAKES_S})
        images = [pb_utils.get_input_tensor_by_name(one, "image").as_numpy() for one in requests]
        return [pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor("harmonized", one)]) for one in images]
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def client(triton: Any) -> Iterator[Triton]:
    client = Triton(triton.grpc_url)
    yield client
    client.close()


@pytest.fixture
def slow(triton: Any, client: Triton, harmonizer: Any) -> Iterator[Card]:
    """A model that takes longer for an image than a server may take to say that it lives."""
    folder = triton.repository / "slow"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(CONFIGURATION)
    (folder / "1" / "model.py").write_text(BACKEND)
    client.load("slow")
    yield harmonizer("slow").card
    client.unload("slow")


def test_a_slow_model_is_not_away_and_threads_that_ask_at_once_share_one_empty_image(
    client: Triton, slow: Card
) -> None:
    together = threading.Barrier(N_THREADS)

    def probe() -> None:
        together.wait()
        client.probe([slow])

    with ThreadPoolExecutor(N_THREADS) as threads:
        probes = [threads.submit(probe) for _ in range(N_THREADS)]

    assert [one.exception() for one in probes] == [None] * N_THREADS
    assert client.n_answered(slow) == 1

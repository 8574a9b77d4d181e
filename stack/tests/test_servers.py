"""The real servers serve: the fixtures that all other tests stand on."""

import io
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import tritonclient.grpc as grpc_client
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic
from minio import Minio
from minio.error import S3Error
from numpy.typing import NDArray

from osteon.contracts.buckets import BUCKETS
from osteon_stack.kafka import _prepare
from osteon_stack.ports import free_ports

CONFIG = """
name: "tiny"
backend: "onnxruntime"
max_batch_size: 8
dynamic_batching {}
input [{ name: "image" data_type: TYPE_FP32 dims: [ 1, -1, -1 ] }]
output [{ name: "filtered" data_type: TYPE_FP32 dims: [ 2, -1, -1 ] }]
parameters { key: "intra_op_threads" value: { string_value: "1" } }
"""


def tiny_model() -> bytes:
    """A convolution (batch, 1, y, x) to (batch, 2, y, x) with random weights."""
    weights = np.random.default_rng(0).normal(size=(2, 1, 3, 3)).astype(np.float32)
    float32 = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["image", "weights"], ["filtered"], pads=[1, 1, 1, 1])],
        "tiny",
        [onnx.helper.make_tensor_value_info("image", float32, ["batch", 1, "y", "x"])],
        [onnx.helper.make_tensor_value_info("filtered", float32, ["batch", 2, "y", "x"])],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10)
    return model.SerializeToString()


@pytest.fixture
def tiny(triton: Any) -> Any:
    folder = triton.repository / "tiny"
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "config.pbtxt").write_text(CONFIG)
    (folder / "1" / "model.onnx").write_bytes(tiny_model())
    client = grpc_client.InferenceServerClient(triton.grpc_url)
    client.load_model("tiny")
    yield client
    client.unload_model("tiny")
    client.close()


def infer(client: Any, image: NDArray[np.float32]) -> Any:
    given = grpc_client.InferInput("image", image.shape, "FP32")
    given.set_data_from_numpy(image)
    return client.infer("tiny", [given], model_version="1").as_numpy("filtered")


def test_a_record_comes_back_from_kafka(kafka: str) -> None:
    topic = f"test-{uuid.uuid4()}"
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    admin.create_topics([NewTopic(topic, 1, 1)])
    producer = KafkaProducer(bootstrap_servers=kafka)

    producer.send(topic, b"femur").get(timeout=20)

    consumer = KafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest", consumer_timeout_ms=20_000)
    assert next(consumer).value == b"femur"
    for client in (consumer, producer, admin):
        client.close()


def test_an_object_comes_back_from_every_bucket(seaweedfs: Any) -> None:
    client = Minio(seaweedfs.endpoint, seaweedfs.access_key, seaweedfs.secret_key, secure=False)
    for bucket in BUCKETS:
        client.put_object(bucket, "some/key", io.BytesIO(bucket.encode()), len(bucket))

        answer = client.get_object(bucket, "some/key")

        assert answer.read() == bucket.encode()
        answer.close()


def test_a_stranger_reads_nothing(seaweedfs: Any) -> None:
    client = Minio(seaweedfs.endpoint, "stranger", "whatever", secure=False)

    with pytest.raises(S3Error):
        list(client.list_objects("inbox"))


def test_triton_equals_bare_onnx_runtime_to_the_bit(tiny: Any) -> None:
    image = np.random.default_rng(1).normal(size=(3, 1, 40, 24)).astype(np.float32)
    session = onnxruntime.InferenceSession(tiny_model(), providers=["CPUExecutionProvider"])

    served = infer(tiny, image)

    np.testing.assert_array_equal(served, session.run(None, {"image": image})[0])


def test_requests_in_flight_together_get_each_its_own_answer(tiny: Any) -> None:
    images = np.random.default_rng(2).normal(size=(12, 1, 1, 16, 16)).astype(np.float32)
    session = onnxruntime.InferenceSession(tiny_model(), providers=["CPUExecutionProvider"])

    with ThreadPoolExecutor(len(images)) as pool:
        answers = list(pool.map(lambda image: infer(tiny, image), images))

    for image, answer in zip(images, answers, strict=True):
        np.testing.assert_array_equal(answer, session.run(None, {"image": image})[0])


def test_requests_of_different_shapes_do_not_disturb_each_other(tiny: Any) -> None:
    images = [np.full((1, 1, 8 + number % 3, 8), number, np.float32) for number in range(9)]
    session = onnxruntime.InferenceSession(tiny_model(), providers=["CPUExecutionProvider"])

    with ThreadPoolExecutor(len(images)) as pool:
        answers = list(pool.map(lambda image: infer(tiny, image), images))

    for image, answer in zip(images, answers, strict=True):
        np.testing.assert_array_equal(answer, session.run(None, {"image": image})[0])


def test_a_broker_is_prepared_whatever_its_id_begins_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(bytes=b"\xf8" + bytes(15)))  # a dash, in base 64

    _prepare(tmp_path / "kafka", free_ports(), {})

    (properties,) = (tmp_path / "kafka").rglob("meta.properties")
    assert "cluster.id=-" in properties.read_text()

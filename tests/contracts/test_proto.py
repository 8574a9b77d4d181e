"""What lies on the bus stays readable: generated code is what the .proto files say, and nothing is ever taken away."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "lib" / "src" / "osteon" / "v1"
SOURCES = sorted(ROOT.glob("proto/osteon/v1/*.proto"))


@pytest.fixture(scope="module")
def freeze() -> ModuleType:
    """The tool `proto/freeze.py`, which lies outside every package."""
    spec = importlib.util.spec_from_file_location("freeze", ROOT / "proto" / "freeze.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def released(freeze: ModuleType) -> FileDescriptorSet:
    return FileDescriptorSet.FromString(freeze.RELEASED.read_bytes())


@pytest.fixture
def now(freeze: ModuleType) -> FileDescriptorSet:
    found: FileDescriptorSet = freeze.compiled()
    return found


def test_generated_code_is_what_the_proto_files_say(tmp_path: Path) -> None:
    to = [f"-I{ROOT / 'proto'}", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]

    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *to, *SOURCES], check=True)

    made = {path.name: path.read_text() for path in (tmp_path / "osteon" / "v1").iterdir()}
    committed = {path.name: path.read_text() for path in GENERATED.glob("*_pb2.py*")}
    assert sorted(made) == sorted(committed)
    assert [name for name in made if made[name] != committed[name]] == [], "run `make proto`"


def test_nothing_that_was_released_is_gone_or_means_something_else(
    freeze: ModuleType, released: FileDescriptorSet, now: FileDescriptorSet
) -> None:
    assert freeze.broken(released, now) == []


def test_every_message_was_written_down(
    freeze: ModuleType, released: FileDescriptorSet, now: FileDescriptorSet
) -> None:
    missing = freeze.broken(now, released)

    assert missing == [], "run `python proto/freeze.py`"


def field_of(descriptors: FileDescriptorSet, message: str, field: str) -> FieldDescriptorProto:
    fields = [
        each
        for file in descriptors.file
        for kind in file.message_type
        if kind.name == message
        for each in kind.field
        if each.name == field
    ]
    assert len(fields) == 1
    return fields[0]


def test_a_field_that_was_removed_is_noticed(freeze: ModuleType, now: FileDescriptorSet) -> None:
    released = FileDescriptorSet.FromString(now.SerializeToString())
    for file in now.file:
        for message in file.message_type:
            if message.name == "ImageReceived":
                del message.field[1]

    assert freeze.broken(released, now) == [
        "osteon.v1.ImageReceived field 2 was site (LABEL_OPTIONAL TYPE_STRING), is gone"
    ]


@pytest.mark.parametrize(
    ("attribute", "value", "says"),
    [
        ("number", 77, ["field 2 was site (LABEL_OPTIONAL TYPE_STRING), is gone"]),
        ("name", "hospital", ["is hospital (LABEL_OPTIONAL TYPE_STRING)"]),
        ("type", FieldDescriptorProto.TYPE_BYTES, ["is site (LABEL_OPTIONAL TYPE_BYTES)"]),
        ("label", FieldDescriptorProto.LABEL_REPEATED, ["is site (LABEL_REPEATED TYPE_STRING)"]),
    ],
)
def test_a_field_that_changed_is_noticed(
    freeze: ModuleType, now: FileDescriptorSet, attribute: str, value: object, says: list[str]
) -> None:
    released = FileDescriptorSet.FromString(now.SerializeToString())
    setattr(field_of(now, "ImageReceived", "site"), attribute, value)

    lines = freeze.broken(released, now)

    assert [expected in line for line, expected in zip(lines, says, strict=True)] == [True]


def test_two_fields_that_changed_places_are_noticed(freeze: ModuleType, now: FileDescriptorSet) -> None:
    released = FileDescriptorSet.FromString(now.SerializeToString())
    site, patient = field_of(now, "ImageDeidentified", "site"), field_of(now, "ImageDeidentified", "patient")
    site.number, patient.number = patient.number, site.number

    assert len(freeze.broken(released, now)) == 2


def test_an_enum_value_that_was_renumbered_is_noticed(freeze: ModuleType, now: FileDescriptorSet) -> None:
    released = FileDescriptorSet.FromString(now.SerializeToString())
    for file in now.file:
        for enum in file.enum_type:
            enum.value[-1].number = 99

    assert freeze.broken(released, now) == ["osteon.v1.Door value 3 was DOOR_FOLDER, is gone"]


def test_a_message_that_was_removed_is_noticed(freeze: ModuleType, now: FileDescriptorSet) -> None:
    released = FileDescriptorSet.FromString(now.SerializeToString())
    for file in now.file:
        if file.name.endswith("finding.proto"):
            del file.message_type[:]

    assert "osteon.v1.ImageClassified was a message, is gone" in freeze.broken(released, now)


def test_a_field_that_was_added_breaks_nothing(freeze: ModuleType, now: FileDescriptorSet) -> None:
    released = FileDescriptorSet.FromString(now.SerializeToString())
    added = FieldDescriptorProto(
        name="new", number=99, type=FieldDescriptorProto.TYPE_STRING, label=FieldDescriptorProto.LABEL_OPTIONAL
    )
    now.file[0].message_type[0].field.append(added)

    assert freeze.broken(released, now) == []

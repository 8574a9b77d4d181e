"""Write down the words that a release exchanges, and say what a later one broke.

    python proto/freeze.py      adds what is new to proto/released.binpb; refuses if something was taken away

Records lie on the bus for months and are read by older and newer code alike: a field keeps its number, name and
type for ever.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

__all__ = ["HERE", "RELEASED", "broken", "compiled"]

HERE = Path(__file__).parent
RELEASED = HERE / "released.binpb"


def compiled(folder: Path = HERE) -> FileDescriptorSet:
    """The descriptors of the .proto files in `folder`."""
    with TemporaryDirectory() as scratch:
        out = Path(scratch, "now.binpb")
        sources = [str(path) for path in sorted(folder.glob("osteon/v1/*.proto"))]
        google = Path(protoc.__file__).parent / "_proto"  # Timestamp and its kind
        if protoc.main(["protoc", f"-I{folder}", f"-I{google}", f"--descriptor_set_out={out}", *sources]):
            raise ValueError("the .proto files don't compile; the lines above say where")
        return FileDescriptorSet.FromString(out.read_bytes())


def broken(released: FileDescriptorSet, now: FileDescriptorSet) -> list[str]:
    """What `now` took away from `released` or gave another meaning, a line each."""
    kept = dict(_words(now))
    return [f"{word} was {was}, is {kept.get(word, 'gone')}" for word, was in _words(released) if kept.get(word) != was]


def _words(descriptors: FileDescriptorSet) -> Iterator[tuple[str, str]]:
    """Each message, field number and enum number, and what it means."""
    for file in descriptors.file:
        for message in file.message_type:
            yield from _words_of_message(f"{file.package}.{message.name}", message)
        for enum in file.enum_type:
            yield from _words_of_enum(f"{file.package}.{enum.name}", enum)


def _words_of_message(name: str, message: DescriptorProto) -> Iterator[tuple[str, str]]:
    yield name, "a message"
    for field in message.field:
        kind = field.type_name or field.Type.Name(field.type)
        yield f"{name} field {field.number}", f"{field.name} ({field.Label.Name(field.label)} {kind})"
    for nested in message.nested_type:
        yield from _words_of_message(f"{name}.{nested.name}", nested)
    for enum in message.enum_type:
        yield from _words_of_enum(f"{name}.{enum.name}", enum)


def _words_of_enum(name: str, enum: EnumDescriptorProto) -> Iterator[tuple[str, str]]:
    yield name, "an enum"
    for value in enum.value:
        yield f"{name} value {value.number}", value.name


def main() -> None:
    """Freeze what is there now, unless it breaks what was released."""
    now = compiled()
    wrong = broken(FileDescriptorSet.FromString(RELEASED.read_bytes()), now) if RELEASED.exists() else []
    if wrong:
        sys.exit("\n".join(wrong))
    RELEASED.write_bytes(now.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()

import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from osteon.v1 import image_pb2 as _image_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Model(_message.Message):
    __slots__ = ("name", "version", "card", "onnx", "parity")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    ONNX_FIELD_NUMBER: _ClassVar[int]
    PARITY_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    card: _image_pb2.ObjectRef
    onnx: _image_pb2.ObjectRef
    parity: _image_pb2.ObjectRef
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., card: _Optional[_Union[_image_pb2.ObjectRef, _Mapping]] = ..., onnx: _Optional[_Union[_image_pb2.ObjectRef, _Mapping]] = ..., parity: _Optional[_Union[_image_pb2.ObjectRef, _Mapping]] = ...) -> None: ...

class ReleaseSet(_message.Message):
    __slots__ = ("id", "harmonizer", "classifier", "released_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    HARMONIZER_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    RELEASED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    harmonizer: Model
    classifier: Model
    released_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., harmonizer: _Optional[_Union[Model, _Mapping]] = ..., classifier: _Optional[_Union[Model, _Mapping]] = ..., released_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReleaseInForce(_message.Message):
    __slots__ = ("release_set", "previous", "since")
    RELEASE_SET_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    release_set: str
    previous: str
    since: _timestamp_pb2.Timestamp
    def __init__(self, release_set: _Optional[str] = ..., previous: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Door(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DOOR_UNSPECIFIED: _ClassVar[Door]
    DOOR_DIMSE: _ClassVar[Door]
    DOOR_STOW: _ClassVar[Door]
    DOOR_FOLDER: _ClassVar[Door]
DOOR_UNSPECIFIED: Door
DOOR_DIMSE: Door
DOOR_STOW: Door
DOOR_FOLDER: Door

class ObjectRef(_message.Message):
    __slots__ = ("bucket", "key", "sha256", "size_bytes", "media_type")
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    bucket: str
    key: str
    sha256: str
    size_bytes: int
    media_type: str
    def __init__(self, bucket: _Optional[str] = ..., key: _Optional[str] = ..., sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., media_type: _Optional[str] = ...) -> None: ...

class ImageReceived(_message.Message):
    __slots__ = ("image_id", "site", "object", "door", "received_at", "forget")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    DOOR_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    FORGET_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    site: str
    object: ObjectRef
    door: Door
    received_at: _timestamp_pb2.Timestamp
    forget: bool
    def __init__(self, image_id: _Optional[str] = ..., site: _Optional[str] = ..., object: _Optional[_Union[ObjectRef, _Mapping]] = ..., door: _Optional[_Union[Door, str]] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., forget: _Optional[bool] = ...) -> None: ...

class Acquisition(_message.Message):
    __slots__ = ("modality", "body_part", "view", "laterality", "rows", "columns", "row_spacing_mm", "column_spacing_mm", "device")
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    BODY_PART_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    LATERALITY_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    ROW_SPACING_MM_FIELD_NUMBER: _ClassVar[int]
    COLUMN_SPACING_MM_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    modality: str
    body_part: str
    view: str
    laterality: str
    rows: int
    columns: int
    row_spacing_mm: float
    column_spacing_mm: float
    device: str
    def __init__(self, modality: _Optional[str] = ..., body_part: _Optional[str] = ..., view: _Optional[str] = ..., laterality: _Optional[str] = ..., rows: _Optional[int] = ..., columns: _Optional[int] = ..., row_spacing_mm: _Optional[float] = ..., column_spacing_mm: _Optional[float] = ..., device: _Optional[str] = ...) -> None: ...

class ImageDeidentified(_message.Message):
    __slots__ = ("image_id", "site", "patient", "object", "acquisition", "pixel_sha256", "same_pixels_as", "received_at")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    ACQUISITION_FIELD_NUMBER: _ClassVar[int]
    PIXEL_SHA256_FIELD_NUMBER: _ClassVar[int]
    SAME_PIXELS_AS_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    site: str
    patient: str
    object: ObjectRef
    acquisition: Acquisition
    pixel_sha256: str
    same_pixels_as: str
    received_at: _timestamp_pb2.Timestamp
    def __init__(self, image_id: _Optional[str] = ..., site: _Optional[str] = ..., patient: _Optional[str] = ..., object: _Optional[_Union[ObjectRef, _Mapping]] = ..., acquisition: _Optional[_Union[Acquisition, _Mapping]] = ..., pixel_sha256: _Optional[str] = ..., same_pixels_as: _Optional[str] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ImageHarmonized(_message.Message):
    __slots__ = ("image_id", "site", "patient", "object", "original", "acquisition", "release_set", "received_at")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_FIELD_NUMBER: _ClassVar[int]
    ACQUISITION_FIELD_NUMBER: _ClassVar[int]
    RELEASE_SET_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    site: str
    patient: str
    object: ObjectRef
    original: ObjectRef
    acquisition: Acquisition
    release_set: str
    received_at: _timestamp_pb2.Timestamp
    def __init__(self, image_id: _Optional[str] = ..., site: _Optional[str] = ..., patient: _Optional[str] = ..., object: _Optional[_Union[ObjectRef, _Mapping]] = ..., original: _Optional[_Union[ObjectRef, _Mapping]] = ..., acquisition: _Optional[_Union[Acquisition, _Mapping]] = ..., release_set: _Optional[str] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ImageSetAside(_message.Message):
    __slots__ = ("image_id", "site", "patient", "stage", "reason", "explanation", "object", "received_at")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    site: str
    patient: str
    stage: str
    reason: str
    explanation: str
    object: ObjectRef
    received_at: _timestamp_pb2.Timestamp
    def __init__(self, image_id: _Optional[str] = ..., site: _Optional[str] = ..., patient: _Optional[str] = ..., stage: _Optional[str] = ..., reason: _Optional[str] = ..., explanation: _Optional[str] = ..., object: _Optional[_Union[ObjectRef, _Mapping]] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ImageKnown(_message.Message):
    __slots__ = ("image_id", "pixel_sha256", "patient", "object_sha256", "set_aside")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    PIXEL_SHA256_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    OBJECT_SHA256_FIELD_NUMBER: _ClassVar[int]
    SET_ASIDE_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    pixel_sha256: str
    patient: str
    object_sha256: str
    set_aside: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, image_id: _Optional[str] = ..., pixel_sha256: _Optional[str] = ..., patient: _Optional[str] = ..., object_sha256: _Optional[str] = ..., set_aside: _Optional[_Iterable[str]] = ...) -> None: ...

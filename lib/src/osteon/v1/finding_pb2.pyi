import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from osteon.v1 import image_pb2 as _image_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ImageClassified(_message.Message):
    __slots__ = ("image_id", "site", "patient", "release_set", "label", "probability", "above_operating_point", "harmonized", "original", "acquisition", "received_at")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    RELEASE_SET_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    ABOVE_OPERATING_POINT_FIELD_NUMBER: _ClassVar[int]
    HARMONIZED_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_FIELD_NUMBER: _ClassVar[int]
    ACQUISITION_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    site: str
    patient: str
    release_set: str
    label: str
    probability: float
    above_operating_point: bool
    harmonized: _image_pb2.ObjectRef
    original: _image_pb2.ObjectRef
    acquisition: _image_pb2.Acquisition
    received_at: _timestamp_pb2.Timestamp
    def __init__(self, image_id: _Optional[str] = ..., site: _Optional[str] = ..., patient: _Optional[str] = ..., release_set: _Optional[str] = ..., label: _Optional[str] = ..., probability: _Optional[float] = ..., above_operating_point: _Optional[bool] = ..., harmonized: _Optional[_Union[_image_pb2.ObjectRef, _Mapping]] = ..., original: _Optional[_Union[_image_pb2.ObjectRef, _Mapping]] = ..., acquisition: _Optional[_Union[_image_pb2.Acquisition, _Mapping]] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

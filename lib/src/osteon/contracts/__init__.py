"""The words that services exchange.

osteon/v1/   generated from `proto/osteon/v1` by `make proto`; its names are passed on here
topics.py    which message lies on which topic, under which key, for how long, read by whom
buckets.py   which buckets there are, and what each service may do in them
topic_rights.py   who may read and write which topic
reasons.py   why an image is set aside
spelling.py  one spelling of a patient's number
"""

from osteon.contracts.reasons import REASONS
from osteon.v1.finding_pb2 import ImageClassified
from osteon.v1.image_pb2 import (
    DOOR_DIMSE,
    DOOR_FOLDER,
    DOOR_STOW,
    Acquisition,
    Door,
    ImageDeidentified,
    ImageHarmonized,
    ImageKnown,
    ImageReceived,
    ImageSetAside,
    ObjectRef,
)
from osteon.v1.model_pb2 import Model, ReleaseInForce, ReleaseSet
from osteon.v1.stage_pb2 import Brake, DeadLetter, OriginalRecord

__all__ = [
    "DOOR_DIMSE",
    "DOOR_FOLDER",
    "DOOR_STOW",
    "REASONS",
    "Acquisition",
    "Brake",
    "DeadLetter",
    "Door",
    "ImageClassified",
    "ImageDeidentified",
    "ImageHarmonized",
    "ImageKnown",
    "ImageReceived",
    "ImageSetAside",
    "Model",
    "ObjectRef",
    "OriginalRecord",
    "ReleaseInForce",
    "ReleaseSet",
]

"""The card of a model: what it takes and gives, what it is for, how it came about. No card, no release.

The fields follow MONAI's bundle metadata (`mb_specification.rst`). Export, Triton's configuration, the
stages and the parity check all read the card.
"""

import json
import math
import re
from dataclasses import dataclass, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from osteon.contracts import Acquisition
from osteon.imaging.geometry import Geometry

__all__ = ["DTYPES", "ROLES", "Calibration", "Card", "Cohort", "Privacy", "Scope", "Tensor"]

ROLES = ("harmonizer", "classifier")
DTYPES = ("float16", "float32", "float64", "int32", "int64", "uint8")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")  # it becomes a folder of Triton's repository


@dataclass(frozen=True)
class Tensor:
    """An input or output: `shape` with None for each free axis (the first is the batch); `range` inclusive."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    range: tuple[float, float] | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a tensor has a name")
        if self.dtype not in DTYPES:
            raise ValueError(f"tensor {self.name}: dtype is one of {', '.join(DTYPES)}; got {self.dtype!r}")
        if not self.shape or self.shape[0] is not None:
            raise ValueError(f"tensor {self.name}: the first axis is the batch and is free (null); got {self.shape}")
        if any(length is not None and length < 1 for length in self.shape):
            raise ValueError(f"tensor {self.name}: lengths are positive or null; got {self.shape}")
        if self.range is not None and not -math.inf < self.range[0] <= self.range[1] < math.inf:
            raise ValueError(f"tensor {self.name}: range is [lowest, highest], both finite; got {self.range}")

    def admits_shape(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of this shape, batch axis included, may be this tensor."""
        return len(shape) == len(self.shape) and all(
            length is None or length == given for length, given in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True)
class Scope:
    """The images a model is made for. An empty tuple admits all; "" in a tuple admits what is not stated.

    The words are those of DICOM: modality (0008,0060), body part examined (0018,0015), view position
    (0018,5101), in upper case.
    """

    modalities: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    views: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for word in (*self.modalities, *self.body_parts, *self.views):
            if word != word.strip().upper():
                raise ValueError(f"the words of a scope are in upper case without spaces around; got {word!r}")

    def admits(self, acquisition: Acquisition) -> str | None:
        """None for an image in scope, else why it is not, in words that do not repeat the image's own."""
        for what, word, allowed in (
            ("modality", acquisition.modality, self.modalities),
            ("body part", acquisition.body_part, self.body_parts),
            ("view", acquisition.view, self.views),
        ):
            if allowed and word.strip().upper() not in allowed:
                stated = "is none of" if word.strip() else "is not stated; the models take"
                return f"The {what} {stated} {', '.join(one or 'not stated' for one in allowed)}."
        return None


@dataclass(frozen=True)
class Calibration:
    """Platt scaling (Platt 1999): probability = sigmoid(slope · logit + intercept)."""

    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and math.isfinite(self.intercept)):
            raise ValueError("slope and intercept of a calibration are finite")
        if self.slope <= 0:
            raise ValueError(f"the slope of a calibration is positive, or it turns the order round; got {self.slope}")

    def probability(self, logit: float) -> float:
        """The calibrated probability, 0 to 1."""
        scaled = self.slope * logit + self.intercept
        # exp of what is never positive, so that it can't overflow
        decay = math.exp(-abs(scaled))
        return 1 / (1 + decay) if scaled >= 0 else decay / (1 + decay)


@dataclass(frozen=True)
class Cohort:
    """What a model was trained on: SHA-256 over its table of cases, and a sentence for people."""

    digest: str
    description: str


@dataclass(frozen=True)
class Privacy:
    """Differential privacy spent in training, per patient: (ε, δ)."""

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        if not (0 <= self.epsilon < math.inf and 0 <= self.delta < 1):
            raise ValueError(f"epsilon is 0 or more and delta in [0, 1); got ({self.epsilon}, {self.delta})")


@dataclass(frozen=True)
class Card:
    """A model's card.

    `geometry` is the grid of the image it takes. `labels`, `operating_point` (a probability) and
    `calibration` are a classifier's; a harmonizer has none. `tolerance` is the largest absolute difference
    that the parity check allows. `privacy` None means that training spent none, and protects nobody.
    `command` makes the model again from `seed`; `trained_on` says with which versions and hardware.
    """

    name: str
    version: int
    role: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    geometry: Geometry
    scope: Scope
    cohort: Cohort
    tolerance: float
    labels: tuple[str, ...] = ()
    operating_point: float | None = None
    calibration: Calibration | None = None
    privacy: Privacy | None = None
    seed: int = 0
    command: str = ""
    trained_on: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name is of a-z, 0-9, _ and -, 64 letters at most; got {self.name!r}")
        if self.version < 1:
            raise ValueError(f"version is 1 or more; got {self.version}")
        if self.role not in ROLES:
            raise ValueError(f"role is one of {', '.join(ROLES)}; got {self.role!r}")
        for side, tensors in (("inputs", self.inputs), ("outputs", self.outputs)):
            if not tensors:
                raise ValueError(f"a model has {side}")
            if len({tensor.name for tensor in tensors}) < len(tensors):
                raise ValueError(f"two of the {side} have the same name")
        if not 0 <= self.tolerance < math.inf:
            raise ValueError(f"tolerance is 0 or more; got {self.tolerance}")
        if self.role == "classifier":
            self._check_classifier()
        elif self.labels or self.calibration is not None or self.operating_point is not None:
            raise ValueError("labels, operating_point and calibration belong to a classifier")

    def _check_classifier(self) -> None:
        if not self.labels:
            raise ValueError("a classifier names its labels")
        if self.calibration is None:
            raise ValueError("a classifier has a calibration; slope 1 and intercept 0 change nothing")
        if self.operating_point is None or not 0 <= self.operating_point <= 1:
            raise ValueError(f"operating_point is a probability, 0 to 1; got {self.operating_point}")

    @classmethod
    def from_json(cls, text: str | bytes) -> "Card":
        """The card in `text`; raises ValueError that names each wrong, missing or unknown field."""
        try:
            card = _CARD.validate_json(text, strict=True)
        except ValidationError as error:
            raise ValueError("card: " + "; ".join(_wrong(one) for one in error.errors())) from None
        unknown = sorted(_unknown(json.loads(text), json.loads(card.to_json())))
        if unknown:
            known = ", ".join(field.name for field in fields(cls))
            raise ValueError(f"card: unknown field {', '.join(unknown)}; a card has {known}")
        return card

    def to_json(self) -> str:
        """The card as JSON with its keys in order: one card has one text."""
        return json.dumps(_CARD.dump_python(self, mode="json"), indent=2, sort_keys=True, allow_nan=False) + "\n"


_CARD = TypeAdapter(Card)


def _wrong(error: Any) -> str:
    where = ".".join(str(step) for step in error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def _unknown(given: Any, known: Any, path: str = "") -> set[str]:
    """Paths of keys that are in `given` and that nothing was read from."""
    if isinstance(given, dict) and isinstance(known, dict):
        nested = [_unknown(given[key], known[key], f"{path}{key}.") for key in given.keys() & known.keys()]
        return {f"{path}{key}" for key in given.keys() - known.keys()}.union(*nested)
    if isinstance(given, list) and isinstance(known, list):
        return set().union(*(_unknown(*pair, f"{path}{i}.") for i, pair in enumerate(zip(given, known, strict=False))))
    return set()

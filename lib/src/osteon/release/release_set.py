"""The release set {geometry, harmonizer, classifier with calibration}: the unit of release and rollback.

A classifier's calibration holds only for the harmonizer it was fitted on, so the two go together.
"""

import hashlib
import json
from dataclasses import dataclass

from osteon import contracts
from osteon.imaging.geometry import Geometry
from osteon.release.card import Card, Scope

__all__ = ["ReleaseSet", "check_fit", "set_id"]

ID_DIGITS = 12  # 48 bits: at ten thousand sets, two share an id once in five million times


@dataclass(frozen=True)
class ReleaseSet:
    """A set as it was released: its two cards, and the `record` on the bus with references to the files.

    Checked on construction as in `check_fit`.
    """

    id: str
    harmonizer: Card
    classifier: Card
    record: contracts.ReleaseSet

    def __post_init__(self) -> None:
        check_fit(self.harmonizer, self.classifier)

    @property
    def geometry(self) -> Geometry:
        """The grid of the harmonizer's input, its output, and the classifier's input."""
        return self.harmonizer.geometry

    @property
    def models(self) -> tuple[tuple[Card, contracts.Model], tuple[Card, contracts.Model]]:
        """Harmonizer and classifier: card, and references to the files."""
        return (self.harmonizer, self.record.harmonizer), (self.classifier, self.record.classifier)


def set_id(harmonizer: contracts.Model, classifier: contracts.Model) -> str:
    """SHA-256 over what the two models consist of (the geometry is in their cards), its first 12 digits."""
    content = {
        model_role: {"card": model.card.sha256, "onnx": model.onnx.sha256, "parity": model.parity.sha256}
        for model_role, model in (("harmonizer", harmonizer), ("classifier", classifier))
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:ID_DIGITS]


def check_fit(harmonizer: Card, classifier: Card) -> None:
    """Raise ValueError, naming both sides, unless these two can work together."""
    _require(harmonizer.role == "harmonizer", f"{harmonizer.name} is no harmonizer but a {harmonizer.role}")
    _require(classifier.role == "classifier", f"{classifier.name} is no classifier but a {classifier.role}")
    _require(harmonizer.name != classifier.name, f"both models are named {harmonizer.name}")
    for card in (harmonizer, classifier):
        _require(
            len(card.inputs) == len(card.outputs) == 1,
            f"{card.name}: a model of the streaming path takes one tensor and gives one",
        )
    grid = harmonizer.geometry
    _require(
        classifier.geometry == grid,
        f"{harmonizer.name} works on {grid}, {classifier.name} on {classifier.geometry}",
    )
    taken, given, wanted = harmonizer.inputs[0], harmonizer.outputs[0], classifier.inputs[0]
    for tensor in (taken, given, wanted):
        _require(
            tensor.admits_shape((1, 1, grid.rows, grid.columns)),
            f"tensor {tensor.name} is {tensor.shape}, which is no image of {grid.rows} x {grid.columns}",
        )
    for what, one, other in (
        ("dtype", given.dtype, wanted.dtype),
        ("range", given.range, wanted.range),
        ("unit", given.unit, wanted.unit),
    ):
        _require(one == other, f"{harmonizer.name} gives {what} {one}, {classifier.name} takes {other}")
    _require(
        _within(harmonizer.scope, classifier.scope),
        f"{harmonizer.name} admits images that {classifier.name} is not made for: {harmonizer.scope} "
        f"does not lie within {classifier.scope}",
    )


def _within(narrow: Scope, wide: Scope) -> bool:
    """Whether all that `narrow` admits is admitted by `wide`, where an empty tuple admits everything."""
    pairs = (
        (narrow.modalities, wide.modalities),
        (narrow.body_parts, wide.body_parts),
        (narrow.views, wide.views),
    )
    return all(not allowed or (words and set(words) <= set(allowed)) for words, allowed in pairs)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)

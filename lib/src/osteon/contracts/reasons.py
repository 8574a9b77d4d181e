"""Why an image has no probability: every reason there is, in a sentence a reader understands.

What to do about each says docs/how-to/runbook.md.
"""

__all__ = ["BRAKE_REASONS", "DEAD_LETTER_REASONS", "DOOR_REASONS", "REASONS"]

REASONS = {
    # the bytes
    "not-dicom": "The file is not a DICOM object.",
    "truncated": "The file ends before its pixels do; send it again.",
    "wrong-length": "The pixel data is longer or shorter than rows, columns and bits say.",
    "unreadable": "The DICOM object breaks the standard in a way that makes it unreadable.",
    "unknown-transfer-syntax": "The pixels are compressed in a way that no decoder here knows.",
    "undecodable": "The compressed pixels can't be decoded.",
    "too-large": "The image claims more pixels than the limit allows.",
    # the picture
    "no-pixels": "The object holds no image.",
    "color": "The image is in color; a radiograph is monochrome.",
    "multi-frame": "The object holds several frames; a radiograph has one.",
    "blank": "All pixels have the same value.",
    "no-spacing": "The pixel spacing is missing or no length that a radiograph can have, so nothing can be measured.",
    # the person
    "no-patient": "The object names no patient, so its result could not be matched.",
    "conflict": "Another image came under the same SOP Instance UID.",
    "burnt-in-text": "Text is burnt into the picture where it can't be masked safely.",
    # the purpose
    "own-output": "Osteon made this image itself.",
    "out-of-scope": "The models in force are not made for this kind of image.",
    "kills-worker": "Working this image ended the process that did it, twice.",
}
"""Why an image is set aside."""

DOOR_REASONS = {
    "mismatch": "The object is another one than its request says.",
    "not-safe": "The image could not be stored and announced now; its sender must keep it.",
}
"""Why a door refuses an image, beside `not-dicom`, `unreadable` and `too-large`."""

DEAD_LETTER_REASONS = {
    # the record
    "unreadable-record": "The record does not hold the message that its topic holds.",
    "record-too-large": "What came of the record is larger than its topic takes.",
    # the objects
    "bad-reference": "The record refers to something else than an object of the bucket that its stage reads.",
    "object-missing": "The object that the record names is not in the store.",
    "object-corrupt": "The object does not hold the bytes that it is named after.",
    "seal-broken": "The sealed object was altered, or sealed under another key.",
    # the models
    "wrong-shape": "A model was given, or gave, what its card does not say.",
    "not-finite": "A model gave NaN or infinity.",
    "release-retired": "The release set that harmonized this image was retired.",
    "release-unknown": "The release set that the record names was never released.",
    "bad-release": "The release set can't be used: its cards are missing or broken.",
    # a dependency that is well by its own probe, but failed for this record three times
    "store-fails": "The object store fails for this record alone.",
    "triton-fails": "Triton, or the model on it, fails for this record alone.",
}
"""Why a record becomes a dead letter; beside these, the name of an unforeseen error, as `zero-division-error`."""

BRAKE_REASONS = {
    "unknown-enum-value": "A record holds a value of a newer version.",
}
"""Why a stage brakes, beside too many dead letters of one reason."""

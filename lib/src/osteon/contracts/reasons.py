"""Why an image is set aside: every reason there is, in a sentence a reader understands."""

__all__ = ["REASONS"]

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

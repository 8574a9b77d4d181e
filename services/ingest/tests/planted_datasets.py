"""Datasets with identifiers in every kind of element, for the tests that look for them afterwards."""

from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence

from osteon.imaging.quiet import quiet_pydicom
from osteon_ingest.coverage import NAME, UID, attributes, needles, planted, plants

DESCRIBES_PIXELS = {"Rows", "Columns", "PixelPaddingValue", "PixelPaddingRangeLimit", "PixelData"}
PLANTS = [
    plant
    for tag in attributes()
    if tag.group >= 8 and keyword_for_tag(tag) not in DESCRIBES_PIXELS
    for plant in plants(tag)
    if plant.vr not in ("US", "SS")  # two bytes are found anywhere; `survives` compares them as values
]
SEQUENCES = [tag for tag in attributes() if tag.group >= 8 and dictionary_VR(tag) == "SQ"]
NEEDED = {"SOPClassUID", "BitsAllocated", "SamplesPerPixel", "PhotometricInterpretation"}  # or it is no image


def is_clean(content: bytes) -> bool:
    """Whether nothing planted is in `content`, in any encoding."""
    return not any(needle in content for needle in needles())


@st.composite
def datasets(draw: st.DrawFn, depth: int = 0) -> Dataset:
    """A dataset with identifiers in it, in private blocks and in nested sequences."""
    made = Dataset()
    with quiet_pydicom():
        for plant in draw(st.lists(st.sampled_from(PLANTS), max_size=12)):
            made.add(planted(plant))
    if draw(st.booleans()):
        block = made.private_block(0x0029, f"{NAME} BLOCK", create=True)
        block.add_new(1, "LO", NAME)
        block.add_new(2, "SQ", Sequence([draw(datasets(depth=depth + 1))] if depth < 3 else []))
    for tag in draw(st.lists(st.sampled_from(SEQUENCES), max_size=3)) if depth < 6 else []:
        made.add(DataElement(tag, "SQ", Sequence([draw(datasets(depth=depth + 1))])))
    return made


def plant_everywhere(original: Dataset, more: Dataset) -> None:
    """Plant identifiers in the file meta and the preamble of `original`, and all of `more` in its dataset."""
    for one in more:
        if one.keyword not in NEEDED:
            original.add(one)
    original.file_meta.add_new(0x00020016, "AE", NAME)
    original.file_meta.add_new(0x00020100, "UI", UID)
    original.file_meta.add_new(0x00020102, "OB", NAME.encode())
    original.preamble = NAME.encode().ljust(128, b"\0")

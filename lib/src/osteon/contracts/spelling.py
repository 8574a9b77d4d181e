"""One patient's number is typed in several ways: here it gets one spelling, before it is keyed or compared."""

import unicodedata

__all__ = ["one_spelling"]


def one_spelling(identifier: str) -> str:
    """The identifier by NFKC, in upper case, without spaces and the padding of DICOM."""
    return "".join(unicodedata.normalize("NFKC", identifier).replace("\0", "").upper().split())

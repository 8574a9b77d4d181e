"""One file through the path, by its public functions, and the promises that it must keep.

1. The door names it (`peek`), or refuses it.
2. Accept works it as its stage does: read, decode, de-identify, search for text, store, lock away.
3. What was accepted is read again as the harmonizer does, brought to reference geometry and derived; and as the
   classifier reads that.

Where the door refuses, 2 and 3 are tried nevertheless: nothing may depend on the door's having looked. The models
themselves are no parsers and left out; that an image is out of their scope is not asked, so that more gets to 3.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np

from osteon.contracts import REASONS, ImageDeidentified, ImageReceived, ImageSetAside, ObjectRef
from osteon.errors import SetAside
from osteon.imaging.derived import derived_dicom
from osteon.imaging.dicom import read_dataset, read_image
from osteon.imaging.geometry import to_reference
from osteon.release.card import Card
from osteon.store import MemoryStore
from osteon_ingest.accept import work
from osteon_ingest.identity import Keys, image_id
from osteon_ingest.peek import peek
from osteon_ingest.seal import seal
from tests.fuzz.seeds import PLANTED

__all__ = ["Broken", "Path_"]

SITE_KEY = "00112233445566778899aabbccddeeff" * 2
CARD = Path(__file__).parents[2] / "models" / "nyul" / "card.json"
TEXT_EVERY = 8  # the search for text is a network of fixed input; it takes most of the time and parses nothing


class Broken(Exception):
    """A promise that the path did not keep; the text says which."""


class Path_:  # noqa: N801 - not to be taken for pathlib's
    """The path with its keys and geometry, which are made once."""

    def __init__(self) -> None:
        self._keys = Keys.from_site_key(SITE_KEY)
        self._geometry = Card.from_json(CARD.read_text()).geometry

    def outcome(self, content: bytes, number: int) -> str:
        """What becomes of a file: `accepted`, or who refused it and why. Raises Broken; any other error is one too."""
        door = self._door(content)
        store = MemoryStore()
        name = image_id(self._keys, str(number))
        ref = store.put("inbox", seal(self._keys.inbox, content), "application/octet-stream")
        with _text_is_searched(number):
            message = work(ImageReceived(image_id=name, site="fuzz", object=ref), self._keys, store)[0].message
        message.SerializeToString()
        if isinstance(message, ImageSetAside):
            if message.reason not in REASONS:
                raise Broken(f"no such reason: {message.reason}")
            _no_name(message.explanation.encode())
            return door or f"set aside: {message.reason}"
        assert isinstance(message, ImageDeidentified)
        return self._behind(store, message.object) or door or "accepted"

    def _door(self, content: bytes) -> str:
        try:
            peek(content)
        except SetAside as refusal:
            return f"refused at the door: {refusal.reason}"
        return ""

    def _behind(self, store: MemoryStore, ref: ObjectRef) -> str:
        content = store.get(ref)
        _no_name(content)
        dataset = read_dataset(content)  # what accept wrote, everybody can read
        try:
            image = read_image(dataset)
        except SetAside as refusal:
            return f"set aside by the harmonizer: {refusal.reason}"
        reference = to_reference(image, self._geometry)
        if not np.isfinite(reference.pixels).all():
            raise Broken("the reference image holds values that are not finite")
        derived = derived_dicom(dataset, reference, role="harmonized", release_set="fuzz")
        try:
            read_image(derived)
        except SetAside as refusal:
            return f"set aside by the classifier: {refusal.reason}"
        return ""


@contextlib.contextmanager
def _text_is_searched(number: int) -> Iterator[None]:
    """Only in one of `TEXT_EVERY` inputs."""
    if number % TEXT_EVERY == 0:
        yield
        return
    with patch("osteon_ingest.examine.find_text", return_value=[]):
        yield


def _no_name(content: bytes) -> None:
    for name in PLANTED:
        if name in content:
            raise Broken("an identifier came through")

"""A random generator for each patient and each image: number 317 is the same alone and in the whole cohort."""

import numpy as np

__all__ = ["LARGEST", "PURPOSES", "generator"]

# Patients of different purposes never share a number of the random stream, so that none straddles a split. Numbers are
# never reused: what was drawn for a purpose stays what it was.
LARGEST = 2**32 - 1  # a larger number would spill into the word of the next one
PURPOSES = {
    "demo": 0,
    "harmonizer": 1,
    "fit": 2,
    "calibrate": 3,
    "test": 4,
    "geometry-model": 5,
    "judges": 6,
    "probes": 7,
    "travelling": 8,
    "foundation": 9,
    "register": 10,
    "register-test": 11,
    "travelling-test": 12,
    "foundation-test": 13,
    "sites": 72,
    "first-sites": 73,
    "rooms": 74,
}


def generator(seed: int, purpose: str, patient: int, *image: int) -> np.random.Generator:
    """Random numbers for patient number `patient` of a purpose, or for its image number `image`.

    Raises ValueError for a purpose that is not in `PURPOSES`, since a misspelt one would mix splits, and for a number
    below 0 or beyond 32 bits, which would give the numbers of another patient.
    """
    if purpose not in PURPOSES:
        raise ValueError(f"unknown purpose {purpose!r}; known ones: {', '.join(PURPOSES)}")
    words = [seed, PURPOSES[purpose], patient, *(1 + number for number in image)]
    if not 0 <= min(words) <= max(words) <= LARGEST:
        raise ValueError(f"seed, patient and image are numbers from 0 to {LARGEST}, not {words}")
    return np.random.default_rng(words)

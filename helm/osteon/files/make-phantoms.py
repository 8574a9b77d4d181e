"""Write two synthetic femurs that nobody has sent before, each named by the image id that the console knows it by.

The ids take the site key, from which pseudonyms can be undone: so this runs before, and apart from, what sends.
"""

import os
import sys
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from osteon.phantom.encoding import encoded
from osteon_ingest.identity import Keys, image_id


def phantom() -> Dataset:
    """The femur of the chart, with other noise and under another UID."""
    dataset = dcmread(Path(__file__).with_name("femur.dcm"))
    dataset.decompress()
    noise = np.random.default_rng().integers(0, 4, (dataset.Rows, dataset.Columns), np.uint16)
    dataset.PixelData = np.minimum(dataset.pixel_array + noise, 2**dataset.BitsStored - 1).astype("<u2").tobytes()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    return dataset


def main(folder: Path) -> None:
    keys = Keys.from_site_key(os.environ["OSTEON_SITE_KEY"])
    for one in (phantom(), phantom()):
        (folder / image_id(keys, one.SOPInstanceUID)).write_bytes(encoded(one, ExplicitVRLittleEndian))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

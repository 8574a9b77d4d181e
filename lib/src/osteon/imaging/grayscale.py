"""Stored values to bone bright: padding, shutter, modality and VOI LUT, photometric interpretation.

The order is that of the standard's pipeline (PS3.4 N.2): stored values, modality, VOI, presentation. Two
decisions make it fit for measuring rather than for looking:

- A VOI LUT Sequence and a sigmoid window are applied: their curve belongs to the picture the maker meant.
  A linear window is not: all it would do is clip, and what it clips can't be harmonized any more.
- "For presentation" images are inverted by photometric interpretation. "For processing" images, which no one
  is meant to look at, are inverted by the sign that relates pixels to dose, and logarithmed if they
  are linear in it, so that both kinds say attenuation.
"""

import math

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from osteon.errors import SetAside
from osteon.imaging.shutter import outside_shutter
from osteon.imaging.stored import PixelFormat, Stored

__all__ = ["bone_bright"]

Pixels = npt.NDArray[np.float32]


def bone_bright(stored: Stored, dataset: Dataset, form: PixelFormat) -> Pixels:
    """`stored` values (y, x) as attenuation, bone bright; what is padded or shuttered gets the smallest value.

    Raises SetAside("blank") where nothing but one value is left, pydicom's errors where the header is broken.
    """
    hidden = _padded(stored, dataset)
    shuttered = outside_shutter(dataset, stored.shape)
    if shuttered is not None:
        hidden = shuttered if hidden is None else hidden | shuttered

    pixels, ends = _modality(stored, dataset, form)
    if dataset.get("PresentationIntentType") == "FOR PROCESSING" and dataset.get("PixelIntensityRelationshipSign"):
        pixels = _attenuation(pixels, dataset)
    else:
        pixels, ends = _voi(pixels, ends, dataset, form)
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            np.subtract(np.float32(ends[0] + ends[1]), pixels, out=pixels)
    return _hide(pixels, hidden)


def _padded(stored: Stored, dataset: Dataset) -> npt.NDArray[np.bool_] | None:
    """Where pixels are padding (PS3.3 C.7.5.1.1.2): equal to the value, or between it and the range limit."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    padded: npt.NDArray[np.bool_] = (stored >= low) & (stored <= high)
    return padded if padded.any() else None


def _modality(stored: Stored, dataset: Dataset, form: PixelFormat) -> tuple[Pixels, tuple[float, float]]:
    """Modality LUT, or rescale, and the ends of the output range (PS3.3 C.11.1)."""
    if dataset.get("ModalityLUTSequence"):
        table, first = _table(dataset.ModalityLUTSequence[0], form)
        index = np.clip(stored.astype(np.intp) - first, 0, table.size - 1)
        return table[index], (float(table.min()), float(table.max()))
    slope = _number(dataset, "RescaleSlope", 1.0)
    intercept = _number(dataset, "RescaleIntercept", 0.0)
    if slope == 0:
        raise ValueError("a rescale slope of zero leaves nothing")
    pixels = stored.astype(np.float32)
    if slope != 1:
        pixels *= np.float32(slope)
    if intercept != 0:
        pixels += np.float32(intercept)
    low, high = sorted(slope * end + intercept for end in form.stored_range)
    return pixels, (low, high)


def _voi(
    pixels: Pixels, ends: tuple[float, float], dataset: Dataset, form: PixelFormat
) -> tuple[Pixels, tuple[float, float]]:
    """The first VOI LUT, or the first window if its function is SIGMOID (PS3.3 C.11.2)."""
    if dataset.get("VOILUTSequence"):
        table, first = _table(dataset.VOILUTSequence[0], form)
        # A rescale that is no integer leads between two entries: the nearer one counts.
        index = np.clip(np.rint(pixels) - first, 0, table.size - 1).astype(np.intp)
        return table[index], (float(table.min()), float(table.max()))
    if dataset.get("VOILUTFunction") == "SIGMOID":
        center, width = (_first(dataset, keyword) for keyword in ("WindowCenter", "WindowWidth"))
        if not width > 0:
            raise ValueError("a window has a positive width")
        low, high = ends
        sigmoid = low + (high - low) / (1 + np.exp(np.clip(-4 * (pixels - center) / width, -60, 60)))
        return sigmoid.astype(np.float32), ends
    return pixels, ends


def _attenuation(pixels: Pixels, dataset: Dataset) -> Pixels:
    """Attenuation from pixels that relate to dose by relationship and sign (PS3.3 C.8.11.3.1.2)."""
    if dataset.get("PixelIntensityRelationship") == "LIN":
        # From zero dose, not from the smallest value there is: that would depend on what else is in the picture.
        np.log1p(np.maximum(pixels, 0), out=pixels)
    if int(dataset.PixelIntensityRelationshipSign) > 0:  # more dose, larger value: bone is dark
        np.negative(pixels, out=pixels)
    return pixels


def _hide(pixels: Pixels, hidden: npt.NDArray[np.bool_] | None) -> Pixels:
    visible = pixels if hidden is None else pixels[~hidden]
    if visible.size == 0 or visible.min() == visible.max():
        raise SetAside("blank")
    if hidden is not None:
        pixels[hidden] = visible.min()
    return pixels


def _table(item: Dataset, form: PixelFormat) -> tuple[Pixels, int]:
    """A LUT's values and the input of its first entry (PS3.3 C.11.1.1)."""
    n_entries, first, bits = (int(value) for value in item.LUTDescriptor)
    n_entries = n_entries or 2**16
    data = item["LUTData"]
    if data.VR == "OW":
        # Not what the item says of itself: pydicom doesn't tell the items of a sequence.
        values = np.frombuffer(data.value, ">u2" if form.transfer_syntax == ExplicitVRBigEndian else "<u2")
    else:
        values = np.asarray(data.value).reshape(-1)
    if bits == 8 and values.size * 2 == n_entries:  # two entries a word, as some write them
        values = np.frombuffer(values.astype("<u2").tobytes(), np.uint8)
    if values.size < n_entries:
        raise ValueError("a LUT is shorter than its descriptor says")
    return values[:n_entries].astype(np.float32), first


def _number(dataset: Dataset, keyword: str, default: float) -> float:
    value = dataset.get(keyword)
    number = default if value in (None, "") else float(value)
    if not math.isfinite(number):
        raise ValueError(f"{keyword} is not a finite number")
    return number


def _first(dataset: Dataset, keyword: str) -> float:
    value = dataset.get(keyword)
    return float(value if isinstance(value, (int, float, str)) else value[0])

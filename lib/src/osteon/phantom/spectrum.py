"""X-ray spectra of a tube behind its filter, and the few energies that stand for them in an image.

The full spectrum has 100 energies. An image uses `N_BINS`, found so that the transmission through
anything from bare air to a thigh with a nail is right within `FEW_BINS_ERROR`.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, least_squares

from osteon.phantom.attenuation import ENERGIES_KEV, air_kerma_uGy, per_mm, table

__all__ = [
    "FEW_BINS_ERROR", "TISSUES", "Absorber", "FewBins", "Tube", "absorbed", "few_bins", "half_value_layer_mm",
    "photons",
]  # fmt: skip

FloatArray = npt.NDArray[np.float64]

TABLE_ALUMINIUM_MM = 1.0  # what the spectra of the table have passed already
N_BINS = 4
FEW_BINS_ERROR = 0.01  # largest relative error of a transmission over 1e-4, a third of the quantum noise of one pixel
TISSUES = ("bone", "muscle", "fat", "titanium")


@dataclass(frozen=True)
class Tube:
    """A tungsten tube: voltage in kV (50 to 110) and total filtration in mm of aluminium (1 or more) and copper."""

    kvp: float = 70.0
    aluminium_mm: float = 3.0
    copper_mm: float = 0.0

    def __post_init__(self) -> None:
        if not 50 <= self.kvp <= 110:
            raise ValueError(f"the table of spectra covers 50 to 110 kVp, not {self.kvp}")
        if self.aluminium_mm < TABLE_ALUMINIUM_MM or self.copper_mm < 0:
            raise ValueError("a tube's filter is at least 1 mm of aluminium and no negative copper")


@dataclass(frozen=True)
class Absorber:
    """What takes the X-rays up in a detector: a material and its thickness in mm of the solid."""

    material: str = "caesium-iodide"
    thickness_mm: float = 0.40


@dataclass(frozen=True)
class FewBins:
    """A detector's signal as a sum over few energies: signal in air is 1.

    `weights` (bins,) are shares of the signal in air; `energies_kev` (bins,); `per_mm` (bins, tissues) in the order of
    `TISSUES`.
    """

    weights: FloatArray
    energies_kev: FloatArray
    per_mm: FloatArray


def photons(tube: Tube) -> FloatArray:
    """Photons per mm2 and mAs in each bin of `ENERGIES_KEV` at 1 m."""
    kvps = np.array(sorted(float(name) for name in table("spectra")[1]))
    upper = min(max(int(np.searchsorted(kvps, tube.kvp)), 1), len(kvps) - 1)
    share = (tube.kvp - kvps[upper - 1]) / (kvps[upper] - kvps[upper - 1])
    below, above = (table("spectra")[1][f"{kvps[n]:g}"] for n in (upper - 1, upper))
    fluence = (1 - share) * below + share * above
    fluence = np.where(tube.kvp > ENERGIES_KEV, fluence, 0)
    filtered = per_mm("aluminium") * (tube.aluminium_mm - TABLE_ALUMINIUM_MM) + per_mm("copper") * tube.copper_mm
    behind: FloatArray = fluence * np.exp(-filtered) / 100
    return behind


def half_value_layer_mm(tube: Tube, material: str = "aluminium") -> float:
    """The thickness that halves the air kerma of the tube's narrow beam."""
    fluence, attenuation = photons(tube), per_mm(material)
    half = air_kerma_uGy(fluence) / 2
    return float(brentq(lambda mm: air_kerma_uGy(fluence * np.exp(-attenuation * mm)) - half, 0, 100))


def absorbed(absorber: Absorber) -> FloatArray:
    """Share of the photons of each energy that a detector takes up."""
    taken: FloatArray = 1 - np.exp(-per_mm(absorber.material) * absorber.thickness_mm)
    return taken


@cache
def few_bins(tube: Tube, absorber: Absorber) -> FewBins:
    """The few energies for a tube and a detector that integrates energy, by least squares of the relative error over
    a net of thicknesses."""
    signal = photons(tube) * ENERGIES_KEV * absorbed(absorber)
    signal /= signal.sum()
    attenuation = np.stack([per_mm(tissue) for tissue in TISSUES], axis=1)  # (energies, tissues)
    exact = np.exp(-_net_mm() @ attenuation.T) @ signal
    kept = exact > 1e-5  # less than that is glare and electronics
    net_mm, exact = _net_mm()[kept], exact[kept]

    def bins(parameters: FloatArray) -> FewBins:
        energies_kev, weights = parameters[:N_BINS], np.exp(parameters[N_BINS:])
        between = [np.exp(np.interp(energies_kev, ENERGIES_KEV, np.log(column))) for column in attenuation.T]
        return FewBins(weights / weights.sum(), energies_kev, np.stack(between, axis=1))

    def errors(parameters: FloatArray) -> FloatArray:
        few = bins(parameters)
        relative: FloatArray = np.exp(-net_mm @ few.per_mm.T) @ few.weights / exact - 1
        return relative

    # Start: equal shares of the signal, each at its median energy.
    medians = np.interp((np.arange(N_BINS) + 0.5) / N_BINS, np.cumsum(signal), ENERGIES_KEV)
    start = np.concatenate([medians, np.full(N_BINS, -np.log(N_BINS))])
    low = np.concatenate([np.full(N_BINS, ENERGIES_KEV[0]), np.full(N_BINS, -15.0)])
    high = np.concatenate([np.full(N_BINS, tube.kvp), np.full(N_BINS, 1.0)])
    found = least_squares(errors, start, bounds=(low, high), x_scale=np.repeat([10.0, 1.0], N_BINS))
    return bins(np.asarray(found.x))


def _net_mm() -> FloatArray:
    """Thicknesses of the tissues, axes (point, tissue): every combination that a leg can hold, and some more."""
    axes = ((0, 5, 20, 60), (0, 40, 120, 250), (0, 20, 80), (0, 3, 14, 30))
    net: FloatArray = np.array([axis.ravel() for axis in np.meshgrid(*axes)], dtype=np.float64).T
    return net

"""What a millimetre of each material takes out of a beam, from 10.5 to 109.5 keV in steps of 1 keV."""

from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt

__all__ = ["DENSITIES_G_CM3", "ENERGIES_KEV", "MATERIALS", "air_kerma_uGy", "per_mm", "table"]

FloatArray = npt.NDArray[np.float64]

# ICRU report 44 for tissues; Ti-6Al-4V and 316L by ASTM F136 and F138; crystals by their handbook densities. A powder
# phosphor is packed loosely: its thickness is given as that of the solid.
DENSITIES_G_CM3 = {
    "bone": 1.92,
    "muscle": 1.05,
    "fat": 0.95,
    "steel": 7.95,
    "titanium": 4.43,
    "aluminium": 2.699,
    "copper": 8.96,
    "plaster": 0.9,  # a cast is porous: half of solid gypsum or less
    "caesium-iodide": 4.51,
    "phosphor": 4.96,
    "selenium": 4.28,
}
MATERIALS = tuple(DENSITIES_G_CM3)

# Mass energy absorption of dry air in cm2/g at energies in keV: Hubbell and Seltzer, NIST tables (1995), table 4.
AIR_KEV = (10, 15, 20, 30, 40, 50, 60, 80, 100, 150)
AIR_CM2_G = (4.742, 1.334, 0.5389, 0.1537, 0.06833, 0.04098, 0.03041, 0.02407, 0.02325, 0.02496)
UGY_PER_KEV_PER_GRAM = 1.602177e-16 / 1e-3 * 1e6  # 1 keV in J, 1 g in kg, 1 Gy in uGy


@cache
def table(name: str) -> tuple[FloatArray, dict[str, FloatArray]]:
    """The first column and the others by their heads, of a table that `osteon.phantom.tabulate` made."""
    text = resources.files("osteon.phantom").joinpath("tables", f"{name}.csv").read_text()
    head, *lines = text.splitlines()
    rows = np.array([[float(value) for value in line.split(",")] for line in lines])
    return rows[:, 0], dict(zip(head.split(",")[1:], rows[:, 1:].T, strict=True))


ENERGIES_KEV = table("attenuation")[0]


@cache
def per_mm(material: str) -> FloatArray:
    """Linear attenuation in 1/mm at each of `ENERGIES_KEV`, coherent scatter included, as for a narrow beam.

    Raises ValueError for a material that is not in `MATERIALS`.
    """
    if material not in DENSITIES_G_CM3:
        raise ValueError(f"unknown material {material!r}; known ones: {', '.join(MATERIALS)}")
    return table("attenuation")[1][material] * DENSITIES_G_CM3[material] / 10


def air_kerma_uGy(photons_per_mm2: FloatArray) -> float:  # noqa: N802  (the unit is written so)
    """Air kerma in µGy of photons per mm2 at each of `ENERGIES_KEV`."""
    mass_absorption = np.exp(np.interp(np.log(ENERGIES_KEV), np.log(AIR_KEV), np.log(AIR_CM2_G)))
    kev_per_gram = float(np.sum(photons_per_mm2 * 100 * ENERGIES_KEV * mass_absorption))
    return kev_per_gram * UGY_PER_KEV_PER_GRAM

"""Make the tables of spectra, attenuation and heel effect again: `python -m osteon.phantom.tabulate`.

SpekPy and xraydb weigh 200 MB and take seconds to start, so that what they say is kept beside this file in `tables/`,
and only a test and this command need them (`pip install 'osteon[physics]'`).

spectra.csv      photons per cm2, mAs and keV at 1 m behind 1 mm of aluminium: a row for each keV, a column for each kVp
attenuation.csv  mass attenuation in cm2/g, coherent scatter included: a row for each keV, a column for each material
heel.csv         air kerma relative to the central ray: a row for each degree off it, a column for each anode angle
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["ANODES_DEG", "COMPOSITIONS", "ENERGIES_KEV", "VOLTAGES_KVP", "attenuation", "heel", "spectra", "tabulate"]

FloatArray = npt.NDArray[np.float64]

TABLES = Path(__file__).parent / "tables"
ENERGIES_KEV = np.arange(10.5, 110, 1.0)  # middles of bins 1 keV wide; below 10 keV nothing passes the tube's filter
VOLTAGES_KVP = tuple(range(50, 111, 5))  # spectra change smoothly between them
ANODES_DEG = (12, 14, 16)  # the targets of general radiography
OFF_AXIS_DEG = np.arange(-11, 12)  # 43 cm at 115 cm are 10.6 degrees to either side
SPECTRUM_ANODE_DEG = 12

# Shares of mass of the elements. Tissues: ICRU report 44, as in the NIST tables of Hubbell and Seltzer (1995), table 2.
# Steel: 316L, ASTM F138; titanium: Ti-6Al-4V, ASTM F136, both at the middle of their ranges. Photostimulable phosphor:
# BaF(Br 0.85, I 0.15). Caesium iodide and selenium as pure substances.
COMPOSITIONS: Mapping[str, Mapping[str, float]] = {
    "bone": {
        "H": 0.034,
        "C": 0.155,
        "N": 0.042,
        "O": 0.435,
        "Na": 0.001,
        "Mg": 0.002,
        "P": 0.103,
        "S": 0.003,
        "Ca": 0.225,
    },
    "muscle": {
        "H": 0.102,
        "C": 0.143,
        "N": 0.034,
        "O": 0.710,
        "Na": 0.001,
        "P": 0.002,
        "S": 0.003,
        "Cl": 0.001,
        "K": 0.004,
    },
    "fat": {"H": 0.114, "C": 0.598, "N": 0.007, "O": 0.278, "Na": 0.001, "S": 0.001, "Cl": 0.001},
    "steel": {"Fe": 0.645, "Cr": 0.180, "Ni": 0.140, "Mo": 0.0275, "Mn": 0.0075},
    "titanium": {"Ti": 0.90, "Al": 0.06, "V": 0.04},
    "aluminium": {"Al": 1.0},
    "copper": {"Cu": 1.0},
    "plaster": {"Ca": 0.2328, "S": 0.1862, "O": 0.5576, "H": 0.0234},  # gypsum, CaSO4 2 H2O
    "caesium-iodide": {"Cs": 0.5115, "I": 0.4885},
    "phosphor": {"Ba": 0.5645, "F": 0.0781, "Br": 0.2792, "I": 0.0782},
    "selenium": {"Se": 1.0},
}


def tabulate(folder: Path = TABLES) -> None:
    """Writes the three tables to a folder."""
    folder.mkdir(exist_ok=True)
    _write(folder / "spectra.csv", ("keV", *VOLTAGES_KVP), ENERGIES_KEV, spectra(VOLTAGES_KVP))
    _write(folder / "attenuation.csv", ("keV", *COMPOSITIONS), ENERGIES_KEV, attenuation(COMPOSITIONS))
    _write(folder / "heel.csv", ("deg", *ANODES_DEG), OFF_AXIS_DEG, heel(ANODES_DEG))


def spectra(voltages_kvp: Sequence[int]) -> FloatArray:
    """Photons per cm2, mAs and keV at 1 m behind 1 mm of aluminium, axes (energy, voltage), by SpekPy."""
    import spekpy

    columns = np.zeros((len(ENERGIES_KEV), len(voltages_kvp)))
    for number, kvp in enumerate(voltages_kvp):
        tube = spekpy.Spek(kvp=kvp, th=SPECTRUM_ANODE_DEG, z=100, dk=1.0, physics="kqp").filter("Al", 1.0)
        energies_kev, fluence = tube.get_spectrum(diff=True)
        columns[:, number] = np.interp(ENERGIES_KEV, energies_kev, fluence, left=0, right=0)
    return columns


def attenuation(materials: Iterable[str]) -> FloatArray:
    """Mass attenuation in cm2/g, axes (energy, material), by xraydb (Elam, Ravel and Sieber, 2002)."""
    import xraydb

    return np.stack(
        [
            sum(
                share * np.asarray(xraydb.mu_elam(element, ENERGIES_KEV * 1000))
                for element, share in COMPOSITIONS[material].items()
            )
            for material in materials
        ],
        axis=1,
    )


def heel(anodes_deg: Sequence[int]) -> FloatArray:
    """Air kerma behind 3 mm of aluminium at 70 kVp over that of the central ray, axes (angle, anode), by SpekPy.

    Positive angles lie towards the cathode, where the beam is stronger.
    """
    import spekpy

    rows = [
        [
            spekpy.Spek(kvp=70, th=anode, z=100, x=float(100 * np.tan(np.radians(angle))), dk=1.0)
            .filter("Al", 3.0)
            .get_kerma()
            for anode in anodes_deg
        ]
        for angle in OFF_AXIS_DEG
    ]
    kerma = np.array(rows)
    relative: FloatArray = kerma / kerma[len(OFF_AXIS_DEG) // 2]
    return relative


def _write(path: Path, names: Sequence[object], index: FloatArray | npt.NDArray[np.int64], columns: FloatArray) -> None:
    lines = [",".join(str(name) for name in names)]
    for first, row in zip(index, columns, strict=True):
        lines.append(",".join([f"{first:g}", *(f"{value:.5g}" for value in row)]))
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    tabulate(Path(sys.argv[1]) if len(sys.argv) > 1 else TABLES)

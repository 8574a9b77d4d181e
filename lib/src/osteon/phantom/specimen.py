"""One radiograph of the digital cohort, asked for by patient and site: for the demonstration, tests and benchmarks.

specimen(7).dataset                        a femur at the first site, small
specimen(7, site=3, pitch_mm=0).dataset    at the fourth, as large as its detector makes it
"""

import datetime
from dataclasses import replace

from pydicom import Dataset

from osteon.phantom.chest import project_chest
from osteon.phantom.exposure import expose, field_of
from osteon.phantom.plan import Row
from osteon.phantom.population import View
from osteon.phantom.presets import PlanLabel
from osteon.phantom.radiograph import Exam, radiograph
from osteon.phantom.render import Rendered, render
from osteon.phantom.seeds import generator
from osteon.phantom.sites import sites

__all__ = ["DEMO_SITES", "chest", "specimen"]

DEMO_SITES = 6  # of the 72, the first: they differ in all that the path has to bear, and have a room each
SMALL_MM = 1.0  # some 0.2 MB, made in 50 ms; what most tests ask of a radiograph does not depend on size
DAY = datetime.date(2016, 3, 15)


def specimen(
    patient: int,
    site: int = 0,
    *,
    label: PlanLabel = "typical_fracture",
    view: View = "AP",
    image: int = 0,
    seed: int = 0,
    purpose: str = "demo",
    pitch_mm: float = SMALL_MM,
) -> Rendered:
    """Image number `image` of a patient of a purpose (`osteon.phantom.seeds`) in the first room of site number `site`.

    Pixels are of `pitch_mm`, or the detector's own where that is coarser. Raises ValueError for an unknown purpose or
    label, IndexError for a site that does not exist.
    """
    return render(_row(patient, site, label, view, image, seed, purpose), "native", pitch_mm=pitch_mm)


def chest(patient: int, site: int = 0, *, seed: int = 0, purpose: str = "demo", pitch_mm: float = SMALL_MM) -> Dataset:
    """A chest film of a patient, which says so in its header."""
    row = _row(patient, site, "no_fracture", "AP", 0, seed, purpose)
    room = replace(sites()[site], body_part="CHEST")
    rng = generator(seed, purpose, patient, 0)
    thickness = project_chest(*field_of(room.scanner(on=row.date), pitch_mm=pitch_mm), rng)
    stored = expose(thickness, room, row.room, rng, on=row.date, letter="L", pitch_mm=pitch_mm)
    return radiograph(stored, room, row.room, Exam(row.patient_id, row.date, side="U"))


def _row(patient: int, site: int, label: PlanLabel, view: View, image: int, seed: int, purpose: str) -> Row:
    return Row(
        number=image,
        seed=seed,
        purpose=purpose,
        patient=patient,
        image=image,
        pose=image,
        label=label,
        view=view,
        side="R" if patient % 2 else "L",
        site=sites()[site].name,
        room=0,
        study=0,
        date=DAY,
    )

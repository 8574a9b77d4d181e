"""GRAZPEDWRI-DX (Nagy and others 2022): wrists of children, from one hospital and devices of several makers.

    dataset.csv                          filestem, patient_id, fracture_visible, metal, projection, laterality, …
    images_part{1..4}/<filestem>.png     or all in images/; 16 bits

Flags stand as 1 where they hold, else empty. The hospital is one: the maker of the device stands for the site.
"""

from datetime import date
from pathlib import Path

from osteon.cohort.problem import Problem
from osteon.cohort.readers.found import Found, files_below, listed_and_there, needed_table, said_yes, table_of
from osteon.cohort.table import Description

__all__ = ["is_here", "read"]

VIEWS = {"1": "AP", "2": "lateral", "3": "oblique"}
KEPT = {"age": "age_years", "gender": "sex", "ao_classification": "ao_classification", "cast": "cast",
        "osteopenia": "osteopenia", "diagnosis_uncertain": "diagnosis_uncertain",
        "initial_exam": "initial_exam"}  # fmt: skip
FLAGS = ("cast", "osteopenia", "diagnosis_uncertain", "initial_exam")
DESCRIPTION = Description(
    "GRAZPEDWRI-DX", labels=("no_fracture", "fracture"), site_is="device",
    source="Nagy and others 2022, doi 10.1038/s41597-022-01328-z",
    notes=("one hospital: the maker of the device stands for the site", "no fracture means that none is visible"),
)  # fmt: skip


def is_here(folder: Path) -> bool:
    """Whether the folder has the table and one of the folders of images."""
    return (folder / "dataset.csv").is_file() and (
        any(folder.glob("images_part*")) or "filestem" in (folder / "dataset.csv").read_text(errors="replace")[:500]
    )


def read(folder: Path, table: Path | None = None) -> Found:
    """GRAZPEDWRI-DX in a folder; raises NotThisDataSet where the table or a column of it is missing."""
    tabular = needed_table(table or folder / "dataset.csv", "filestem", "patient_id", "fracture_visible")
    there = {Path(path).stem: path for path in files_below(folder, ".png")}
    problems: list[Problem] = []
    rows: list[dict[str, object]] = []
    listed: dict[str, int] = {}
    for line, told in enumerate(tabular.table.iter_rows(named=True), tabular.first_line):
        stem = str(told["filestem"])
        path = there.get(stem, f"images/{stem}.png")
        listed[path] = line
        rows.append(_row(stem, path, told))
    problems += listed_and_there(listed, there.values(), "dataset.csv")
    return Found(table_of(rows), DESCRIPTION, folder, problems)


def _row(stem: str, path: str, told: dict[str, object]) -> dict[str, object]:
    patient, side = str(told["patient_id"]), str(told.get("laterality") or "").upper()
    spacing = told.get("pixel_spacing")
    maker = str(told["device_manufacturer"]).strip() if told.get("device_manufacturer") else None
    kept = {new: told.get(old) for old, new in KEPT.items() if old in told}
    return {
        "case": stem,
        "patient": patient,
        "study": f"{patient}/{told.get('study_number') or told.get('timehash') or '1'}",
        "site": maker,
        "vendor": maker,
        "family": maker,
        # Where it is empty no fracture is visible; the table has no third value.
        "label": "fracture" if said_yes(told["fracture_visible"]) else "no_fracture",
        "modality": "DX",
        "view": VIEWS.get(str(told.get("projection") or "").split(".")[0], "other" if told.get("projection") else None),
        "side": side if side in ("L", "R") else None,
        "body_part": "WRIST",
        "hardware": bool(said_yes(told["metal"])) if "metal" in told else None,
        "exam_date": told["exam_date"] if isinstance(told.get("exam_date"), date) else None,
        "spacing_y_mm": spacing if isinstance(spacing, float | int) else None,
        "spacing_x_mm": spacing if isinstance(spacing, float | int) else None,
        "path": path,
        **{name: bool(said_yes(value)) if name in FLAGS else value for name, value in kept.items()},
    }

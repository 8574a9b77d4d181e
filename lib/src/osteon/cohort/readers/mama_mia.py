"""MAMA-MIA (Garrucho and others 2025): breast tumours in contrast-enhanced MRI, from four collections.

    images/<patient>/<patient>_0000.nii.gz         0000 before contrast, 0001 and on after it
    segmentations/expert/<patient>.nii.gz          tumour masks
    clinical_and_imaging_info.xlsx                 sheet dataset_info: patient_id, dataset, site, manufacturer, …
    train_test_splits.csv                          train_split, test_split: patients

Where the site is missing, data set and scanner stand for it. Ids are compared without regard to capitals. The label is
the pathologic complete response, where it is known.
"""

from pathlib import Path

from osteon.cohort.problem import Problem
from osteon.cohort.readers.found import Found, NotThisDataSet, files_below, needed_table, said_yes, table_of
from osteon.cohort.table import Description
from osteon.cohort.tabular import NotATable, read_tabular

__all__ = ["is_here", "read"]

INFO = "clinical_and_imaging_info.xlsx"
KEPT = ("age", "dataset", "field_strength", "tumor_subtype", "menopause", "fat_suppressed", "bilateral_mri")
DESCRIPTION = Description(
    "MAMA-MIA", labels=("no_pCR", "pCR"), license="CC BY-NC 4.0",
    source="Garrucho and others 2025, doi 10.1038/s41597-025-04707-4",
    notes=("where no site is told, data set and scanner stand for it", "path is the first image after contrast"),
)  # fmt: skip


def is_here(folder: Path) -> bool:
    """Whether the clinical table lies in the folder."""
    return (folder / INFO).is_file()


def read(folder: Path, table: Path | None = None) -> Found:
    """MAMA-MIA in a folder; raises NotThisDataSet without the clinical table or without images."""
    tabular = needed_table(table or folder / INFO, "patient_id", "dataset", sheet=None if table else "dataset_info")
    images = _images(folder)
    if not images:
        raise NotThisDataSet(f"{folder.name} has no images/<patient>/<patient>_0000.nii.gz")
    masks = {
        Path(path).name.split(".")[0].lower(): path for path in files_below(folder, ".nii.gz") if "expert/" in path
    }
    folds, problems = _folds(folder), list[Problem]()
    rows = []
    named = set()
    for line, told in enumerate(tabular.table.iter_rows(named=True), tabular.first_line):
        patient = str(told["patient_id"]).strip()
        named.add(patient.lower())
        phases = images.get(patient.lower(), {})
        if not phases:
            problems.append(Problem("missing", INFO, line, "this patient has no images",
                                    "copy images/<patient_id> from the source, or remove the line"))  # fmt: skip
            continue
        rows.append(_row(patient, phases, masks.get(patient.lower()), folds.get(patient.lower()), told))
    problems += [
        Problem(
            "not-listed",
            phases[min(phases)],
            says=f"{INFO} does not name this patient",
            way_out="add a line; it is left out until then",
        )
        for patient, phases in sorted(images.items())
        if patient not in named
    ]
    return Found(table_of(rows), DESCRIPTION, folder, problems)


def _images(folder: Path) -> dict[str, dict[int, str]]:
    """Patient, in small letters, to phase to path."""
    images: dict[str, dict[int, str]] = {}
    for path in files_below(folder / "images", ".nii.gz"):
        patient, _, phase = Path(path).name.split(".")[0].rpartition("_")
        if phase.isdecimal():
            images.setdefault(patient.lower(), {})[int(phase)] = f"images/{path}"
    return images


def _row(
    patient: str, phases: dict[int, str], mask: str | None, fold: str | None, told: dict[str, object]
) -> dict[str, object]:
    scanner = _text(told.get("scanner_model"))
    vendor = _text(told.get("manufacturer"))
    stand_in = " ".join(part for part in (_text(told["dataset"]), scanner) if part)
    response = said_yes(told.get("pcr"))
    after = [number for number in sorted(phases) if number > 0]
    return {
        "case": patient,
        "patient": patient,
        "study": patient,
        "site": _text(told.get("site")) or stand_in or None,
        "vendor": vendor,
        "family": " ".join(part for part in (vendor, scanner) if part) or None,
        "label": None if response is None else DESCRIPTION.labels[response],
        "modality": "MR",
        "body_part": "BREAST",
        "hardware": None,
        "path": phases[after[0]] if after else phases[0],
        "fold": fold,
        "path_before": phases.get(0),
        "path_seg": mask,
        "n_phases": len(phases),
        **{name: told.get(name) for name in KEPT if name in told},
    }


def _text(value: object) -> str | None:
    """Text without the spaces that some models end with; None for what means nothing."""
    text = str(value).strip() if value is not None else ""
    return text if text and text.lower() != "nan" else None


def _folds(folder: Path) -> dict[str, str]:
    try:
        table = read_tabular(folder / "train_test_splits.csv").table
    except NotATable:
        return {}
    return {
        str(patient).strip().lower(): column.removesuffix("_split")
        for column in table.columns
        for patient in table[column].drop_nulls()
    }

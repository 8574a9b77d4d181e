"""FracAtlas (Abedeen and others 2023): fractures of the whole body, from three hospitals that are not told apart.

    FracAtlas/dataset.csv                        image_id, hand, leg, hip, shoulder, mixed, hardware, fractured, …
    FracAtlas/images/{Fractured,Non_fractured}/IMG0000000.jpg
    FracAtlas/Utilities/Fracture Split/{train,valid,test}.csv   fractured images only

It names no patient and no site: each image counts as a patient of its own, so images of one person may straddle a
split, and no study of sites can be made. It tells no pixel spacing.
"""

from pathlib import Path

from osteon.cohort.problem import Problem
from osteon.cohort.readers.found import Found, files_below, listed_and_there, needed_table, said_yes, table_of
from osteon.cohort.table import Description
from osteon.cohort.tabular import NotATable, read_tabular

__all__ = ["is_here", "read"]

BODY_PARTS = ("hand", "leg", "hip", "shoulder")
VIEWS = {"frontal": "AP", "lateral": "lateral", "oblique": "oblique"}
FOLDERS = ("Fractured", "Non_fractured", "Non-fractured")
DESCRIPTION = Description(
    "FracAtlas", labels=("non_fractured", "fractured"), patient_is="image", site_is="", license="CC BY 4.0",
    source="Abedeen and others 2023, doi 10.1038/s41597-023-02432-4",
    notes=("no patient is told: splits are by image, and flatter", "no site: no study of sites"),
)  # fmt: skip


def is_here(folder: Path) -> bool:
    """Whether a folder, or FracAtlas in it, has the table and the images."""
    root = _root(folder)
    return (root / "dataset.csv").is_file() and any((root / "images" / name).is_dir() for name in FOLDERS)


def read(folder: Path, table: Path | None = None) -> Found:
    """FracAtlas in a folder; raises NotThisDataSet where its table is missing or has no `image_id` and `fractured`."""
    root = _root(folder)
    tabular = needed_table(table or root / "dataset.csv", "image_id", "fractured")
    there = {Path(path).name: f"images/{path}" for path in files_below(root / "images", ".jpg", ".jpeg", ".png")}
    folds = _folds(root)
    problems: list[Problem] = []
    rows: list[dict[str, object]] = []
    listed: dict[str, int] = {}
    for line, told in enumerate(tabular.table.iter_rows(named=True), tabular.first_line):
        image = str(told["image_id"])
        path = there.get(image, f"images/{image}")
        listed[path] = line
        is_fractured = said_yes(told["fractured"])
        if path in there.values() and is_fractured is not None and ("/Fractured/" in path) != is_fractured:
            problems.append(Problem("contradiction", "dataset.csv", line, f"{path} lies in the other class's folder",
                                    "the table counts; compare with the source"))  # fmt: skip
        parts = [part for part in BODY_PARTS if said_yes(told.get(part))]
        views = [view for name, view in VIEWS.items() if said_yes(told.get(name))]
        rows.append(
            {
                "case": Path(image).stem,
                "patient": Path(image).stem,
                "label": None if is_fractured is None else DESCRIPTION.labels[is_fractured],
                "modality": "CR",
                "view": views[0] if len(views) == 1 else "other" if views else None,
                "body_part": parts[0].upper() if len(parts) == 1 else "MIXED" if parts else None,
                "hardware": said_yes(told.get("hardware")),
                "path": path,
                "fold": folds.get(image),
            }
        )
    problems += listed_and_there(listed, there.values(), "dataset.csv")
    return Found(table_of(rows), DESCRIPTION, root, problems)


def _root(folder: Path) -> Path:
    return folder / "FracAtlas" if (folder / "FracAtlas").is_dir() else folder


def _folds(root: Path) -> dict[str, str]:
    folds: dict[str, str] = {}
    for path in sorted((root / "Utilities" / "Fracture Split").glob("*.csv")):
        try:
            first = read_tabular(path).table.to_series(0)
        except NotATable:
            continue
        folds.update((str(image), path.stem) for image in first)
    return folds

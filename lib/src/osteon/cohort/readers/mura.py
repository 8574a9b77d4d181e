"""MURA v1.1 (Rajpurkar and others 2018): upper limbs, normal or not, a label a study.

    MURA-v1.1/{train,valid}_image_paths.csv       one path a line, without a header
    MURA-v1.1/{train,valid}_labeled_studies.csv   study path, 0 or 1; without a header
    MURA-v1.1/{train,valid}/XR_WRIST/patient00001/study1_positive/image1.png

It tells no site and no pixel spacing. A patient's number is taken to be the same person in every body part.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from osteon.cohort.problem import Problem
from osteon.cohort.readers.found import Found, NotThisDataSet, files_below, listed_and_there, table_of
from osteon.cohort.table import Description
from osteon.cohort.tabular import read_tabular

__all__ = ["is_here", "read"]

PARTS = ("train", "valid")
LABELS = ("negative", "positive")
DESCRIPTION = Description(
    "MURA v1.1", labels=LABELS, site_is="", source="Rajpurkar and others 2018, arXiv 1712.06957",
    notes=("the label is the study's: average over its images", "no site: no study of sites"),
)  # fmt: skip


def is_here(folder: Path) -> bool:
    """Whether a folder, or MURA-v1.1 in it, holds the lists of images."""
    return any((_root(folder) / f"{part}_image_paths.csv").is_file() for part in PARTS)


def read(folder: Path, table: Path | None = None) -> Found:  # noqa: ARG001 every reader takes one
    """MURA in a folder; raises NotThisDataSet where neither list of images is there."""
    root = _root(folder)
    if not is_here(folder):
        raise NotThisDataSet(f"{folder.name} has no train_image_paths.csv and no valid_image_paths.csv")
    problems: list[Problem] = []
    rows = []
    for part in PARTS:
        listing = root / f"{part}_image_paths.csv"
        if not listing.is_file():
            problems.append(Problem("missing", listing.name, says="this list of images is not there",
                                    way_out="copy it from the source; its images are left out"))  # fmt: skip
            continue
        told = _told_labels(root / f"{part}_labeled_studies.csv", problems)
        listed = {path: line for line, path in _paths(listing)}
        there = list(files_below(root / part, ".png")) if (root / part).is_dir() else []
        problems += listed_and_there(listed, (f"{part}/{path}" for path in there), listing.name)
        for path, line in listed.items():
            try:
                rows.append(_row(path, told, listing.name, line, problems))
            except ValueError:
                problems.append(Problem("contradiction", listing.name, line, "this path is not laid out as MURA's",
                                        "expected: <part>/XR_<body part>/patient…/study…_…/image….png"))  # fmt: skip
    return Found(table_of(rows), DESCRIPTION, root, problems)


def _root(folder: Path) -> Path:
    return folder / "MURA-v1.1" if (folder / "MURA-v1.1").is_dir() else folder


def _paths(listing: Path) -> Iterator[tuple[int, str]]:
    """Line and path, relative to the data set; the lists write them from the folder above."""
    for line, path in enumerate(listing.read_text(encoding="utf-8-sig").splitlines(), 1):
        if path.strip() and not PurePosixPath(path.strip()).name.startswith("._"):
            yield line, path.strip().removeprefix("MURA-v1.1/")


def _told_labels(path: Path, problems: list[Problem]) -> dict[str, str]:
    """Study to label, as the list of studies tells."""
    if not path.is_file():
        problems.append(Problem("missing", path.name, says="this list of labels is not there",
                                way_out="labels are taken from the names of folders"))  # fmt: skip
        return {}
    table = read_tabular(path, has_header=False).table
    return {
        str(study).rstrip("/").removeprefix("MURA-v1.1/"): LABELS[int(label)]
        for study, label in table.select("column_1", "column_2").iter_rows()
        if label in (0, 1)
    }


def _row(path: str, told: dict[str, str], listing: str, line: int, problems: list[Problem]) -> dict[str, object]:
    part, region, patient, study, _ = PurePosixPath(path).parts
    by_name = study.rpartition("_")[2]
    label = told.get(str(PurePosixPath(path).parent), by_name if by_name in LABELS else None)
    if by_name in LABELS and label != by_name:
        problems.append(Problem("contradiction", listing, line, f"the studies' list says {label}, the folder {by_name}",
                                "the list counts; compare with the source"))  # fmt: skip
    return {
        "case": path.removesuffix(".png"),
        "patient": patient,
        "study": f"{patient}/{region}/{study}",
        "label": label,
        "modality": "CR",
        "body_part": region.removeprefix("XR_"),
        "path": path,
        "fold": part,
    }

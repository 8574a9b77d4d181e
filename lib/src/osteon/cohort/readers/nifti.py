"""Any folder of NIfTI files with a table of subjects: `participants.tsv` of BIDS, or a table of one's own.

A file belongs to the subject whose id is a part of its path, as in `sub-01/anat/sub-01_T1w.nii.gz`. Files that by
their name are masks (`seg`, `mask`, `label`), or lie in a folder of masks (`labelsTr`, `masks`), are no cases. A table
that names files is read as a manifest.
"""

import re
from dataclasses import replace
from pathlib import Path

import polars as pl

from osteon.cohort.column_map import ColumnMap, guess, labels_of, mapped, not_understood
from osteon.cohort.picture import VOLUMES
from osteon.cohort.problem import Problem
from osteon.cohort.readers import manifest
from osteon.cohort.readers.found import Found, NotThisDataSet, agreed, composed, files_below, table_of
from osteon.cohort.table import SCHEMA, Description
from osteon.cohort.tabular import Tabular

__all__ = ["is_here", "read", "with_map"]

MASK = re.compile(r"(^|[^a-z])(seg|mask|label|labels|segmentation|brainmask|lesion)([^a-z]|$)", re.IGNORECASE)

# A folder counts by its whole name, so that a class `lesion` beside a class `normal` stays a class.
MASKS = re.compile(
    r"(labels?|masks?|segs?|segmentations?|annotations?|ground_?truth)(tr|ts|va|val|test)?", re.IGNORECASE
)


def is_here(folder: Path) -> bool:
    """Whether there are NIfTI files, and a table beside them."""
    return manifest.is_here(folder) and next(files_below(folder, *VOLUMES), None) is not None


def read(folder: Path, table: Path | None = None) -> Found:
    """The volumes of the subjects that a table names; raises NotThisDataSet without files, table or subjects in it."""
    path = manifest.the_table(folder, table)
    tabular = manifest.opened(path)
    return with_map(folder, tabular, path.name, guess(tabular.table))


def with_map(folder: Path, tabular: Tabular, table_name: str, known: ColumnMap) -> Found:
    """As `read`, with the columns of a table by a map."""
    if "path" in known.columns:
        return manifest.from_table(folder, table_name, tabular, known)
    if "patient" not in known.columns:
        raise NotThisDataSet(f"no column of {table_name} names subjects or files: say which with --map patient=…")
    subjects = mapped(tabular.table, known)
    files = [name for name in files_below(folder, *VOLUMES) if not _is_mask(name)]
    if not files:
        raise NotThisDataSet(f"{folder.name} holds no .nii and no .nii.gz")
    rows: list[dict[str, object]] = []
    problems = not_understood(tabular.table, known, table_name, tabular.first_line)
    by_part: dict[str, list[str]] = {}
    for name in files:
        for part in _parts(name):
            by_part.setdefault(part, []).append(name)
    taken: set[str] = set()
    told = {row["patient"]: row for row in agreed(subjects, "patient").iter_rows(named=True)}
    seen: set[str] = set()
    for line, patient in enumerate(subjects["patient"], tabular.first_line):
        ids = composed(str(patient)).lower()
        own = by_part.get(ids) or by_part.get(f"sub-{ids}") or []
        if not own:
            problems.append(Problem("missing", table_name, line, "no file has this subject in its path",
                                    "copy the subject's files, or remove the line"))  # fmt: skip
        elif ids in seen:  # of several visits, perhaps: which line speaks of which file is not known
            says = "the subject stands in several lines; what differs between them is left out"
            way_out = "keep one line for each, or name files in a column of the table"
            problems.append(Problem("twice", table_name, line, says, way_out))
            continue
        seen.add(ids)
        taken |= set(own)
        rows += [{**told[patient], "case": _case(name), "path": name, "modality": "MR"} for name in own]
    problems += [
        Problem("not-listed", name, says=f"{table_name} does not name this subject", way_out="add a line for it")
        for name in sorted(set(files) - taken)
    ]
    described = Description(
        folder.name,
        labels=labels_of(known),
        source=f"{table_name} ({tabular.understood_as})",
    )
    described = described if "site" in known.columns else replace(described, site_is="")
    found = table_of(rows)
    return Found(found.select(*SCHEMA, pl.exclude(*SCHEMA)), described, folder, problems, names_people=True)


def _is_mask(name: str) -> bool:
    path = Path(name)
    return bool(MASK.search(path.name.split(".")[0])) or any(MASKS.fullmatch(part) for part in path.parts[:-1])


def _parts(name: str) -> set[str]:
    """What an id in a path may be: a folder, or what stands before a mark in the file's name."""
    path = Path(composed(name))
    stem = path.name.split(".")[0]
    starts = {stem[: mark.start()] for mark in re.finditer(r"[_\-]", stem)}
    return {part.lower() for part in (*path.parts[:-1], stem, *starts) if part}


def _case(name: str) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", name, flags=re.IGNORECASE)

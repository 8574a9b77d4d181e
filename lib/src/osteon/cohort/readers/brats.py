"""BraTS 2021 to 2023 (brain tumours, four sequences and a mask), and FeTS 2022 with its institutions.

    BraTS2021_00000/BraTS2021_00000_{flair,t1,t1ce,t2,seg}.nii.gz
    FeTS2022_00000/FeTS2022_00000_{flair,t1,t1ce,t2,seg}.nii.gz        partitioning_1.csv: Partition_ID, Subject_ID
    BraTS-GLI-00000-000/BraTS-GLI-00000-000-{t2f,t1n,t1c,t2w,seg}.nii.gz   the last number is the visit

A row is a subject's visit: `path` is the contrast-enhanced T1, and `path_t1`, `path_t2`, `path_flair`, `path_seg` the
others. BraTS itself tells no institution: without the partitioning of FeTS there is no site, and no study of sites.
"""

import re
from dataclasses import replace
from pathlib import Path

from osteon.cohort.problem import Problem
from osteon.cohort.readers.found import Found, NotThisDataSet, files_below, needed_table, table_of
from osteon.cohort.table import Description

__all__ = ["is_here", "read"]

FILE = re.compile(
    r"(?P<subject>(?:BraTS\d{4}|FeTS\d{4})_\d+|BraTS-[A-Z]+-\d+-\d+)[_-]"
    r"(?P<sequence>flair|t1ce|t1|t2|t1n|t1c|t2w|t2f|seg)\.nii(?:\.gz)?$",
    re.IGNORECASE,
)
SEQUENCES = {"t1ce": "path", "t1c": "path", "t1": "path_t1", "t1n": "path_t1", "t2": "path_t2", "t2w": "path_t2",
             "flair": "path_flair", "t2f": "path_flair", "seg": "path_seg"}  # fmt: skip
NEEDED = {"path": "the contrast-enhanced T1", "path_t1": "T1", "path_t2": "T2", "path_flair": "FLAIR"}
DESCRIPTION = Description(
    "BraTS", labels=(), site_is="", source="Baid and others 2021, arXiv 2107.02314",
    notes=("aligned, skull removed, 1 mm", "no site: no study of sites",
           "enhancing tumour is 4 in masks to 2021, then 3"),
)  # fmt: skip


def is_here(folder: Path) -> bool:
    """Whether a subject's folder lies in this one, at most two below."""
    return any(FILE.search(path.name) for depth in ("*", "*/*", "*/*/*") for path in folder.glob(f"{depth}.nii*"))


def read(folder: Path, table: Path | None = None) -> Found:
    """The subjects in a folder; `table` is a partitioning, else `partitioning_1.csv` is looked for.

    Raises NotThisDataSet where there is no subject, or the partitioning has not its two columns.
    """
    visits: dict[str, dict[str, object]] = {}
    for path in files_below(folder, ".nii", ".nii.gz"):
        if named := FILE.search(Path(path).name):
            visits.setdefault(named["subject"], {})[SEQUENCES[named["sequence"].lower()]] = path
    if not visits:
        raise NotThisDataSet(f"{folder.name} holds no BraTS2021_…, BraTS-GLI-… or FeTS2022_… with NIfTI files")
    partitioning = table or next((path for path in sorted(folder.rglob("partitioning_1.csv"))), None)
    sites, problems = _institutions(partitioning, visits) if partitioning else ({}, [])
    rows: list[dict[str, object]] = []
    for subject, files in sorted(visits.items()):
        missing = [says for column, says in NEEDED.items() if column not in files]
        if missing:
            problems.append(Problem("missing", subject, says=f"no {' and no '.join(missing)}",
                                    way_out="copy the subject from the source again"))  # fmt: skip
        rows.append(
            {
                "case": subject,
                "patient": subject.rpartition("-")[0] if subject.startswith("BraTS-") else subject,
                "study": subject,
                "site": sites.get(subject),
                "modality": "MR",
                "body_part": "BRAIN",
                **dict.fromkeys((*NEEDED, "path_seg")),
                **files,
            }
        )
    described = replace(
        DESCRIPTION, name="FeTS", site_is="hospital", notes=DESCRIPTION.notes[:1] + DESCRIPTION.notes[2:]
    )
    return Found(table_of(rows), described if sites else DESCRIPTION, folder, problems)


def _institutions(path: Path, visits: dict[str, dict[str, object]]) -> tuple[dict[str, str], list[Problem]]:
    tabular = needed_table(path, "Partition_ID", "Subject_ID")
    sites: dict[str, str] = {}
    problems = []
    pairs = tabular.table.select("Partition_ID", "Subject_ID").iter_rows()
    for line, (partition, subject) in enumerate(pairs, tabular.first_line):
        if subject not in visits:
            problems.append(Problem("missing", path.name, line, f"there is no folder of {subject}",
                                    "copy the subject from the source, or remove the line"))  # fmt: skip
        elif subject in sites:
            problems.append(Problem("twice", path.name, line, f"{subject} has an institution already",
                                    "keep one of the two lines; the first counts"))  # fmt: skip
        else:
            sites[str(subject)] = f"institution-{partition}"
    problems += [
        Problem("no-site", path.name, says=f"{subject} has no institution", way_out="add a line for it")
        for subject in sorted(set(visits) - set(sites))
    ]
    return sites, problems

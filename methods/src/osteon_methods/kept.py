"""What is made of each row of a plan, kept on disk between runs, since rendering costs more than training.

The name of the file follows from what made it: the rows, and the code that decides what they look like.
"""

import hashlib
import inspect
import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from osteon import imaging, phantom
from osteon.phantom.plan import Row

__all__ = ["default_cache", "kept", "rows_digest"]

Arrays = tuple[npt.NDArray[Any], ...]


def default_cache() -> Path:
    """Where arrays are kept between runs; safe to delete."""
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "osteon" / "training-sets"


def rows_digest(rows: Sequence[Row]) -> str:
    """SHA-256 over the rows of a plan: what a card's cohort names."""
    return hashlib.sha256(json.dumps([asdict(row) for row in rows], sort_keys=True, default=str).encode()).hexdigest()


def kept(
    rows: Sequence[Row],
    make: Callable[[Row], Arrays],
    cache: Path,
    *,
    n_processes: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Arrays:
    """The arrays that `make` gives of each row, each stacked in the order of the rows, from `cache` if they were made
    before.

    `make` is a function of a module, so that other processes find it. Code that matters to what it gives lies in its
    module, in `osteon.phantom` or in `osteon.imaging`; `progress` is called with (rows done, rows in all).
    """
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{rows_digest(rows)[:16]}-{_recipe_digest(make)[:16]}.npz"
    if not path.exists():
        made: list[Arrays] = []
        context = multiprocessing.get_context("forkserver")
        with ProcessPoolExecutor(n_processes, context, threadpool_limits, (1,)) as pool:
            for arrays in pool.map(make, rows, chunksize=8):
                made.append(arrays)
                if progress is not None:
                    progress(len(made), len(rows))
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, *(np.stack(one) for one in zip(*made, strict=True)))
        partial.rename(path)
    with np.load(path) as found:
        return tuple(found[f"arr_{number}"] for number in range(len(found.files)))


def _recipe_digest(make: Callable[[Row], Arrays]) -> str:
    """SHA-256 over the source code and the tables that decide what a row comes to."""
    digest = hashlib.sha256(make.__qualname__.encode() + Path(inspect.getfile(make)).read_bytes())
    for package in (phantom, imaging):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.read_bytes())
    return digest.hexdigest()

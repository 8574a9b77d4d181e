"""Opens every file of a table once, in parallel: sizes, spacing and hashes; and what can't be read, as problems."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from osteon.cohort.picture import Measured, Unreadable, measure_bytes
from osteon.cohort.problem import Problem
from osteon.errors import Poison

__all__ = ["FIX", "Bytes", "file_bytes", "measured"]

Bytes = Callable[[str], bytes]  # the content at a path or reference of a table; raises OSError or Unreadable
SAME_LENGTH = 0.01  # of a length: what tables round off
BATCH = 512  # results in memory at once, beside the files that are just being read
COLUMNS: dict[str, type[pl.DataType]] = {
    "spacing_z_mm": pl.Float64, "spacing_y_mm": pl.Float64, "spacing_x_mm": pl.Float64,
    "depth": pl.Int32, "height": pl.Int32, "width": pl.Int32, "sha256": pl.String, "pixels_sha256": pl.String,
}  # fmt: skip
MEASURES = ("spacing_z_mm", "spacing_y_mm", "spacing_x_mm", "depth", "height", "width")
FIX = "mend or remove the file, or take its row out of the table"


def file_bytes(folder: Path) -> Bytes:
    """Reads files by their paths, relative to a folder."""
    return lambda path: (folder / path).read_bytes()


def measured(
    table: pl.DataFrame,
    read: Bytes,
    *,
    has_pixels_read: bool = True,
    spacing_rule: str = "",
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[pl.DataFrame, list[Problem]]:
    """The table with what its files tell where it says nothing itself, and a problem for each file that can't be read.

    `has_pixels_read` decodes them too, for `pixels_sha256`; `progress` is called with the number of files done.
    """
    if "path" not in table.columns:
        return table, []
    found: list[tuple[object, ...]] = []
    problems = []
    for line, path, result in _results(table["path"], read, has_pixels_read, spacing_rule):
        if isinstance(result, Measured):
            spacing = result.spacing_mm or (None, None, None)
            pixels = result.pixels_sha256 or None
            found.append((*spacing, result.depth, result.height, result.width, result.sha256, pixels))
        else:
            found.append((None,) * len(COLUMNS))
            if result:
                kind = "missing" if result == "there is no such file" else "unreadable"
                problems.append(Problem(kind, path, says=result, way_out=FIX))
        progress(line)
    told = pl.DataFrame(found, schema={f"{name} told": dtype for name, dtype in COLUMNS.items()}, orient="row")
    joined = pl.concat([table, told], how="horizontal")
    problems += _contradicted(joined)
    merged = {
        name: pl.coalesce(name, f"{name} told") if name in table.columns else pl.col(f"{name} told") for name in COLUMNS
    }
    return joined.with_columns(**merged).drop(told.columns), problems


def _contradicted(joined: pl.DataFrame) -> list[Problem]:
    """Files that tell another size or spacing than the table does; of pictures only a rule for all tells a spacing."""
    problems = []
    is_picture = pl.col("path").str.to_lowercase().str.contains(r"\.(png|tiff?|jpe?g)$")
    for name in (one for one in MEASURES if one in joined.columns):
        ours, theirs = pl.col(name), pl.col(f"{name} told")
        differs = (ours - theirs).abs() > SAME_LENGTH * theirs if name.startswith("spacing") else ours != theirs
        spoken = ~is_picture if name.startswith("spacing") else pl.lit(value=True)
        says = f"the table's {name} is not that of the file; the table counts"
        for path in joined.filter((differs & spoken).fill_null(value=False))["path"]:
            problems.append(
                Problem("contradiction", path, says=says, way_out="mend the table, or leave the column out")
            )
    return problems


def _results(
    paths: pl.Series, read: Bytes, has_pixels_read: bool, spacing_rule: str
) -> Iterator[tuple[int, str, Measured | str]]:
    def work(path: str | None) -> Measured | str:
        if path is None:
            return ""
        try:
            return measure_bytes(read(path), path, has_pixels_read=has_pixels_read, spacing_rule=spacing_rule)
        except FileNotFoundError:
            return "there is no such file"
        except IsADirectoryError:
            return "it is a folder"
        except OSError as error:
            return f"it can't be opened ({type(error).__name__})"
        except (Unreadable, Poison) as error:
            return str(error)

    line = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), BATCH):
            batch = paths[start : start + BATCH].to_list()
            for path, result in zip(batch, pool.map(work, batch), strict=True):
                line += 1
                yield line, path or "", result

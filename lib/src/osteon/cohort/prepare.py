"""Aligned, deduplicated 16-bit crops in WebDataset shards: 500,000 files are no way to train.

    OUT/shard-000000.tar    <number>.png (16 bits, grey) and <number>.json for each image
    OUT/shard-000000.json   what the shard was made of: its digest, counts, and what was left out
    OUT/index.json          all shards, once all are there

OUT is a folder, or `s3://bucket/prefix`. Which image goes into which shard follows from table, seed and size of shards
alone; a shard that is there and was made of the same is not made again, so that a run that was ended goes on.
A crop is the reference geometry of `osteon.imaging.geometry`; its values are stored linearly between `low` and `high`.
"""

import hashlib
import io
import json
import multiprocessing
import os
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import polars as pl

from osteon.cohort.measure import Bytes
from osteon.cohort.picture import Unreadable, image_of
from osteon.errors import OsteonError, Poison
from osteon.imaging.geometry import Geometry, to_reference
from osteon.store import Store

__all__ = ["FolderBytes", "Prepared", "Shelf", "prepare", "shelf"]

TOLD = ("case", "patient", "study", "site", "node", "vendor", "family", "label", "view", "side", "body_part",
        "hardware", "days_from_index", "fold", "pixels_sha256")  # fmt: skip
NEEDED = ("path", "spacing_y_mm", "spacing_x_mm", "photometric")
SHARD_TYPE, JSON_TYPE = "application/x-tar", "application/json"
VERSION = 1  # of what is written: another one makes all shards again


@dataclass(frozen=True)
class FolderBytes:
    """Reads files below a folder; can be sent to another process."""

    folder: Path

    def __call__(self, path: str) -> bytes:
        """The content of a file."""
        return (self.folder / path).read_bytes()


@dataclass(frozen=True)
class Shelf:
    """Where shards go: a folder, or a bucket and prefix of a store."""

    folder: Path | None = None
    store: Store | None = None
    bucket: str = ""
    prefix: str = ""

    def put(self, name: str, data: bytes, media_type: str) -> None:
        """Whole or not at all."""
        if self.store is not None:
            self.store.put_named(self.bucket, self.prefix + name, data, media_type)
            return
        assert self.folder is not None
        fresh = self.folder / f".{name}.part"
        fresh.write_bytes(data)
        fresh.replace(self.folder / name)

    def note(self, name: str) -> dict[str, Any] | None:
        """The JSON that was put under a name, if it is there."""
        try:
            if self.store is not None:
                text = self.store.get_named(self.bucket, self.prefix + name)
            else:
                assert self.folder is not None
                text = (self.folder / name).read_bytes()
            note: dict[str, Any] = json.loads(text)
        except (FileNotFoundError, ValueError, Poison):
            return None
        return note


@dataclass(frozen=True)
class Prepared:
    """What came out: `made` shards of `shards` now, images written in all, copies and unreadable ones left out."""

    shards: int
    made: int
    images: int
    copies: int
    left_out: int


def shelf(out: str, connect: Callable[[], Store]) -> Shelf:
    """Where `out` is: `s3://bucket/prefix` in the store that `connect` reaches, or a folder, which is made.

    Raises OsteonError for an address of another kind.
    """
    if out.startswith("s3://"):
        bucket, _, prefix = out.removeprefix("s3://").partition("/")
        return Shelf(store=connect(), bucket=bucket, prefix=prefix.rstrip("/") + "/" if prefix else "")
    if "://" in out:
        raise OsteonError("shards go to a folder, or to s3://bucket/prefix")
    Path(out).mkdir(parents=True, exist_ok=True)
    return Shelf(folder=Path(out))


def prepare(
    table: pl.DataFrame,
    read: Bytes,
    out: Shelf,
    *,
    geometry: Geometry | None = None,
    images_per_shard: int = 1000,
    seed: int = 0,
    processes: int = 0,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> Prepared:
    """Writes the radiographs of a table as shards, in an order drawn by `seed`; `progress` gets images done and in all.

    Of images with the same pixels the first by name is taken. What can't be read is left out and told in its shard's
    note. `read` runs in other processes where it is a `FolderBytes`, else in threads. Raises OsteonError where there is
    nothing to prepare.
    """
    geometry = geometry or Geometry()
    wanted, copies = _wanted(table, seed)
    if not len(wanted):
        raise OsteonError("the table names no image to prepare")
    lots = [wanted[start : start + images_per_shard] for start in range(0, len(wanted), images_per_shard)]
    notes: dict[int, dict[str, Any]] = {}
    todo = []
    for number, lot in enumerate(lots):
        note = out.note(f"shard-{number:06d}.json")
        if note is not None and note.get("made_of") == _digest(lot, geometry):
            notes[number] = note
        else:
            todo.append(number)
    done = sum(int(note["images"]) + len(note["left_out"]) for note in notes.values())
    progress(done, len(wanted))
    for number, data, note in _made(todo, lots, read, geometry, processes):
        name = f"shard-{number:06d}"
        out.put(f"{name}.tar", data, SHARD_TYPE)
        out.put(f"{name}.json", json.dumps(note, indent=1).encode(), JSON_TYPE)
        notes[number] = note
        done += len(lots[number])
        progress(done, len(wanted))
    listed = [{"name": f"shard-{number:06d}.tar", **{key: notes[number][key] for key in ("sha256", "images", "bytes")}}
              for number in sorted(notes)]  # fmt: skip
    prepared = Prepared(
        len(lots), len(todo), sum(int(note["images"]) for note in notes.values()), copies,
        sum(len(note["left_out"]) for note in notes.values()),
    )  # fmt: skip
    index = {"version": VERSION, "geometry": asdict(geometry), "seed": seed, **asdict(prepared), "shards": listed}
    out.put("index.json", json.dumps(index, indent=1).encode(), JSON_TYPE)
    return prepared


def _wanted(table: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, int]:
    """One row for each picture, with what is told of it, in a drawn order; and how many copies were dropped."""
    columns = [name for name in (*TOLD, *NEEDED) if name in table.columns]
    rows = table.select(columns).filter(pl.col("path").is_not_null()).sort("case")
    is_first = pl.col("pixels_sha256").is_null() | pl.int_range(pl.len()).over("pixels_sha256").eq(0)
    firsts = rows.filter(is_first)
    # Sorted by a hash of the name, not shuffled: a case that is added moves others by one place at most.
    drawn = [hashlib.sha256(f"{seed}/{case}".encode()).hexdigest() for case in firsts["case"]]
    return firsts.with_columns(_drawn=pl.Series(drawn)).sort("_drawn").drop("_drawn"), len(rows) - len(firsts)


def _made(
    todo: list[int], lots: list[pl.DataFrame], read: Bytes, geometry: Geometry, processes: int
) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    """Each shard as it is finished, in order; no more at once than there are workers, so that memory is bounded."""
    n_workers = processes or os.cpu_count() or 1
    if n_workers == 1:
        for number in todo:
            yield (number, *_shard(lots[number].to_dicts(), _digest(lots[number], geometry), read, geometry))
        return
    with _pool(read, n_workers) as pool:
        waiting: list[tuple[int, Future[tuple[bytes, dict[str, Any]]]]] = []
        for number in todo:
            made_of = _digest(lots[number], geometry)
            waiting.append((number, pool.submit(_shard, lots[number].to_dicts(), made_of, read, geometry)))
            if len(waiting) >= n_workers:
                first, future = waiting.pop(0)
                yield (first, *future.result())
        for first, future in waiting:
            yield (first, *future.result())


def _pool(read: Bytes, n_workers: int) -> Executor:
    if isinstance(read, FolderBytes):
        return ProcessPoolExecutor(n_workers, multiprocessing.get_context("spawn"))
    return ThreadPoolExecutor(n_workers)


def _digest(lot: pl.DataFrame, geometry: Geometry) -> str:
    """What a shard is made of: version, geometry, and all that is told of its images."""
    told = json.dumps([VERSION, asdict(geometry), lot.columns])
    return hashlib.sha256(told.encode() + lot.write_csv().encode()).hexdigest()


def _shard(rows: list[dict[str, Any]], made_of: str, read: Bytes, geometry: Geometry) -> tuple[bytes, dict[str, Any]]:
    """The bytes of one shard, the same each time, and its note."""
    left_out = []
    n_images = 0
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number, row in enumerate(rows):
            try:
                png, told = _sample(row, read, geometry)
            except (Unreadable, OSError, ValueError) as error:
                why = str(error) if isinstance(error, Unreadable) else f"can't be read ({type(error).__name__})"
                left_out.append({"case": row["case"], "why": why})
                continue
            for ending, content in (("png", png), ("json", json.dumps(told).encode())):
                entry = tarfile.TarInfo(f"{number:06d}.{ending}")  # no time, no owner: the same bytes each time
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            n_images += 1
    data = buffer.getvalue()
    note = {"made_of": made_of, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "images": n_images,
            "left_out": left_out}  # fmt: skip
    return data, note


def _sample(row: dict[str, Any], read: Bytes, geometry: Geometry) -> tuple[bytes, dict[str, Any]]:
    """One crop as a 16-bit PNG, and what is told of it."""
    known = row["spacing_y_mm"] is not None and row["spacing_x_mm"] is not None
    spacing = (row["spacing_y_mm"], row["spacing_x_mm"]) if known else None
    is_inverted = str(row.get("photometric") or "").upper() == "MONOCHROME1"
    crop = to_reference(image_of(read(row["path"]), row["path"], spacing, is_inverted=is_inverted), geometry).pixels
    low, high = float(crop.min()), float(crop.max())
    scaled = (crop - low) * (65535 / (high - low)) if high > low else np.zeros_like(crop)
    buffer = io.BytesIO()
    # Level 1: a third larger than the best, in a tenth of its time.
    PIL.Image.fromarray(np.round(scaled).astype(np.uint16)).save(buffer, "PNG", compress_level=1)
    told = {name: row[name] for name in TOLD if row.get(name) is not None}
    return buffer.getvalue(), {**told, "low": low, "high": high, "spacing_mm": geometry.spacing_mm}

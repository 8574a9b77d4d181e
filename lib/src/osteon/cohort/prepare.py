"""Aligned, deduplicated 16-bit crops in WebDataset shards: 500,000 files are no way to train.

    OUT/shard-000000.tar    <number>.png (16 bits, grey) and <number>.json for each image
    OUT/shard-000000.json   what the shard was made of: its digest, counts, and what was left out
    OUT/index.json          all shards, once all are there

OUT is a folder, or `s3://bucket/prefix`. Which image goes into which shard follows from table, seed and size of shards
alone; a shard that is there and was made of the same is not made again, so that a run that was ended goes on. One that
lacks files that could not be opened is made again, and those of an earlier, larger run are removed.
A crop is the reference geometry of `osteon.imaging.geometry`; its values are stored linearly between `low` and `high`.
"""

import hashlib
import io
import json
import multiprocessing
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import PIL.Image
import polars as pl

from osteon.cohort.measure import Bytes
from osteon.cohort.picture import Unreadable, image_of
from osteon.cohort.stored_bytes import FolderBytes
from osteon.contracts import ObjectRef
from osteon.errors import OsteonError, Poison
from osteon.imaging.geometry import Geometry, to_reference
from osteon.store import Store

__all__ = ["Prepared", "Shelf", "prepare", "shelf"]

TOLD = ("case", "patient", "study", "site", "node", "vendor", "family", "label", "view", "side", "body_part",
        "hardware", "days_from_index", "fold", "pixels_sha256")  # fmt: skip
NEEDED = ("path", "spacing_y_mm", "spacing_x_mm", "photometric")
SHARD_TYPE, JSON_TYPE = "application/x-tar", "application/json"
VERSION = 1  # of what is written: another one makes all shards again


@dataclass(frozen=True)
class Shelf:
    """Where shards go: a folder, or a bucket and prefix of a store."""

    folder: Path | None = None
    store: Store | None = None
    bucket: str = ""
    prefix: str = ""

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """A folder for files that are not finished: where they will lie, or on this machine."""
        if self.folder is not None:
            yield self.folder
            return
        with TemporaryDirectory(prefix="osteon-shards-") as folder:
            yield Path(folder)

    def put(self, name: str, data: bytes, media_type: str) -> None:
        """Whole or not at all."""
        if self.store is not None:
            self.store.put_named(self.bucket, self.prefix + name, data, media_type)
            return
        assert self.folder is not None
        fresh = self.folder / f".{name}.part"
        fresh.write_bytes(data)
        fresh.replace(self.folder / name)

    def take(self, name: str, finished: Path, media_type: str) -> None:
        """A file of the workplace, whole or not at all; it is gone from there then."""
        if self.folder is not None:
            finished.replace(self.folder / name)
            return
        self.put(name, finished.read_bytes(), media_type)
        finished.unlink()

    def names(self, beginning: str) -> list[str]:
        """Of all that lies there what begins so."""
        if self.folder is not None:
            return [path.name for path in self.folder.glob(f"{beginning}*")]
        assert self.store is not None
        return [one.key.removeprefix(self.prefix) for one in self.store.list(self.bucket, self.prefix + beginning)]

    def remove(self, name: str) -> None:
        """What was put under a name; safe to repeat."""
        if self.store is not None:
            self.store.delete(ObjectRef(bucket=self.bucket, key=self.prefix + name))
            return
        assert self.folder is not None
        (self.folder / name).unlink(missing_ok=True)

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
    """What came out: `made` shards of `shards` now, images written in all; left out are copies, pictures whose copies
    have different labels, and what can't be read. `first_trouble` says why the first of those can't, if any."""

    shards: int
    made: int
    images: int
    copies: int
    contradicted: int
    left_out: int
    first_trouble: str = ""


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

    Of images with the same pixels the first by name is taken that has a label, and none where their labels differ. What
    can't be read is left out and told in its shard's note. A shard is written to disk as it is made; on its way to a
    store one at a time is in memory. Shards that an earlier run of more images left there are removed: a loader takes
    all that lie there. `read` runs in other processes where it is a `FolderBytes`, else in threads.
    Raises OsteonError where there is nothing to prepare.
    """
    geometry = geometry or Geometry()
    wanted, copies, contradicted = _wanted(table, seed)
    if not len(wanted):
        trouble = "the labels of copies contradict each other in all of them" if contradicted else "there is none"
        raise OsteonError(f"the table names no image to prepare: {trouble}")
    lots = [wanted[start : start + images_per_shard] for start in range(0, len(wanted), images_per_shard)]
    notes: dict[int, dict[str, Any]] = {}
    todo = []
    for number, lot in enumerate(lots):
        note = out.note(f"shard-{number:06d}.json")
        is_made = note is not None and note.get("made_of") == _digest(lot, geometry)
        if note is not None and is_made and not any(one.get("may_pass") for one in note["left_out"]):
            notes[number] = note
        else:
            todo.append(number)
    done = sum(int(note["images"]) + len(note["left_out"]) for note in notes.values())
    progress(done, len(wanted))
    with out.workplace() as workplace:
        for number, note in _made(todo, lots, _Work(read, geometry, workplace), processes):
            out.take(f"{_name(number)}.tar", workplace / f".{_name(number)}.part", SHARD_TYPE)
            out.put(f"{_name(number)}.json", json.dumps(note, indent=1).encode(), JSON_TYPE)
            notes[number] = note
            done += len(lots[number])
            progress(done, len(wanted))
    _remove_beyond(len(lots), out)
    listed = [{"name": f"{_name(number)}.tar", **{key: notes[number][key] for key in ("sha256", "images", "bytes")}}
              for number in sorted(notes)]  # fmt: skip
    troubles = [one["why"] for number in sorted(notes) for one in notes[number]["left_out"]]
    n_images = sum(int(note["images"]) for note in notes.values())
    prepared = Prepared(
        len(lots), len(todo), n_images, copies, contradicted, len(troubles), troubles[0] if troubles else ""
    )
    index = {"version": VERSION, "geometry": asdict(geometry), "seed": seed, **asdict(prepared), "shards": listed}
    out.put("index.json", json.dumps(index, indent=1).encode(), JSON_TYPE)
    return prepared


def _wanted(table: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, int, int]:
    """One row for each picture, with what is told of it, in a drawn order; how many copies were dropped, and how many
    rows since copies of them have another label."""
    columns = [name for name in (*TOLD, *NEEDED) if name in table.columns]
    rows = table.select(columns).filter(pl.col("path").is_not_null()).sort(pl.col("label").is_null(), "case")
    has_hash = pl.col("pixels_sha256").is_not_null()
    one_label = pl.col("label").drop_nulls().n_unique().over("pixels_sha256") <= 1
    sound = rows.filter(~has_hash | one_label)
    firsts = sound.filter(~has_hash | pl.int_range(pl.len()).over("pixels_sha256").eq(0))
    # Sorted by a hash of the name, not shuffled: a case that is added moves others by one place at most.
    drawn = [hashlib.sha256(f"{seed}/{case}".encode()).hexdigest() for case in firsts["case"]]
    firsts = firsts.with_columns(_drawn=pl.Series(drawn, dtype=pl.String)).sort("_drawn").drop("_drawn")
    return firsts, len(sound) - len(firsts), len(rows) - len(sound)


def _remove_beyond(n_shards: int, out: Shelf) -> None:
    """Removes shards with a number of `n_shards` or more, and their notes."""
    numbered = {name: re.fullmatch(r"shard-(\d{6,})\.(tar|json)", name) for name in out.names("shard-")}
    for name in sorted(name for name, parts in numbered.items() if parts and int(parts[1]) >= n_shards):
        out.remove(name)


def _name(number: int) -> str:
    return f"shard-{number:06d}"


def _made(
    todo: list[int], lots: list[pl.DataFrame], work: "_Work", processes: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The note of each shard as it is finished, in order; no more at once than there are workers."""
    n_workers = processes or os.cpu_count() or 1
    if n_workers == 1:
        for number in todo:
            yield number, work(number, lots[number].to_dicts(), _digest(lots[number], work.geometry))
        return
    with _pool(work.read, n_workers) as pool:
        waiting: list[tuple[int, Future[dict[str, Any]]]] = []
        for number in todo:
            made_of = _digest(lots[number], work.geometry)
            waiting.append((number, pool.submit(work, number, lots[number].to_dicts(), made_of)))
            if len(waiting) >= n_workers:
                first, future = waiting.pop(0)
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def _pool(read: Bytes, n_workers: int) -> Executor:
    if isinstance(read, FolderBytes):
        return ProcessPoolExecutor(n_workers, multiprocessing.get_context("spawn"))
    return ThreadPoolExecutor(n_workers)


def _digest(lot: pl.DataFrame, geometry: Geometry) -> str:
    """What a shard is made of: version, geometry, and all that is told of its images."""
    told = json.dumps([VERSION, asdict(geometry), lot.columns])
    return hashlib.sha256(told.encode() + lot.write_csv().encode()).hexdigest()


@dataclass(frozen=True)
class _Work:
    """Makes a shard in the workplace, the same bytes each time; gives its note."""

    read: Bytes
    geometry: Geometry
    workplace: Path

    def __call__(self, number: int, rows: list[dict[str, Any]], made_of: str) -> dict[str, Any]:
        left_out = []
        path = self.workplace / f".{_name(number)}.part"
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for place, row in enumerate(rows):
                try:
                    png, told = _sample(row, self.read, self.geometry)
                except (Unreadable, Poison, OSError, ValueError) as error:
                    is_said = isinstance(error, Unreadable | Poison)
                    why = str(error) if is_said else f"can't be read ({type(error).__name__})"
                    # A disk may be away: the next run makes the shard again. What a store says is gone, is gone.
                    may_pass = isinstance(error, OSError) and "://" not in row["path"]
                    left_out.append({"case": row["case"], "why": why, "may_pass": may_pass})
                    continue
                for ending, content in (("png", png), ("json", json.dumps(told).encode())):
                    entry = tarfile.TarInfo(f"{place:06d}.{ending}")  # no time, no owner: the same bytes each time
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return {"made_of": made_of, "sha256": sha256, "bytes": path.stat().st_size,
                "images": len(rows) - len(left_out), "left_out": left_out}  # fmt: skip


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

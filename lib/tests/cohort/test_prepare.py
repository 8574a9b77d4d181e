"""Shards: aligned crops, each picture once, the same bytes each time."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import PIL.Image
import polars as pl
import pytest

from osteon.cohort.measure import file_bytes, measured
from osteon.cohort.prepare import Prepared, Shelf, prepare, shelf
from osteon.cohort.stored_bytes import FolderBytes
from osteon.cohort.table import collected, conformed
from osteon.errors import OsteonError, Poison
from osteon.imaging.geometry import Geometry
from osteon.store import MemoryStore

SMALL = Geometry(1.0, 48, 32)


@pytest.fixture
def images(tmp_path: Path) -> tuple[pl.DataFrame, Path]:
    """Seven pictures of an upright bright bar; the last is the first under another name, one is damaged."""
    rng = np.random.default_rng(0)
    for number in range(6):
        pixels = rng.integers(0, 900, (60, 40)).astype(np.uint16)
        pixels[:, 16:22] += 20000
        PIL.Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "6.png").write_bytes((tmp_path / "0.png").read_bytes())
    (tmp_path / "5.png").write_bytes(b"damaged")
    names = [str(number) for number in range(7)]
    rows = pl.DataFrame({"case": names, "patient": names, "label": ["no_fracture"] * 7})
    rows = rows.with_columns(pl.format("c{}", "case").alias("case"), path=pl.format("{}.png", "case"))
    table, _ = measured(collected(conformed(rows)), file_bytes(tmp_path), spacing_rule="1.0")
    return table, tmp_path


def samples(folder: Path) -> dict[str, tuple[bytes, dict[str, object]]]:
    found = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            content = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
        for name in content:
            if name.endswith(".json"):
                told = json.loads(content[name])
                found[str(told["case"])] = (content[name.replace("json", "png")], told)
    return found


def test_each_picture_is_there_once_upright_in_16_bits_with_what_is_told_of_it(
    images: tuple[pl.DataFrame, Path], tmp_path: Path
) -> None:
    table, folder = images

    made = prepare(table, FolderBytes(folder), shelf(str(tmp_path / "out"), MemoryStore), geometry=SMALL,
                   images_per_shard=2, processes=1)  # fmt: skip

    found = samples(tmp_path / "out")
    assert set(found) == {"c0", "c1", "c2", "c3", "c4"}
    assert (made.images, made.copies, made.left_out, made.shards) == (5, 1, 1, 3)
    png, told = found["c1"]
    crop = np.asarray(PIL.Image.open(io.BytesIO(png)))
    assert crop.shape == (48, 32)
    assert (crop.min(), crop.max()) == (0, 65535)
    assert (told["patient"], told["label"], told["spacing_mm"]) == ("1", "no_fracture", 1.0)
    index = json.loads((tmp_path / "out/index.json").read_text())
    assert sum(shard["images"] for shard in index["shards"]) == 5


def test_a_run_that_was_ended_goes_on_and_comes_to_the_same_bytes(
    images: tuple[pl.DataFrame, Path], tmp_path: Path
) -> None:
    table, folder = images
    whole, ended = tmp_path / "whole", tmp_path / "ended"
    prepare(table, FolderBytes(folder), shelf(str(whole), MemoryStore), geometry=SMALL, images_per_shard=2, processes=1)

    class Stopped(Exception):
        pass

    def stop(done: int, _: int) -> None:
        if done >= 2:
            raise Stopped

    with pytest.raises(Stopped):
        prepare(table, FolderBytes(folder), shelf(str(ended), MemoryStore), geometry=SMALL, images_per_shard=2,
                processes=1, progress=stop)  # fmt: skip
    made = prepare(table, FolderBytes(folder), shelf(str(ended), MemoryStore), geometry=SMALL, images_per_shard=2,
                   processes=1)  # fmt: skip

    assert made.made == 2
    assert {path.name: path.read_bytes() for path in ended.glob("*.tar")} == {
        path.name: path.read_bytes() for path in whole.glob("*.tar")
    }
    other = Geometry(2.0, 24, 16)
    again = prepare(table, FolderBytes(folder), shelf(str(ended), MemoryStore), geometry=other, images_per_shard=2,
                    processes=1)  # fmt: skip
    assert again.made == 3  # of another geometry: all made again


def test_of_copies_one_with_a_label_is_taken_and_none_where_labels_contradict_each_other(
    images: tuple[pl.DataFrame, Path], tmp_path: Path
) -> None:
    table, folder = images
    copies = table.filter(pl.col("case").is_in(["c0", "c6"]))

    def labelled(*labels: str | None) -> Prepared:
        rows = copies.with_columns(label=pl.Series(labels, dtype=pl.String))
        rows = pl.concat([rows, table.filter(pl.col("case") == "c1")])
        return prepare(rows, FolderBytes(folder), shelf(str(tmp_path / "out"), MemoryStore), geometry=SMALL,
                       processes=1)  # fmt: skip

    made = labelled(None, "no_fracture")
    assert (made.images, made.copies, made.contradicted) == (2, 1, 0)
    assert set(samples(tmp_path / "out")) == {"c1", "c6"}
    made = labelled("AFF_complete", "no_fracture")
    assert (made.images, made.copies, made.contradicted) == (1, 0, 2)


def test_of_a_larger_run_before_no_shard_is_left(images: tuple[pl.DataFrame, Path], tmp_path: Path) -> None:
    table, folder = images
    store, names = MemoryStore(), {"shard-000000.tar", "shard-000000.json", "index.json"}
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.tar").write_bytes(b"another one's")

    for out in (shelf(str(tmp_path / "out"), MemoryStore), Shelf(store=store, bucket="images", prefix="shards/")):
        for rows in (table.head(5), table.head(2)):
            prepare(rows, FolderBytes(folder), out, geometry=SMALL, images_per_shard=2, processes=1)

    assert {path.name for path in (tmp_path / "out").iterdir()} == names | {"mine.tar"}
    assert {one.key for one in store.list("images")} == {f"shards/{name}" for name in names}


def test_a_corrupt_object_is_left_out_and_told(images: tuple[pl.DataFrame, Path], tmp_path: Path) -> None:
    table, folder = images

    def read(path: str) -> bytes:
        if path == "1.png":
            raise Poison("object-corrupt", "it does not hold the bytes it is named after")
        return file_bytes(folder)(path)

    made = prepare(table.head(3), read, shelf(str(tmp_path / "out"), MemoryStore), geometry=SMALL, processes=1)

    assert (made.images, made.left_out) == (2, 1)
    assert "named after" in made.first_trouble


def test_a_file_that_was_away_is_taken_by_the_next_run(images: tuple[pl.DataFrame, Path], tmp_path: Path) -> None:
    table, folder = images
    out, away = shelf(str(tmp_path / "out"), MemoryStore), folder / "1.png"

    away.rename(tmp_path / "moved")
    first = prepare(table.head(3), FolderBytes(folder), out, geometry=SMALL, images_per_shard=2, processes=1)
    (tmp_path / "moved").rename(away)
    second = prepare(table.head(3), FolderBytes(folder), out, geometry=SMALL, images_per_shard=2, processes=1)

    assert (first.images, first.left_out) == (2, 1)
    assert (second.images, second.made, second.left_out) == (3, 1, 0)


def test_shards_lie_in_object_storage_just_as_on_disk(images: tuple[pl.DataFrame, Path], tmp_path: Path) -> None:
    table, folder = images
    store = MemoryStore()
    there = Shelf(store=store, bucket="images", prefix="shards/")

    prepare(table, file_bytes(folder), there, geometry=SMALL, images_per_shard=4, processes=2)
    prepare(table, FolderBytes(folder), shelf(str(tmp_path / "disk"), MemoryStore), geometry=SMALL, images_per_shard=4,
            processes=1)  # fmt: skip

    names = {one.key for one in store.list("images", "shards/")}
    assert names == {f"shards/{path.name}" for path in (tmp_path / "disk").iterdir()}
    again = prepare(table, file_bytes(folder), there, geometry=SMALL, images_per_shard=4, processes=1)
    assert again.made == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # webdataset leaves its file open
def test_training_reads_the_shards_by_webdataset(images: tuple[pl.DataFrame, Path], tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    table, folder = images
    prepare(table, FolderBytes(folder), shelf(str(tmp_path / "out"), MemoryStore), geometry=SMALL, processes=1)

    read = list(webdataset.WebDataset(str(tmp_path / "out/shard-000000.tar"), shardshuffle=False).decode())

    assert len(read) == 5
    assert {sample["json"]["label"] for sample in read} == {"no_fracture"}


def test_an_address_of_another_kind_and_an_empty_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OsteonError, match="s3://bucket/prefix"):
        shelf("ftp://somewhere", MemoryStore)
    empty = collected(conformed(pl.DataFrame({"case": ["a"], "patient": ["p"]})))
    with pytest.raises(OsteonError, match="no image"):
        prepare(empty, FolderBytes(tmp_path), shelf(str(tmp_path / "out"), MemoryStore))

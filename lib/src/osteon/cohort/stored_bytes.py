"""The content of a cohort's images, wherever they lie: files below a folder, or objects of the site's store."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from osteon.cohort.measure import Bytes
from osteon.contracts import ObjectRef
from osteon.store import Store

__all__ = ["FolderBytes", "bytes_of", "object_bytes"]


@dataclass(frozen=True)
class FolderBytes:
    """Reads files below a folder; can be sent to another process."""

    folder: Path

    def __call__(self, path: str) -> bytes:
        """The content of a file."""
        return (self.folder / path).read_bytes()


def bytes_of(paths: pl.Series, folder: Path) -> Bytes:
    """Reads each of the paths: `s3://bucket/key` from the store that the settings name, all else below the folder."""
    files = FolderBytes(folder)
    if not paths.str.starts_with("s3://").any():
        return files
    from osteon.runtime import Settings, read_settings
    from osteon.store.s3 import connect_as

    objects = object_bytes(connect_as(read_settings(Settings)))
    return lambda path: objects(path) if path.startswith("s3://") else files(path)


def object_bytes(store: Store) -> Callable[[str], bytes]:
    """Reads `s3://bucket/key` from a store; the key of a stored image is its hash, which is checked.

    The function raises FileNotFoundError, Poison("object-corrupt"), Passing and Fatal.
    """

    def read(path: str) -> bytes:
        bucket, _, key = path.removeprefix("s3://").partition("/")
        listed = next((one for one in store.list(bucket, key) if one.key == key), None)
        if listed is None:
            raise FileNotFoundError(path)
        return store.get(ObjectRef(bucket=bucket, key=key, sha256=key.rsplit("/", 1)[-1], size_bytes=listed.size_bytes))

    return read

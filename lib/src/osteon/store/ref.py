"""An object's name from its own bytes, and the check of bytes against a reference."""

import hashlib
import re

from osteon.contracts import ObjectRef
from osteon.errors import Poison

__all__ = ["check", "content_key", "expect", "refer"]

SHA256 = re.compile(r"[0-9a-f]{64}")


def content_key(sha256: str) -> str:
    """Where an object with this hash lies: `ab/abcd…`, so that no folder of a store grows without bound."""
    return f"{sha256[:2]}/{sha256}"


def refer(bucket: str, key: str | None, data: bytes, media_type: str) -> ObjectRef:
    """The reference to `data` in `bucket`, under `key` or, where that is None, under its own hash."""
    sha256 = hashlib.sha256(data).hexdigest()
    return ObjectRef(
        bucket=bucket,
        key=content_key(sha256) if key is None else key,
        sha256=sha256,
        size_bytes=len(data),
        media_type=media_type,
    )


def expect(ref: ObjectRef, bucket: str) -> None:
    """Raise Poison("bad-reference") unless `ref` names an object of `bucket` by the content that it says it has."""
    if (
        ref.bucket != bucket
        or not SHA256.fullmatch(ref.sha256)
        or ref.key != content_key(ref.sha256)
        or ref.size_bytes >= 2**31
    ):
        raise Poison("bad-reference", f"the record refers to something else than an object of bucket {bucket}")


def check(ref: ObjectRef, data: bytes) -> bytes:
    """`data` itself, if it is what `ref` names; raises Poison("object-corrupt") otherwise."""
    if len(data) != ref.size_bytes:
        raise Poison(
            "object-corrupt",
            f"an object in bucket {ref.bucket} should have {ref.size_bytes} bytes and has another size",
        )
    if hashlib.sha256(data).hexdigest() != ref.sha256:
        raise Poison("object-corrupt", f"an object in bucket {ref.bucket} does not hold the bytes it is named after")
    return data

"""Names that say nothing, in place of those of patients, studies and cases.

They are made with a key, so that nobody can find back by trying all numbers of patients. The same key gives the same
names each time: to further images of a patient, and to the patient's lines in a register. The key is text, and nobody
but its owner can read the file.
"""

import hashlib
import hmac
import os
import secrets
import unicodedata
from pathlib import Path

import polars as pl

from osteon.contracts.spelling import one_spelling
from osteon.errors import OsteonError

__all__ = ["fingerprint", "key_beside", "opened_key", "pseudonym", "with_pseudonyms"]

KEY_BYTES = 32  # as many as HMAC-SHA256 can use
DIGITS = 20  # of a pseudonym: among 500,000 two are equal with a probability of 1e-13
NAMED = ("patient", "study", "case")


def key_beside(folder: Path) -> Path:
    """Where the key of a cohort's folder lies: beside it, so that whoever gets the folder does not get the key."""
    whole = folder.resolve()
    return whole.with_name(f"{whole.name}.key")


def opened_key(path: Path, *, may_be_made: bool = False) -> bytes:
    """The key in a file; a new one where there is none and one may be made. Raises OsteonError."""
    if may_be_made and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise OsteonError(
            f"{path.name} can't be read as a key ({type(error).__name__}): name another with --key"
        ) from None
    if len(key) < KEY_BYTES:
        raise OsteonError(f"{path.name} holds no key: it has {len(key)} bytes in hexadecimal, and needs {KEY_BYTES}")
    return key


def fingerprint(key: bytes) -> str:
    """By what a key is known without being told: 16 hexadecimal digits."""
    return hashlib.sha256(b"osteon cohort key\0" + key).hexdigest()[:16]


def pseudonym(key: bytes, kind: str, name: str) -> str:
    """20 hexadecimal digits that stand for a name of `NAMED`.

    A patient's number is spelled as ingest spells it: table, header and register may write it with a space or small
    letters. Of the others composed and decomposed accents are the same.
    """
    spelled = one_spelling(name) if kind == "patient" else unicodedata.normalize("NFC", name.strip())
    message = f"{kind}\0{spelled}".encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:DIGITS]


def with_pseudonyms(table: pl.DataFrame, key: bytes) -> pl.DataFrame:
    """The table with pseudonyms as patient, study and case; null stays null."""
    made = []
    for kind in (name for name in NAMED if name in table.columns):
        names = {name: pseudonym(key, kind, name) for name in table[kind].drop_nulls().unique()}
        values = [None if name is None else names[name] for name in table[kind]]
        made.append(pl.Series(kind, values, dtype=pl.String))
    return table.with_columns(made)

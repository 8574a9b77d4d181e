"""Keys and passwords of a stack: made at random once, kept in `secrets/`, readable by their owner alone."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from osteon.bus.login import Login

__all__ = [
    "ADMIN", "Identity", "change_site_key", "identity", "is_locked", "kafka_login", "lock", "secret_file", "site_key",
    "site_key_settings",
]  # fmt: skip


ADMIN = "admin"


@dataclass(frozen=True)
class Identity:
    """Who somebody is at the object store."""

    access_key: str
    secret_key: str


def site_key(folder: Path) -> str:
    """The site's secret, 32 random bytes as hexadecimal digits; pseudonyms and the vault hang on it.

    A lost one can't be made again: back up `secrets/site.key` apart from the data.
    """
    return _once(folder / "secrets" / "site.key", secrets.token_hex(32))


def site_key_settings(folder: Path) -> dict[str, str]:
    """The site key, its epoch and the former ones, as settings of the ingest service."""
    former = _former_site_keys(folder)
    keys = {"OSTEON_SITE_KEY": site_key(folder), "OSTEON_KEY_EPOCH": str(len(former) + 1)}
    if former:
        keys["OSTEON_FORMER_SITE_KEYS"] = ",".join(f"{epoch}:{key}" for epoch, key in enumerate(former, 1))
    return keys


def change_site_key(folder: Path) -> int:
    """Make a new site key, and keep the one in use among the former ones; the number of the new one's epoch.

    Cut short, it is finished by the next call.
    """
    in_use, former = site_key(folder), _former_site_keys(folder)
    if in_use not in former:
        former.append(in_use)
        secret_file(folder / "secrets" / "former-site.keys", "".join(f"{key}\n" for key in former))
    secret_file(folder / "secrets" / "site.key", secrets.token_hex(32))
    return len(former) + 1


def _former_site_keys(folder: Path) -> list[str]:
    """The oldest first; the epoch of each is its place, from 1."""
    file = folder / "secrets" / "former-site.keys"
    return file.read_text().split() if file.exists() else []


def identity(folder: Path, name: str) -> Identity:
    """The object store's identity of that name."""
    made = json.dumps({"access_key": name, "secret_key": secrets.token_urlsafe(24)})
    return Identity(**json.loads(_once(folder / "secrets" / f"store-{name}.json", made)))


def lock(folder: Path) -> None:
    """From the next start on, Kafka of this stack wants to know who speaks to it."""
    _once(folder / "secrets" / "locked", "Kafka asks for users and passwords.\n")


def is_locked(folder: Path) -> bool:
    """Whether Kafka of this stack wants to know who speaks to it."""
    return (folder / "secrets" / "locked").exists()


def kafka_login(folder: Path, name: str) -> Login:
    """As whom `name` speaks to Kafka: the administrator by PLAIN, who must be before any other user can be made."""
    if not is_locked(folder):
        return Login()
    password = _once(folder / "secrets" / f"kafka-{name}.password", secrets.token_urlsafe(24))
    return Login("SASL_PLAINTEXT", "PLAIN" if name == ADMIN else "SCRAM-SHA-512", name, password)


def _once(path: Path, made: str) -> str:
    """What the file holds; `made`, if there was none."""
    if not path.exists():
        secret_file(path, made)
    return path.read_text()


def secret_file(path: Path, text: str) -> None:
    """Write a file whole or not at all, with mode 0600 in a folder of mode 0700."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    partial.replace(path)

"""Settings of the ingest service, read once from environment variables that begin with `OSTEON_`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from osteon.errors import Fatal
from osteon.runtime.lock import LockSettings
from osteon_ingest.identity import Keys

__all__ = ["Address", "IngestSettings"]

TITLE = r"[!-+\--\[\]-~][ -+\--\[\]-~]{0,15}"  # an AE title of PS3.5 without a comma, which parts them
Address = tuple[str, int]


def _addresses(given: Any) -> Any:
    """What `AET=host:port, …` stands for, by AE title."""
    if not isinstance(given, str):
        return given
    found: dict[str, Address] = {}
    for one in filter(None, map(str.strip, given.split(","))):
        aet, is_named, place = one.partition("=")
        host, _, port = place.strip().rpartition(":")
        if not (is_named and aet.strip() and host and port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError("write each address as AET=host:port, separated by commas")
        found[aet.strip()] = (host.strip("[]"), int(port))
    return found


class IngestSettings(LockSettings):
    """What the doors and the stage behind them need to know."""

    site_key: SecretStr
    """Secret of the site: 32 random bytes or more, as hexadecimal or base64 text; all keys come from it. No default."""

    key_epoch: str = "1"
    """Name of the site key in use; changes with it."""

    former_site_keys: SecretStr = SecretStr("")
    """Site keys that were in use before, to open what they sealed: `epoch:key`, separated by commas."""

    max_object_bytes: int = Field(default=512 * 1024 * 1024, gt=0, lt=2**31 - 1024)
    """Largest DICOM object that is taken in, in bytes, below 2 GiB; each sender may keep one of them in memory."""

    dimse_host: str = "127.0.0.1"
    """Address that the C-STORE door listens on; `0.0.0.0` lets the network in, see `dimse_is_open`."""

    dimse_port: int = Field(default=11112, ge=0, le=65535)
    """Port of the C-STORE door; 0 closes it."""

    aet: str = Field(default="OSTEON", min_length=1, max_length=16, pattern=r"^[ -\[\]-~]+$")
    """AE title of the C-STORE door."""

    dimse_calling_aets: str = Field(default="", pattern=rf"^({TITLE}( *, *{TITLE})*)?$")
    """AE titles that may call, separated by commas; all by default. A title is a claim: without certificates anybody
    can make it."""

    dimse_is_secure: bool = False
    """Whether C-STORE goes over TLS, with `tls_certificate`; plain associations are then not taken."""

    dimse_is_open: bool = False
    """Whether the C-STORE door may listen to the network without TLS and clients' certificates (`tls_client_ca`)."""

    dimse_requires_called_aet: bool = False
    """Whether associations that call another AE title than `aet` are rejected."""

    dimse_workers: int = Field(default=2, ge=1, le=64)
    """Processes that share the C-STORE port; one a core is best."""

    dimse_associations: int = Field(default=50, ge=1)
    """Associations that one worker has open at a time; more are rejected as a passing local limit."""

    dimse_pdu_bytes: int = Field(default=128 * 1024, ge=4096, le=16 * 1024 * 1024)
    """Largest PDU that senders may use, in bytes; small ones make the door slow."""

    dimse_network_timeout_s: float = Field(default=60.0, gt=0)
    """Silence on an open association after which it is aborted, in seconds."""

    dimse_acse_timeout_s: float = Field(default=30.0, gt=0)
    """How long negotiating or releasing an association may take, in seconds."""

    commit_addresses: Annotated[dict[str, Address], NoDecode, BeforeValidator(_addresses)] = Field(default={})
    """Where those who ask for storage commitment listen for its result, `AET=host:port` and commas. None by default."""

    reports_commitments: bool = True
    """Whether the doors' process sends those results, too. False where several have the same `ordinal`, each of which
    would send them all: then one process more, without doors, does it for them."""

    commit_wait_s: float = Field(default=1.0, ge=0)
    """How long an association must be silent before a result is sent on it, in seconds; only without an address."""

    commit_look_s: float = Field(default=1.0, gt=0)
    """Time between two looks for results that are to be sent to an address, in seconds."""

    commit_retry_s: float = Field(default=86400.0, gt=0)
    """How long a requester that does not answer at its address is tried again, in seconds."""

    stow_host: str = "127.0.0.1"
    """Address that the STOW-RS door listens on; `0.0.0.0` lets the network in, see `stow_is_open`."""

    stow_is_open: bool = False
    """Whether the STOW-RS door may listen to the network without TLS and tokens."""

    stow_port: int = Field(default=8042, ge=0, le=65535)
    """Port of the STOW-RS door; 0 closes it."""

    stow_workers: int = Field(default=1, ge=1, le=64)
    """Processes that share the STOW-RS port."""

    stow_requests: int = Field(default=16, ge=1)
    """STOW-RS requests that one worker answers at a time; more get 503."""

    stow_max_request_bytes: int = Field(default=4 * 1024 * 1024 * 1024, gt=0)
    """Largest STOW-RS request, in bytes; a larger one gets 413."""

    stow_silence_timeout_s: float = Field(default=60.0, gt=0)
    """Silence in the middle of a STOW-RS request after which it is given up, in seconds."""

    folder: Annotated[Path | None, BeforeValidator(lambda given: given or None)] = None  # "" would be where it runs
    """Folder whose files are taken in; none by default. Received ones move to `done/`, others to `refused/`."""

    folder_look_s: float = Field(default=1.0, gt=0)
    """Time between two looks at the folder, in seconds; a file is taken when two looks see it unchanged."""

    sweep_every_s: float = Field(default=300.0, ge=0)
    """Time between two sweeps of the inbox for objects that were never announced, in seconds; 0 never sweeps."""

    sweep_after_s: float = Field(default=600.0, gt=0)
    """Age from which an object in the inbox counts as forgotten, in seconds; longer than any answer takes."""

    drain_s: float = Field(default=25.0, ge=0)
    """How long a door that is told to stop waits for those who are sending, in seconds."""

    accept_threads: int = Field(default=4, ge=1, le=64)
    """Images that the accept stage works at a time; each takes about ten times its pixels in memory."""

    def keys(self) -> Keys:
        """The keys of the site. Raises Fatal where a site key or an epoch is none."""
        former = []
        for one in filter(None, map(str.strip, self.former_site_keys.get_secret_value().split(","))):
            epoch, colon, secret = one.partition(":")
            if not colon:
                raise Fatal("OSTEON_FORMER_SITE_KEYS must hold epoch:key, separated by commas, as in 1:9f86d0…")
            former.append(Keys.from_site_key(secret, epoch))
        keys = Keys.from_site_key(self.site_key.get_secret_value(), self.key_epoch)
        if any(one.vault == keys.vault or one.epoch == keys.epoch for one in former):
            raise Fatal(
                "a former site key, or its epoch, is the one in use: change OSTEON_SITE_KEY and its epoch together"
            )
        return replace(keys, former=tuple(former))

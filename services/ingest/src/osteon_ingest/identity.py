"""Names that say nothing: image ids, pseudonyms, UIDs and dates under a site's key.

One secret a site, from which a separate key is derived for each purpose (HKDF, RFC 5869), so that knowing
one purpose's names tells nothing of another's. All names are deterministic: the same original gives the same
name in every process and after every restart, and another site's key gives another one.
"""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from osteon.contracts.spelling import one_spelling
from osteon.errors import Fatal

__all__ = [
    "Keys",
    "Shift",
    "device_pseudonym",
    "image_id",
    "new_uid",
    "pseudonym",
    "shift_date",
    "shift_of",
    "shift_time",
]

SECRET_BYTES = 32  # 256 bits: what HMAC-SHA256 and AES-256 can use
DISTINCT_BYTES = 16  # a random 32-byte secret has fewer with probability below 1e-12; "aaaa…" has one
MAX_SHIFT_DAYS = 3650  # ten years: far enough to hide a date, near enough for DICOM's four-digit years
DAY_S = 24 * 60 * 60
EPOCH = re.compile(r"[0-9A-Za-z._-]{1,16}")


@dataclass(frozen=True)
class Keys:
    """One key of 32 bytes for each purpose. `epoch` names the site key in use, and changes with it.

    With `former` ones, what was sealed under them still opens; nothing is named or sealed by them any more.
    """

    patients: bytes
    images: bytes
    uids: bytes
    dates: bytes
    devices: bytes
    inbox: bytes
    vault: bytes
    epoch: str = "1"
    former: tuple["Keys", ...] = ()

    @staticmethod
    def from_site_key(secret: bytes | str, epoch: str = "1") -> "Keys":
        """Derive all keys from a site's secret: bytes, or their hexadecimal or base64 text.

        Raises Fatal, naming OSTEON_SITE_KEY, if there are fewer than 32 bytes or they are plainly not random.
        """
        material = _material(secret)
        if not EPOCH.fullmatch(epoch):
            raise Fatal("the key epoch must be 1 to 16 letters, digits, dots or dashes")
        return Keys(
            patients=_derive(material, "patients"),
            images=_derive(material, "images"),
            uids=_derive(material, "uids"),
            dates=_derive(material, "dates"),
            devices=_derive(material, "devices"),
            inbox=_derive(material, "inbox"),
            vault=_derive(material, "vault"),
            epoch=epoch,
        )

    def to_open(self, purpose: Literal["inbox", "vault"]) -> tuple[bytes, ...]:
        """The keys that may have sealed what is to be opened now, the one in use first."""
        return tuple(getattr(one, purpose) for one in (self, *self.former))

    def __repr__(self) -> str:
        """Without the keys: a representation may end up in a log."""
        return f"Keys(epoch={self.epoch!r})"


def image_id(keys: Keys, sop_instance_uid: str) -> str:
    """32 hexadecimal digits that stand for a SOP Instance UID."""
    return _mac(keys.images, _bare_uid(sop_instance_uid)).hex()[:32]


def pseudonym(keys: Keys, issuer_or_site: str, patient_id: str) -> str:
    """32 hexadecimal digits that stand for a patient; empty if there is no PatientID.

    A PatientID is unique only within its issuer, or, where none is named, within the site. Both are
    normalised (NFKC, upper case, no spaces), since one patient's number is typed in several ways.
    An empty pseudonym means "unknown": such an image is keyed by its image id and joins no other.
    """
    number = one_spelling(patient_id)
    if not number:
        return ""
    return _mac(keys.patients, keys.epoch, one_spelling(issuer_or_site), number).hex()[:32]


def new_uid(keys: Keys, original: str) -> str:
    """The UID that replaces `original`, everywhere: "2.25." and 128 bits in decimal (PS3.5, B.2)."""
    digest = bytearray(_mac(keys.uids, _bare_uid(original))[:16])
    digest[6] = digest[6] & 0x0F | 0x80  # a UUID of version 8 (RFC 9562): bits of our own making
    digest[8] = digest[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(digest, 'big')}"


@dataclass(frozen=True)
class Shift:
    """By how much all dates and times of a patient are moved: `days` from -3650 to -1, and `seconds` below a day."""

    days: int
    seconds: int


def shift_of(keys: Keys, patient: str) -> Shift:
    """The shift of a patient (a pseudonym or image id).

    One for all keeps intervals and the order of a patient's images. Always into the past, so that no date lies in the
    future. The time of day moves too: to the second it would tell one image among all of a hospital.
    """
    digest = _mac(keys.dates, patient)
    days = -1 - int.from_bytes(digest[:8], "big") % MAX_SHIFT_DAYS
    return Shift(days, int.from_bytes(digest[8:16], "big") % DAY_S)


def shift_date(text: str, days: int) -> str:
    """A DICOM date YYYYMMDD (also YYYY.MM.DD) moved by `days`; empty if it is none."""
    match = re.fullmatch(r"(\d{4})\.?(\d{2})\.?(\d{2})", text.strip(" \0"), re.ASCII)
    if match is None:
        return ""
    try:
        moved = date(*map(int, match.groups())) + timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return f"{moved.year:04d}{moved.month:02d}{moved.day:02d}"


def shift_time(text: str, shift: Shift) -> tuple[str, int]:
    """A DICOM time HH[MM[SS]] moved, without fractions, and the days that this takes: 1 past midnight.

    Empty and 0 if it is none.
    """
    match = re.fullmatch(r"(\d{2})(\d{2})?(\d{2})?(?:\.\d{1,6})?", text.strip(" \0"), re.ASCII)
    if match is None:
        return "", 0
    hours, minutes, seconds = (int(each or 0) for each in match.groups())
    if hours > 23 or minutes > 59 or seconds > 60:  # 60: a leap second
        return "", 0
    days, moved = divmod(3600 * hours + 60 * minutes + min(seconds, 59) + shift.seconds, DAY_S)
    whole = f"{moved // 3600:02d}{moved // 60 % 60:02d}{moved % 60:02d}"
    n_digits = sum(len(each or "") for each in match.groups())
    return whole[:n_digits], days


def device_pseudonym(keys: Keys, *identifiers: str) -> str:
    """16 hexadecimal digits that stand for a machine; empty if no identifier says anything."""
    known = [one_spelling(each) for each in identifiers]
    return _mac(keys.devices, *known).hex()[:16] if any(known) else ""


def _material(secret: bytes | str) -> bytes:
    """The bytes of a secret given as bytes, hexadecimal or base64."""
    material = secret if isinstance(secret, bytes) else _decoded(secret.strip())
    if len(material) < SECRET_BYTES or len(set(material)) < DISTINCT_BYTES:
        raise Fatal(
            f"OSTEON_SITE_KEY must hold at least {SECRET_BYTES} random bytes as base64 or hexadecimal text; "
            "make one with: openssl rand -base64 32"
        )
    return material


def _decoded(text: str) -> bytes:
    """What hexadecimal or base64 text stands for; nothing if it is neither."""
    try:
        if re.fullmatch(r"([0-9a-fA-F]{2})+", text):
            return bytes.fromhex(text)
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (ValueError, binascii.Error):
        return b""


def _derive(material: bytes, purpose: str) -> bytes:
    """A key for one purpose."""
    return HKDF(SHA256(), 32, salt=None, info=f"osteon ingest 1 {purpose}".encode()).derive(material)


def _mac(key: bytes, *parts: str) -> bytes:
    """HMAC-SHA256 over the parts, each with its length before it, so that ("ab", "c") is not ("a", "bc")."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
    return hmac.new(key, message, sha256).digest()


def _bare_uid(uid: str) -> str:
    """A UID without its padding."""
    return uid.strip(" \0")

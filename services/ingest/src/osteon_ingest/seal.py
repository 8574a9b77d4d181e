"""Seal bytes under a key, so that they can lie in a store: AES-256-GCM-SIV (RFC 8452).

Deterministic: the same bytes give the same sealed object, so that an object keeps the name that its bytes
give it and a repeated upload writes nothing new. What this discloses, and all that it discloses, is that
two sealed objects hold the same bytes. The fixed nonce is safe here, since the mode resists its reuse.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from osteon.errors import Poison

__all__ = ["seal", "unseal"]

MARK = b"OSTEON-SEALED-1\n"  # authenticated with the content, so that another format can follow
NONCE = bytes(12)


def seal(key: bytes, data: bytes, name: str = "") -> bytes:
    """`data` (below 2 GiB) encrypted and authenticated under a key of 32 bytes.

    With a `name`, it opens under that name alone, so that two sealed objects can't be exchanged.
    """
    return MARK + AESGCMSIV(key).encrypt(NONCE, data, MARK + name.encode())


def unseal(key: bytes, data: bytes, name: str = "") -> bytes:
    """What was sealed. Raises Poison("seal-broken") if it was altered or sealed under another key or name."""
    if not data.startswith(MARK):
        raise Poison("seal-broken", "the object was not sealed here")
    try:
        return AESGCMSIV(key).decrypt(NONCE, data[len(MARK) :], MARK + name.encode())
    except (InvalidTag, ValueError):
        raise Poison("seal-broken", "the object was altered, or sealed under another key") from None

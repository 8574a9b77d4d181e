"""Seal bytes under a key, so that they can lie in a store: XAES-256-GCM (C2SP), its nonce made from what is sealed.

Deterministic: the same bytes give the same sealed object, so that an object keeps the name that its bytes
give it and a repeated upload writes nothing new. What this discloses, and all that it discloses, is that
two sealed objects hold the same bytes. A nonce of 192 bits that is a keyed hash of name and content comes twice only
for the same name and content.

    sealed = mark, nonce (24 bytes), AES-256-GCM of the content under a key that belongs to this nonce alone

What was sealed before that, by AES-256-GCM-SIV (RFC 8452), is opened as ever. Many OpenSSL have no fast code for that
mode: sealing 10 MB took as long as storing them.
"""

import hashlib
import hmac
from collections.abc import Sequence
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.cmac import CMAC

from osteon.errors import Poison

__all__ = ["seal", "unseal"]

MARK = b"OSTEON-SEALED-2\n"  # authenticated with the content, so that another format can follow
MARK_SIV = b"OSTEON-SEALED-1\n"
NONCE_BYTES = 24


def seal(key: bytes, data: bytes, name: str = "") -> bytes:
    """`data` (below 2 GiB) encrypted and authenticated under a key of 32 bytes.

    With a `name`, it opens under that name alone, so that two sealed objects can't be exchanged.
    """
    nonce = _nonce(key, data, name.encode())
    return MARK + nonce + _gcm(key, nonce).encrypt(nonce[12:], data, MARK + name.encode())


def unseal(keys: bytes | Sequence[bytes], data: bytes, name: str = "") -> bytes:
    """What was sealed under a key, or under one of several.

    Raises Poison("seal-broken") if it was altered or sealed under another key or name.
    """
    if data[: len(MARK)] not in (MARK, MARK_SIV):
        raise Poison("seal-broken", "the object was not sealed here")
    for key in [keys] if isinstance(keys, bytes) else keys:
        with suppress(InvalidTag, ValueError):
            return _opened(key, data, name.encode())
    raise Poison("seal-broken", "the object was altered, or sealed under a key that is not given here")


def _opened(key: bytes, data: bytes, name: bytes) -> bytes:
    mark, rest = data[: len(MARK)], memoryview(data)[len(MARK) :]
    if mark == MARK_SIV:
        return AESGCMSIV(key).decrypt(bytes(12), rest, MARK_SIV + name)
    nonce = bytes(rest[:NONCE_BYTES])
    return _gcm(key, nonce).decrypt(nonce[12:], rest[NONCE_BYTES:], MARK + name)


def _nonce(key: bytes, data: bytes, name: bytes) -> bytes:
    """A keyed hash of name and content. The name counts too: one nonce for two names would disclose a key."""
    nonce_key = hmac.digest(key, MARK + b"nonce", "sha256")
    return hmac.digest(nonce_key, hashlib.sha256(name).digest() + hashlib.sha256(data).digest(), "sha256")[:NONCE_BYTES]


def _gcm(key: bytes, nonce: bytes) -> AESGCM:
    """AES-256-GCM under the key that XAES-256-GCM derives for `nonce`: NIST SP 800-108r1, CMAC in counter mode."""
    derived = b""
    for counter in (1, 2):
        mac = CMAC(AES256(key))
        mac.update(bytes([0, counter]) + b"X\0" + nonce[:12])
        derived += mac.finalize()
    return AESGCM(derived)

"""TLS on both sides as BCP 195 (RFC 8996, RFC 9325) asks for it, and PS3.15 B.12 with it: 1.2 or 1.3, never less."""

import contextlib
import ssl
from pathlib import Path

from cryptography import x509

from osteon.errors import Fatal
from osteon.runtime import metrics

__all__ = ["client_context", "server_context"]

# For TLS 1.2; TLS 1.3 has no weak ones. All have forward secrecy and authenticated encryption.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def server_context(certificate: Path | None, key: Path | None, client_ca: Path | None = None) -> ssl.SSLContext:
    """What a server shows (PEM, the chain after its own certificate).

    With `client_ca`, whoever shows no certificate of that authority gets no connection. Raises Fatal if a file can't
    be used.
    """
    if certificate is None or key is None:
        raise Fatal("TLS needs both a certificate and its key: set OSTEON_TLS_CERTIFICATE and OSTEON_TLS_KEY")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    _show(context, certificate, key)
    if client_ca is not None:
        _trust(context, client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(ca: Path | None = None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """What a client trusts (`ca`, in PEM; by default what this machine trusts), and shows where it is asked to.

    The server's name is always checked. Raises Fatal if a file can't be used.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody yet, and checks names
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _trust(context, ca)
    if certificate is not None:
        _show(context, certificate, key)
    return context


def _show(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    def no_password() -> str:
        raise Fatal(f"the key {key} is encrypted: services take keys without a password, readable by them alone")

    try:
        context.load_cert_chain(certificate, key, no_password)
    except OSError as error:  # of which ssl.SSLError is one
        why = error.strerror or type(error).__name__
        raise Fatal(f"{certificate} and {key} are not a certificate and its key in PEM: {why}") from None
    _tell_end(certificate)


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except OSError as error:
        raise Fatal(
            f"{ca} holds no certificates of authorities in PEM: {error.strerror or type(error).__name__}"
        ) from None
    _tell_end(ca)


def _tell_end(file: Path) -> None:
    """Tell Prometheus when the first certificate in a file expires: of a chain its own, of authorities the only one."""
    with contextlib.suppress(ValueError):  # OpenSSL takes more than this reads; a figure is worth no refusal
        first = x509.load_pem_x509_certificates(file.read_bytes())[0]
        metrics.CERTIFICATE_ENDS.labels(str(file)).set(first.not_valid_after_utc.timestamp())

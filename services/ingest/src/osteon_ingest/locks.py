"""What the doors to the network ask of those who come: TLS, a token, a certificate."""

import ssl

from osteon.runtime.lock import Lock, http_lock, refuse_unlocked
from osteon.runtime.tls import client_context, server_context
from osteon_ingest.settings import IngestSettings

__all__ = ["dimse_caller", "dimse_lock", "stow_lock"]


def stow_lock(settings: IngestSettings) -> Lock:
    """What this door asks of a sender. Raises Fatal where it would be open to the network without being told so."""
    host, is_open = settings.stow_host, settings.stow_is_open
    return http_lock(settings, host, door="stow", is_open=is_open, setting="OSTEON_STOW_IS_OPEN")


def dimse_lock(settings: IngestSettings) -> ssl.SSLContext | None:
    """TLS, where it is set. Raises Fatal where anybody in the network could send without being told so."""
    tls = None
    if settings.dimse_is_secure:
        tls = server_context(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    missing = [
        *([] if tls else ["TLS (OSTEON_DIMSE_IS_SECURE)"]),
        *([] if tls and settings.tls_client_ca else ["clients' certificates (OSTEON_TLS_CLIENT_CA)"]),
    ]
    is_open = settings.dimse_is_open
    refuse_unlocked(settings.dimse_host, missing, door="dimse", is_open=is_open, setting="OSTEON_DIMSE_IS_OPEN")
    return tls


def dimse_caller(settings: IngestSettings) -> ssl.SSLContext:
    """What is shown to a requester that is called back, who must have a certificate of the senders' authority."""
    return client_context(settings.tls_client_ca, settings.tls_certificate, settings.tls_key)

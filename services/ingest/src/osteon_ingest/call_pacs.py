"""Call a PACS: associations that the site opens itself, to tell it something or to ask whether it is there."""

from collections.abc import Sequence

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from osteon.runtime.findings import unreachable
from osteon_ingest.locks import dimse_caller
from osteon_ingest.settings import Address, IngestSettings

__all__ = ["call", "echo"]

CONNECT_TIMEOUT_S = 10.0
CALLING_IS_UNKNOWN = (1, 3)  # source and reason of an A-ASSOCIATE-RJ, PS3.8 table 9-21
CALLED_IS_UNKNOWN = (1, 7)


def call(
    settings: IngestSettings,
    aet: str,
    address: Address,
    sop_class: str,
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
) -> Association:
    """An association with `aet` for one SOP class; established or not. Over TLS where C-STORE is."""
    entity = AE(settings.aet)
    entity.connection_timeout = CONNECT_TIMEOUT_S
    entity.acse_timeout = settings.dimse_acse_timeout_s
    entity.dimse_timeout = entity.network_timeout = settings.dimse_network_timeout_s
    entity.add_requested_context(sop_class)
    # Who sends over TLS is answered over TLS: what is told names images.
    tls = (dimse_caller(settings), address[0]) if settings.dimse_is_secure else None
    return entity.associate(address[0], address[1], ae_title=aet, ext_neg=[*roles], tls_args=tls)


def echo(settings: IngestSettings, aet: str, address: Address) -> str:
    """Why `aet` does not answer a C-ECHO at its address, and what to do; empty if it does. Raises Fatal."""
    if trouble := unreachable(*address):
        return trouble
    association = call(settings, aet, address, Verification)
    if association.is_rejected:
        return _rejected(settings, aet, association)
    if association.rejected_contexts:
        return "it takes associations, and no C-ECHO (Verification): see the services that it offers to us"
    if not association.is_established:
        how = "over TLS (OSTEON_DIMSE_IS_SECURE)" if settings.dimse_is_secure else "without TLS"
        return f"it listens, and takes no association {how}: see what {aet} wants, and whether DICOM is spoken there"
    status = association.send_c_echo()
    association.release()
    return "" if status.get("Status") == 0 else "it took the C-ECHO, and gave no success: see its log"


def _rejected(settings: IngestSettings, aet: str, association: Association) -> str:
    answer = association.acceptor.primitive
    given = (answer.result_source, answer.diagnostic) if answer else ()
    if given == CALLING_IS_UNKNOWN:
        return f"it does not know the AE title {settings.aet}: have it entered there, or see OSTEON_AET"
    if given == CALLED_IS_UNKNOWN:
        return f"it is not called {aet}: see how its AE title is written"
    return f"it rejects associations ({answer.reason_str if answer else 'no reason given'}): see its log"

"""Bounds for one association, whatever its peer sends: how large a PDU is, how long it may take, and what ends with it.

pynetdicom believes a PDU's own length, up to 4 GiB, and waits for the rest of it for ever; and where a PDU makes its
reactor fail, the connection stays open with nobody behind it. A few dozen of either would close the door to everybody.
"""

import time
from typing import Any

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

from osteon.runtime import logs

__all__ = ["guard"]

LEAST_LIMIT_BYTES = 2**20  # for requests of associations, whose length nobody negotiates: 128 contexts take 100 KiB
PIECE_BYTES = 64 * 1024
LOGGER = logs.logger(__name__)


def guard(association: Association, pdu_bytes: int, timeout_s: float) -> None:
    """Before `association` starts: refuse PDUs far beyond `pdu_bytes` and those that take longer than `timeout_s`."""
    line = association.dul.socket
    assert line is not None
    limit_bytes = max(pdu_bytes, LEAST_LIMIT_BYTES)
    line.recv = lambda nr_bytes: _received(line, nr_bytes, limit_bytes, timeout_s)  # type: ignore[method-assign]
    run = association.dul.run

    def run_and_close() -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001 - the top of a thread; its text may repeat what came
            LOGGER.warning("association broken off", extra={"why": type(error).__name__})
        finally:
            line.close()

    association.dul.run = run_and_close  # type: ignore[method-assign]


def _received(line: AssociationSocket, n_bytes: int, limit_bytes: int, timeout_s: float) -> bytearray:
    """The next `n_bytes`, fewer if the peer closes. Raises OSError if they are too many or come too slowly."""
    if n_bytes > limit_bytes:
        raise OSError(f"a PDU has more than {limit_bytes} bytes")
    connection: Any = line.socket
    received = bytearray()
    deadline = time.monotonic() + timeout_s
    while len(received) < n_bytes:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("a PDU did not come whole in time")
        connection.settimeout(left_s)
        piece = connection.recv(min(n_bytes - len(received), PIECE_BYTES))
        if not piece:
            break
        received += piece
    connection.settimeout(timeout_s)  # of what is sent
    return received

"""kafka-python leaves the socket of a connect that failed to the garbage collector, which may not come for hours.

Such a socket is closed here at once: an outage of ten minutes would cost each process up to 90 descriptors.
"""

from typing import Any

from kafka.net.inet import KafkaNetSocket

__all__ = ["close_failed_connects"]


def close_failed_connects() -> None:
    """Change it for this process, once; a second call does nothing."""
    connect = KafkaNetSocket.sock_connect
    if getattr(connect, "closes", False):
        return

    async def sock_connect(self: Any, net: Any, sock: Any, sockaddr: Any, timeout_at: float | None = None) -> Any:
        try:
            return await connect(self, net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:  # of the coroutine being given up too
            sock.close()
            raise

    sock_connect.closes = True  # type: ignore[attr-defined]
    KafkaNetSocket.sock_connect = sock_connect

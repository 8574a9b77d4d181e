"""What a broker that is away costs the process that asks for it."""

import gc
import socket

import psutil
import pytest

from osteon.bus import connect
from osteon.errors import Passing


def test_a_broker_that_is_away_leaves_no_descriptor_open_until_the_garbage_collector_comes() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen: whoever connects is refused
        bus = connect(f"127.0.0.1:{taken.getsockname()[1]}")
        gc.collect()
        gc.disable()
        try:
            n_before = psutil.Process().num_fds()
            with pytest.raises(Passing):
                bus.probe()
            n_after = psutil.Process().num_fds()
        finally:
            gc.enable()

    assert n_after == n_before

"""Ports that nobody else takes meanwhile."""

import itertools
import os
import socket

#: Below the range from which the system gives ports to outgoing connections; each worker has a stretch of its own.
_FIRST, _STRETCH = 12_000, 2_000
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.cycle(range(_FIRST + _worker * _STRETCH, _FIRST + (_worker + 1) * _STRETCH))


def free_port() -> int:
    """Give a port of this machine that nobody uses; the same one not again soon."""
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")

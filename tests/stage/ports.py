"""Ports that nobody else takes meanwhile."""

import itertools
import os
import socket

#: Below the range from which the system gives ports to outgoing connections; each worker has a stretch of its own, and
#: begins somewhere in it, for two sessions may run beside each other.
_FIRST, _STRETCH = 12_000, 2_000
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_begin = os.getpid() * 97 % _STRETCH
_ports = itertools.cycle(_FIRST + _worker * _STRETCH + (_begin + step) % _STRETCH for step in range(_STRETCH))


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

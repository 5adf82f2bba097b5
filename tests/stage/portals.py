"""Pretend portals: processes that are kept for the next test, and put back to an empty world before it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from roomkeeper.demo import Portal, wait_for
from stage.ports import free_port
from stage.processes import Apart

OWNER_KEY = "sk-" + "0" * 63 + "1"
_idle: list[tuple[Portal, Apart]] = []


@contextlib.contextmanager
def simulated_portal() -> Iterator[Portal]:
    """Give a pretend portal with an owner and nothing else in it."""
    portal, process = _idle.pop() if _idle else _started()
    try:
        yield portal
    finally:
        portal.http.post(f"{portal.url}/_sim/reset").raise_for_status()
        _idle.append((portal, process))


def _started() -> tuple[Portal, Apart]:
    port = free_port()
    process = Apart(["simulate", "--port", str(port)], os.environ, Path(os.devnull))
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/_sim/usage", process=process)
    return Portal(url, OWNER_KEY), process


def idle_processes() -> set[int]:
    """Name the processes that wait for the next test."""
    return {process.pid for _, process in _idle}


def close_portals() -> None:
    """End the processes."""
    while _idle:
        portal, process = _idle.pop()
        portal.http.close()
        process.terminate()
        process.wait(20)

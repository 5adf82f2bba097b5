"""Wait for what is to come true."""

import time
from collections.abc import Callable

#: Seconds between two looks at what can only be looked at; a look costs a call to a process on this machine.
LOOK = 0.05


def next_second() -> None:
    """Let this second pass: services count in whole ones, and what is of a service's first is taken in."""
    time.sleep(1.1 - time.time() % 1)


def until(holds: Callable[[], bool], within: float = 180.0) -> None:
    """Wait until something comes true."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(LOOK)
    raise AssertionError("it did not come true in time")

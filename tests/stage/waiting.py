"""Wait for what is to come true."""

import time
from collections.abc import Callable, Iterator

_LOOK = 0.1  # seconds between two looks at what can only be looked at; each costs some milliseconds
_SHARE = 2  # a look is followed by so many times its own time in which what it looks at goes on


def next_second() -> None:
    """Let this second pass: services count in whole ones, and what is of a service's first is taken in."""
    time.sleep(1.1 - time.time() % 1)


def until(holds: Callable[[], bool], within: float = 180.0) -> None:
    """Wait until something comes true."""
    for _ in looks(within):
        if holds():
            return
    raise AssertionError("it did not come true in time")


def looks(within: float) -> Iterator[None]:
    """Give a turn for each look, for so many seconds, with a rest after it."""
    end, began = time.monotonic() + within, 0.0
    while began < end:
        began = time.monotonic()
        yield
        now = time.monotonic()
        time.sleep(max(_LOOK, min(_SHARE * (now - began), end - now)))  # the last look is at the end

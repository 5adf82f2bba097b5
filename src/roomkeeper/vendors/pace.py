"""The pace of calls to a vendor: no more than its plan allows, for all processes of a connection together.

Hundreds of deals that close at once are then so many calls one after another, and not thousands that are refused.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from roomkeeper.errors import Throttled

_LONGEST = 10.0  # seconds that a call waits; a longer wait is said, so that others can go on meanwhile (ours)
_FIRST, _MOST = 0.5, 60.0  # seconds of a pause that nothing is said about, and of one that is (ours)
_BULK_LEAVES = 5  # bulk work leaves one call in so many to live work (ours)


@dataclass(frozen=True)
class Rate:
    """So many calls in so many seconds."""

    calls: int
    seconds: float


class Pace:
    """Keeps a rate; each of several processes keeps its part of it. Without a rate, only what a refusal asks for."""

    def __init__(
        self,
        rate: Rate | None,
        processes: Callable[[], int] = lambda: 1,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate, self.processes, self._now, self._sleep = rate, processes, now, sleep
        self._made: deque[float] = deque()
        self._paused_until, self._pause = 0.0, 0.0

    async def turn(self, vendor: str, *, bulk: bool) -> None:
        """Wait until a call may be made, and count it; `bulk` work waits as long as it takes. Raises Throttled."""
        while (wait := self._wait(bulk=bulk)) > 0:
            if wait > _LONGEST and not bulk:
                raise Throttled(f"{vendor} is to be called again in {wait:.0f} s", retry_after=wait)
            await self._sleep(wait)
        self._made.append(self._now())

    def heed(self, error: Throttled | None) -> None:
        """Learn from an answer: pause all calls for as long as a refusal says, or longer each time; go on after one."""
        if error is None:
            self._pause = 0.0
            return
        now = self._now()
        if error.retry_after is None and now >= self._paused_until:
            self._pause = min(_LONGEST, self._pause * 2 or _FIRST)
        wait = min(error.retry_after, _MOST) if error.retry_after is not None else self._pause
        self._paused_until = max(self._paused_until, now + wait)

    def _wait(self, *, bulk: bool) -> float:
        now = self._now()
        paused = self._paused_until - now
        if self._rate is None:
            self._made.clear()
            return paused
        while self._made and self._made[0] <= now - self._rate.seconds:
            self._made.popleft()
        most = max(1, self._rate.calls // self.processes())
        most = max(1, most - most // _BULK_LEAVES) if bulk else most
        full = self._made[-most] + self._rate.seconds - now if len(self._made) >= most else 0.0
        return max(paused, full)

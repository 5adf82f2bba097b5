"""Keep the portal's limits (facts/docspace.md 7), for all that one portal user does.

Calls in flight and priorities are kept here, in the process; calls a minute and writes a day are counted in a
Tally that all processes of one portal user share. Live work goes before bulk work, and bulk work never fills
the last fifth of what may be in flight.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from roomkeeper.errors import BudgetSpent, RemoteError, Throttled, Unreachable

_PREPAID = 25  # reads bought from the tally at once, so that not each of them costs a transaction (ours)
_PREPAID_LIFE = 1.0  # seconds; the tally's window is that much longer than the portal's minute (ours)
WINDOW = 60.0 + _PREPAID_LIFE  # seconds over which a tally counts (BaseStartup.cs)
_BULK_RESERVE = 5  # bulk work leaves one part in so many to live work (ours)
_LINGER = 5.0  # seconds that a call without an answer may go on at the portal (ours)
_FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0  # seconds; a 429 of the sliding window or of concurrency says nothing (ours)
_PATIENCE = 90.0  # seconds; a longer wait is said, not sat out (ours)


@dataclass(frozen=True)
class Limits:
    """What one portal user may do; the defaults are the server's."""

    requests_per_minute: int = 1500  # RateLimiterSettings.cs
    reads: int = 50  # RateLimiterSettings.cs
    writes: int = 15  # RateLimiterSettings.cs
    writes_per_day: int = 10_000  # RateLimiterSettings.cs


class Tally(Protocol):
    """Counts the calls of one portal user over all processes."""

    async def take(self, *, calls: int, writes: int, per_minute: int, per_day: int) -> tuple[int, float]:
        """Take up to `calls` calls; gives how many, and if none, in how many seconds to ask again."""
        ...

    def processes(self) -> int:
        """Tell how many processes share the calls in flight."""
        ...


class Budget:
    """One portal user's budget in this process."""

    def __init__(self, limits: Limits, tally: Tally) -> None:
        self.limits = limits
        self._tally = tally
        self._in_flight = {True: 0, False: 0}
        self._waiting: dict[tuple[bool, bool], deque[asyncio.Future[None]]] = {
            (write, bulk): deque() for write in (True, False) for bulk in (True, False)
        }
        self._prepaid, self._prepaid_until = 0, 0.0
        self._bundle = 1  # reads to be bought next: twice as many as last time, if those were used up in time
        self._paused_until, self._pause, self._day_over_until = 0.0, 0.0, 0.0
        self._buying = asyncio.Lock()

    @asynccontextmanager
    async def permit(self, *, write: bool, daily: bool, bulk: bool) -> AsyncIterator[None]:
        """Wait for leave to make one call, and hold its place in flight while it lasts.

        Raises BudgetSpent if the wait would be long.
        """
        await self._enter(write=write, bulk=bulk)
        linger = False
        try:
            await self._sit_out_pause(daily=daily)
            await self._pay(daily=daily, bulk=bulk)
            yield
        except Unreachable:
            linger = True
            raise
        finally:
            if linger:
                asyncio.get_running_loop().call_later(_LINGER, self._leave, write)
            else:
                self._leave(write)

    def heed(self, error: RemoteError | None, *, daily: bool) -> None:
        """Learn from an answer: pause all calls after a 429, longer each time; go on after a success.

        Only the limits of a day say when they end (facts/docspace.md 7), and they count writes only: reads go on.
        """
        if error is None:
            self._pause = 0.0
            return
        if not isinstance(error, Throttled):
            return
        now = time.monotonic()
        if daily and error.retry_after is not None and error.retry_after > LONGEST_PAUSE:
            self._day_over_until = max(self._day_over_until, now + error.retry_after)
            return
        if error.retry_after is None and now >= self._paused_until:
            self._pause = min(LONGEST_PAUSE, self._pause * 2 or _FIRST_PAUSE)
        wait = min(LONGEST_PAUSE, error.retry_after) if error.retry_after is not None else self._pause
        self._paused_until = max(self._paused_until, now + wait)

    async def _enter(self, *, write: bool, bulk: bool) -> None:
        while not self._has_room(write=write, bulk=bulk):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            queue = self._waiting[write, bulk]
            queue.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._wake(write)  # our turn had come: pass it on
                elif turn in queue:
                    queue.remove(turn)
                raise
        self._in_flight[write] += 1

    def _has_room(self, *, write: bool, bulk: bool) -> bool:
        most = max(1, (self.limits.writes if write else self.limits.reads) // self._tally.processes())
        if bulk:
            most = max(1, most - most // _BULK_RESERVE)
        return self._in_flight[write] < most

    def _leave(self, write: bool) -> None:  # noqa: FBT001 - called by call_later
        self._in_flight[write] -= 1
        self._wake(write)

    def _wake(self, write: bool) -> None:  # noqa: FBT001
        for bulk in (False, True):
            queue = self._waiting[write, bulk]
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return

    async def _sit_out_pause(self, *, daily: bool) -> None:
        left = self._day_over_until - time.monotonic()
        if daily and left > 0:
            raise BudgetSpent(f"The portal takes no more writes for {left / 60:.0f} minutes", retry_after=left)
        while (left := self._paused_until - time.monotonic()) > 0:  # noqa: ASYNC110 - it may be made longer
            await asyncio.sleep(left)

    async def _pay(self, *, daily: bool, bulk: bool) -> None:
        per_minute = self.limits.requests_per_minute
        if bulk:
            per_minute = max(1, per_minute - per_minute // 10)
        while True:
            wait = await self._buy_write(per_minute) if daily else await self._take_read(per_minute)
            if wait is None:
                return
            if wait > _PATIENCE:
                what = f"Today's {self.limits.writes_per_day} writes for this portal user are used up"
                raise BudgetSpent(what, retry_after=wait)
            await asyncio.sleep(max(0.01, wait))

    async def _buy_write(self, per_minute: int) -> float | None:
        """Buy one write; None, or the seconds to wait."""
        per_day = self.limits.writes_per_day
        granted, wait = await self._tally.take(calls=1, writes=1, per_minute=per_minute, per_day=per_day)
        return None if granted else wait

    async def _take_read(self, per_minute: int) -> float | None:
        """Take one of the reads bought, buying more if there is none; None, or the seconds to wait."""
        async with self._buying:  # never held while somebody waits for the minute to pass
            if self._prepaid == 0 or time.monotonic() > self._prepaid_until:
                is_brisk = self._prepaid == 0 and time.monotonic() <= self._prepaid_until
                self._bundle = min(_PREPAID, 2 * self._bundle) if is_brisk else 1
                wanted = max(self._bundle, min(_PREPAID, self._in_flight[False]))
                per_day = self.limits.writes_per_day
                self._prepaid, wait = await self._tally.take(
                    calls=wanted, writes=0, per_minute=per_minute, per_day=per_day
                )
                if self._prepaid == 0:
                    return wait
                self._prepaid_until = time.monotonic() + _PREPAID_LIFE
            self._prepaid -= 1
            return None


class LocalTally:
    """A tally for one process that keeps nothing: for commands that make a handful of calls."""

    def __init__(self) -> None:
        self._calls: deque[float] = deque()
        self._day, self._writes = -1, 0

    async def take(self, *, calls: int, writes: int, per_minute: int, per_day: int) -> tuple[int, float]:
        """Count in memory."""
        now = time.monotonic()
        while self._calls and self._calls[0] <= now - WINDOW:
            self._calls.popleft()
        free = per_minute - len(self._calls)
        if free <= 0:
            return 0, self._calls[0] + WINDOW - now
        day, second = divmod(time.time(), 86_400)
        if day != self._day:
            self._day, self._writes = int(day), 0
        if writes and self._writes >= per_day:
            return 0, 86_400 - second
        self._writes += writes
        granted = min(calls, free)
        self._calls.extend([now] * granted)
        return granted, 0.0

    def processes(self) -> int:
        """Only this one."""
        return 1

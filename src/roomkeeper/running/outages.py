"""Outages: a connection that is out of order is waited for, and no run of it asks a person meanwhile.

A key that is switched off for a while, a portal that is unpaid, restoring or migrating concerns every run of a
connection, and none in particular. So when a step fails in such a way, the connection itself is asked a small question
that it always answers when it is well. While it is not, the run waits; afterwards the step goes on, as after a crash.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Protocol

import structlog

from roomkeeper.contract.catalog import Source
from roomkeeper.errors import (
    Forbidden,
    QuotaExceeded,
    RemoteError,
    ScopeMissing,
    StoreUnavailable,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from roomkeeper.store import alerts
from roomkeeper.store.alerts import Alert
from roomkeeper.store.database import Store

log = structlog.get_logger("outages")

_FIRST, _LONGEST = 1.0, 60.0  # seconds between two questions of one run
_SHARED = 0.9  # seconds for which an answer serves other runs, too
#: What may concern the connection as a whole; whether it does, the connection tells.
_OF_A_CONNECTION = (Unauthorized, Unavailable, Unreachable, QuotaExceeded, Forbidden, ScopeMissing)

#: What is not about the request: a key or a portal that is not in order, without a word about what was asked.
_WITHOUT_A_WORD = (Unauthorized, Unavailable, QuotaExceeded, ScopeMissing)


class Waits(Protocol):
    """A run at work, as it can be made to wait."""

    async def progress(self, text: str) -> None:
        """Say how far it has come."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait. Raises RunCancelled."""
        ...


class Outages:
    """What is known of the connections' health; one for a process. `patience` is in seconds."""

    def __init__(self, store: Store, patience: float) -> None:
        self._store, self._patience = store, patience
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._answers: dict[str, tuple[float, RemoteError | None]] = {}
        self._well: set[str] = set()

    async def outlasted(self, source: Source, error: RemoteError, run: Waits, *, is_first: bool = False) -> bool:
        """Wait until the connection is well again, if that is what is wrong; whether the step may go on now.

        False if the connection is well, so that the error is the step's own, or if patience is at an end. What says
        nothing of the request may have been said just before an outage ended: for the first time, it is tried again.
        """
        if not isinstance(error, _OF_A_CONNECTION):
            return False
        began, pause = time.monotonic(), _FIRST
        trouble = await self._trouble(source, since=began)
        if trouble is None:
            return is_first and isinstance(error, _WITHOUT_A_WORD)
        while trouble is not None and time.monotonic() - began < self._patience:
            await run.progress(f"{source.name} is out of order: {trouble.message}; asked again in {pause:.0f} s")
            await run.pause(pause)
            pause = min(_LONGEST, 2 * pause)
            trouble = await self._trouble(source, since=time.monotonic())
        return trouble is None

    async def keep(self, sources: Mapping[str, Source]) -> None:
        """Ask, for ever, those that are said to be out of order: no run may be left that would."""
        await asyncio.to_thread(alerts.retain, self._store, "outage ", [f"outage {name} " for name in sources])
        while True:
            await asyncio.sleep(_LONGEST)
            try:
                said = {one.key for one in await asyncio.to_thread(alerts.current, self._store)}
                for name in [one for one in sources if _key(one) in said]:
                    await self._trouble(sources[name], since=time.monotonic() - _LONGEST)
            except StoreUnavailable as error:
                log.warning("cannot look", reason=error.message)

    async def _trouble(self, source: Source, *, since: float) -> RemoteError | None:
        """Ask the connection whether it is in order; gives why it is not; "well" is no older than `since`."""
        async with self._asking[source.name]:
            at, known = self._answers.get(source.name, (0.0, None))
            if at >= since or (known is not None and time.monotonic() - at < _SHARED):
                return known
            asked = time.monotonic()
            try:
                await (source.connector.in_order or source.connector.myself)(source.client)
                found = None
            except RemoteError as error:
                found = error
            self._answers[source.name] = (asked, found)
            await self._tell(source.name, found)
            return found

    async def _tell(self, name: str, trouble: RemoteError | None) -> None:
        """Open the alert; or close it, once: a process that was started anew closes what an older one said."""
        if trouble is None and name in self._well:
            return
        wrong = []
        if trouble is not None:
            what = f"{name} is out of order, and its runs wait for it: {trouble.message}"
            wrong = [Alert(_key(name), what, f"{trouble.remedy} They go on by themselves.")]
        await asyncio.to_thread(alerts.settle, self._store, f"outage {name} ", wrong)
        self._well.discard(name) if trouble is not None else self._well.add(name)


def _key(name: str) -> str:
    return f"outage {name} now"

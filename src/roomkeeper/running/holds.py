"""Holds: what a run keeps to itself while it works on it, over all processes.

A hold belongs to a run, not to a process: the run takes it up again after a crash, and it falls to the next one
as soon as the run is over.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from weakref import WeakValueDictionary

import sqlalchemy as sa

from roomkeeper.store.database import Store
from roomkeeper.store.tables import holds, runs

_LOOK_AGAIN = 0.25  # seconds
_turns: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()


@contextlib.asynccontextmanager
async def hold(
    store: Store,
    name: str,
    run: int,
    check: Callable[[], Awaitable[None]],
    aside: Callable[[], contextlib.AbstractContextManager[None]],
) -> AsyncIterator[None]:
    """Wait for the hold on this name, and keep it. Meanwhile `check` is asked, and may raise, and `aside` lasts."""
    turn = _turns.setdefault((run, name), asyncio.Lock())
    async with turn:  # steps of one run that run side by side share the run's hold, and take turns
        taking = _Taking(store, name, run)
        try:
            if not await taking.take():
                with aside():
                    await _wait(taking, check)
            yield
        finally:
            await taking.let_go()


class _Taking:
    """A hold that is being taken.

    What may have become ours is let go of, also by who was cancelled while taking it: kept by one who does not have
    it, it would bar others. By who only waited it is not: another process may have taken the run over, and have it.
    """

    def __init__(self, store: Store, name: str, run: int) -> None:
        self.store, self.name, self.run = store, name, run
        self._may_be_ours = False

    async def take(self) -> bool:
        self._may_be_ours = True
        self._may_be_ours = await self.store.writing(lambda db: _take(self.store, db, self.name, self.run))
        return self._may_be_ours

    async def let_go(self) -> None:
        if self._may_be_ours:
            mine = sa.delete(holds).where(holds.c.name == self.name, holds.c.run_id == self.run)
            await self.store.writing(lambda db: db.execute(mine))


async def _wait(taking: _Taking, check: Callable[[], Awaitable[None]]) -> None:
    """Wait until the hold is ours. Looking costs nobody the right to write."""
    while True:
        await check()
        await asyncio.sleep(_LOOK_AGAIN)
        is_free = await taking.store.reading(lambda db: _is_free(db, taking.name, taking.run))
        if is_free and await taking.take():
            return


def _is_free(connection: sa.Connection, name: str, run: int) -> bool:
    at_work = sa.select(runs.c.id).where(runs.c.id == holds.c.run_id, runs.c.state == "running")
    others = sa.select(holds.c.run_id).where(holds.c.name == name, holds.c.run_id != run, sa.exists(at_work))
    return connection.execute(others).first() is None


def _take(store: Store, connection: sa.Connection, name: str, run: int) -> bool:
    over = sa.select(runs.c.id).where(runs.c.id == holds.c.run_id, runs.c.state == "running")
    connection.execute(sa.delete(holds).where(holds.c.name == name, holds.c.run_id != run, ~sa.exists(over)))
    row = {"name": name, "run_id": run, "since": time.time()}
    connection.execute(store.insert(holds).values(row).on_conflict_do_nothing())
    return connection.execute(sa.select(holds.c.run_id).where(holds.c.name == name)).scalar() == run

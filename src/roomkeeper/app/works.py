"""What works, put together: it turns events into effects, looks for what was never delivered, and watches."""

import asyncio
import contextlib
import fcntl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import IO

import structlog

from roomkeeper import connecting
from roomkeeper.app.app import BROKEN, TAKEN_OVER
from roomkeeper.configuration.config import Config, gathered
from roomkeeper.errors import RoomkeeperError
from roomkeeper.intake import stranded
from roomkeeper.intake.dispatch import Dispatch
from roomkeeper.intake.inbox import Inbox
from roomkeeper.proving import nightly
from roomkeeper.running import overdue as approvals
from roomkeeper.running.engine import Engine
from roomkeeper.running.leases import JOINING, Lease, lock_file
from roomkeeper.running.outages import Outages
from roomkeeper.running.turns import Turns
from roomkeeper.running.walk import Rest, Walker
from roomkeeper.store import retention
from roomkeeper.store.database import Store
from roomkeeper.watching import webhooks as upkeep
from roomkeeper.watching.notices import Heartbeat, beat

log = structlog.get_logger("app")

_LEAVING = 3.0  # seconds that one which is being ended, or was killed a moment ago, may take to be gone


class AlreadyRunning(RoomkeeperError):
    """Another process serves this store."""


class Works:
    """What turns events into effects: lease, dispatch, engine, brooms; and looks for what was never delivered."""

    def __init__(self, config: Config, store: Store, inbox: Inbox, end: Callable[[int], None], rest: Rest) -> None:
        self._config, self._store, catalog = config, store, config.catalog
        self._end = end
        self._lease = Lease(store, works=True, on_lost=partial(end, TAKEN_OVER))
        self._sources = connecting.connected(config, store, self._lease.workers)
        stopped = [one.name for one in config.automations if one.paused]
        self._turns = Turns(store, self._sources, stopped)
        self._outages = Outages(store, config.outage_patience)
        walker = Walker(
            store,
            self._lease,
            catalog,
            self._sources,
            aside=self._turns.aside,
            outages=self._outages,
            settle_after=config.settle_after,
            rest=rest,
        )
        self._engine = Engine(store, self._lease, walker, self._turns.over)
        self._dispatch = Dispatch(
            store,
            list(self._sources.values()),
            config.automations,
            lambda automation: gathered(automation, catalog),
            self._turns.look,
        )
        inbox.on_new = self._dispatch.wake
        self.wake = self._dispatch.wake
        notify = config.notify
        self._heart = (
            Heartbeat(notify.heartbeat.get_secret_value(), notify.heartbeat_every) if notify.heartbeat else None
        )
        self._prover = connecting.prover(config, store, self._sources)
        self._reconciler = connecting.reconciler(config, store, inbox, self._sources)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work as long as this lasts."""
        await asyncio.to_thread(self._lease.begin)
        await asyncio.to_thread(stranded.take_up, self._store, self._config.automations)
        beating = [asyncio.create_task(self._lease.keep(self._engine.recover))]
        began = time.monotonic()
        await self._engine.start()
        if self._lease.workers() > 1:
            await asyncio.sleep(max(0.0, JOINING - (time.monotonic() - began)))
        days = self._config.retention
        beating += [
            asyncio.create_task(self._dispatch.run()),
            asyncio.create_task(self._turns.keep(self._engine.begin)),
            asyncio.create_task(self._reconciler.keep()),
            asyncio.create_task(nightly.keep(self._store, self._prover, self._config.automations)),
            asyncio.create_task(upkeep.keep(self._store, connecting.kept(self._config, self._sources))),
            asyncio.create_task(connecting.watch(self._config, self._store).keep()),
            asyncio.create_task(connecting.notices(self._config, self._store, self._sources).keep()),
            *([asyncio.create_task(beat(self._heart, self._store))] if self._heart is not None else []),
            asyncio.create_task(self._engine.sweep()),
            asyncio.create_task(self._outages.keep(self._sources)),
            asyncio.create_task(approvals.keep(self._store)),
            asyncio.create_task(retention.keep(self._store, events_days=days.events_days, runs_days=days.runs_days)),
        ]
        for task in beating:
            task.add_done_callback(self._must_not_end)
        try:
            yield
        finally:
            for task in beating:
                task.remove_done_callback(self._must_not_end)
                task.cancel()
            await asyncio.gather(*beating, return_exceptions=True)
            await self._engine.stop()
            await asyncio.to_thread(self._lease.end)
            await connecting.close(self._sources)

    def _must_not_end(self, task: "asyncio.Task[None]") -> None:
        """End the process, to be restarted: without one of its parts it would look alive and do nothing."""
        error = None if task.cancelled() else task.exception()
        log.critical("a part of the service ended; stopping", part=task.get_coro().__qualname__, error=repr(error))  # type: ignore[union-attr]
        self._end(BROKEN)


def must_be_alone(store: Store) -> None:
    """See that no other service works on an embedded store, before anything is opened. Raises AlreadyRunning."""
    if store.is_embedded and lock_file(store).exists():
        with contextlib.suppress(PermissionError), lock_file(store).open() as file:
            _take(file, store)


@contextlib.contextmanager
def only_one(store: Store) -> Iterator[None]:
    """Keep a second service from working on one embedded store: PostgreSQL is for several. Raises AlreadyRunning."""
    if not store.is_embedded:
        yield
        return
    lock_file(store).touch(mode=0o600)
    with lock_file(store).open("w") as file:
        _take(file, store)
        yield


def _take(file: IO[str], store: Store) -> None:
    end = time.monotonic() + _LEAVING
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() < end:
                time.sleep(0.1)
                continue
            raise AlreadyRunning(
                f"Another Roomkeeper serves the store in {store.where}",
                remedy="Stop that one first, or give this one a store of its own; several at once need PostgreSQL.",
            ) from error
        return
